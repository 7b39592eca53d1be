// Sends a request down the chain of the route that fits it. The outermost service of a listener.
//
// One a snapshot and listener, for all workers; must outlive the exchanges it serves.
#pragma once

#include "route/route_table.h"

namespace sluice {

class Router {
 public:
  // `routes_not_found`: counts requests without a route; may be null.
  explicit Router(std::unique_ptr<const RouteTable> table, Counter* routes_not_found = nullptr);

  // Sets request.route, request.rerouter and the names in request.info. Without a route: 404, no body, flag NR, details
  // route_not_found. An answer of a filter's own gets the route's changes to response headers here; what forwards has
  // made them already. An Error passes: whoever turns it into an answer calls request.route.rules->finish_response().
  Task<Response> handle(Request& request) const;

  const RouteTable& table() const { return *table_; }

 private:
  class Choice final : public Rerouter {
   public:
    explicit Choice(const RouteTable& table) : table_(table) {}
    bool choose(Request& request) override;

   private:
    const RouteTable& table_;
  };

  std::unique_ptr<const RouteTable> table_;
  Counter* routes_not_found_;
  mutable Choice choice_;  // has no state of its own
};

}  // namespace sluice
