// Requests of one client go to one endpoint: it is told which by a cookie or a header, and names it from then on.
// gloo-core.md 2.4, README.md beside this.
#pragma once

#include "filters/stateful_session/config.h"
#include "pipeline/filter.h"

namespace sluice {

const FilterFactory& stateful_session_filter();

namespace stateful_session {

// What became of requests; one each.
struct SessionMetrics {
  explicit SessionMetrics(Metrics& metrics);
  Counter* begun;    // had no session
  Counter* kept;     // went where they belong
  Counter* moved;    // went elsewhere
  Counter* refused;  // could not go where they belong, and nowhere else
};

class StatefulSessionFilter final : public Filter {
 public:
  StatefulSessionFilter(const Options& options, Metrics& metrics);
  Task<Response> handle(Request& request, Next next) const override;

 private:
  bool concerns(const Request& request) const;
  std::optional<std::string_view> session_of(const Request& request) const;
  Task<Response> follow(Request& request, Next next) const;
  void tell(Request& request, Headers& headers) const;

  const Options options_;
  std::string cookie_attributes_;
  SessionMetrics metrics_;
};

}  // namespace stateful_session
}  // namespace sluice
