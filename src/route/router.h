// Sends a request down the chain of the route that fits it. The outermost service of a listener.
//
// One a snapshot and listener, for all workers; must outlive the exchanges it serves.
#pragma once

#include "route/route_table.h"

namespace sluice {

// Any may be null.
struct RouterCounters {
  Counter* not_found = nullptr;   // requests without a route
  Counter* changes = nullptr;     // routes that were chosen again and became another
  Counter* endless = nullptr;     // requests refused for their changes of route
  Counter* too_costly = nullptr;  // requests refused for what their conditions would cost
};

class Router final : public Service {
 public:
  // `unrouted`: filters for requests that no route fits, before they are answered 404; they may have the route chosen
  // again, when they have made it one that has a route.
  explicit Router(std::unique_ptr<const RouteTable> table, const RouterCounters& counters = {},
                  std::vector<StagedFilter> unrouted = {});

  // Sets request.route, request.rerouter and the names in request.info. Without a route: 404, no body, flag NR, details
  // route_not_found; where it would take too long to say which fits: 500, route_match_too_costly. An answer of a
  // filter's own gets the route's changes to response headers here; what forwards has made them already. An Error
  // passes: whoever turns it into an answer calls request.route.rules->finish_response(). Where request.rerouting is
  // set then, the caller lets the response through finish_rerouted().
  Task<Response> handle(Request& request) const override;

  // The same up to the end of the chain, which explains itself: the filters run, as what they change decides where the
  // request goes.
  Task<Response> explain(Request& request, Explanation& out) const override;

  const RouteTable& table() const { return *table_; }

 private:
  class Choice final : public Rerouter {
   public:
    explicit Choice(const Router& router) : router_(router) {}
    void choose_again(Request& request) override;

   private:
    const Router& router_;
  };
  class Explaining;

  // The refusal where none fits: the request stays as it is.
  const Chain* choose(Request& request) const;
  Task<Response> run(Request& request) const;

  std::unique_ptr<const RouteTable> table_;
  RouterCounters counters_;
  Chain unrouted_;         // no filters: there is none
  mutable Choice choice_;  // has no state of its own
};

}  // namespace sluice
