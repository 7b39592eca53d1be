// Whoever turns a request into a response: the router of a listener, the end of a chain, the admin pages, the API.
#pragma once

#include <string>
#include <vector>

#include "io/task.h"
#include "pipeline/message.h"

namespace sluice {

// What `sluice explain` tells of a request, filled in by whoever would act.
struct Explanation {
  // The routes that were chosen, one after the other, with their filters.
  struct Route {
    std::string name;
    std::string stages;
  };
  std::vector<Route> routes;
  bool reached = false;  // it would be forwarded
  std::string cluster;
  std::string destination;
  std::string address_class;
  std::string verdict;
};

// Made when a snapshot is made, for all workers; never changes, and is called by several threads at once.
class Service {
 public:
  virtual ~Service() = default;
  virtual Task<Response> handle(Request& request) const = 0;

  // What handle() would do. Sends nothing to anybody. Where it would forward, `out.reached` is set and the response
  // says nothing; else it is the answer. An error where nobody can know before it is done.
  virtual Task<Response> explain(Request& request, Explanation& out) const;
};

// One that answers by itself, and does nothing else.
class AnsweringService : public Service {
 public:
  Task<Response> explain(Request& request, Explanation&) const final { return handle(request); }
};

}  // namespace sluice
