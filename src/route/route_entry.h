// A route as a worker uses it: what it matches, and everything that happens to a request on it. Part of a snapshot;
// never changes once its table stands.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/time.h"
#include "pipeline/filter.h"
#include "pipeline/request_matcher.h"
#include "route/header_mutations.h"

namespace sluice {

class RouteEntry final : public RouteRules {
 public:
  std::string name;               // the user's; may be empty
  std::string generated_name;     // route_name(): what logs show
  std::string virtual_host_name;  // "gloo-system_httpbin"
  RequestMatcher matcher;
  Chain chain;
  std::string prefix_rewrite;                       // empty: none
  std::string host_rewrite;                         // empty: none
  HeaderMutations headers;                          // of weighted destination, route and virtual host
  std::shared_ptr<const RetryPolicy> retry_policy;  // what `retries` points to
  std::string refused;                              // why every request is refused at its end; empty: it is not

  // In Envoy's order: x-envoy-expected-rq-timeout-ms, changes to headers, hostRewrite, prefixRewrite (the path before
  // is kept in x-envoy-original-path). A path that a transformation changed so that the matched prefix is gone is not
  // rewritten.
  void rewrite_request(Request& request) const override;
  // Once a response: later calls do nothing.
  void finish_response(Request& request, Response& response) const override;

  // A route with several destinations: each is an entry of its own, with its own chain, chosen by weight when the route
  // is. Of these only chain, rewrites, headers, timeouts and names count; of this one then only the matcher.
  // `weight` 0 gets no traffic; the weights sum up to 1 .. 2^32 - 1.
  void add_weighted(uint32_t weight, std::unique_ptr<const RouteEntry> entry);
  // The entry that serves a request: this one, or one of the weighted. `random` is any number, evenly distributed.
  const RouteEntry& pick(uint64_t random) const;
  bool changes_responses() const;

 private:
  struct Weighted {
    uint64_t below;  // chosen when the number modulo the sum is below this, and not below the one before
    std::unique_ptr<const RouteEntry> entry;
  };
  std::vector<Weighted> weighted_;
};

// The data plane's name of a route: "<vhost>-route-<i>[-<tree name>]-matcher-<j>" (gloo-core 3.4).
std::string route_name(std::string_view virtual_host, size_t route, std::string_view tree_name, size_t matcher);
// "vs:<gateway>_<proxy>_<ns>_<vs>_route:<name>"; "" when the route has no name.
std::string route_tree_name(std::string_view gateway, std::string_view proxy, std::string_view ns, std::string_view vs,
                            std::string_view route);

// The path with what the matcher covers replaced by `replacement`, the query kept; in the arena. Nothing when the path
// does not fit the matcher.
std::optional<std::string_view> replace_matched(Request& request, const RequestMatcher& matcher,
                                                std::string_view replacement);

}  // namespace sluice
