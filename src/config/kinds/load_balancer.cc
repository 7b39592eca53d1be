#include "config/kinds/load_balancer.h"

#include "base/time.h"

namespace sluice::kinds {
namespace {

// The document's shapes.
struct RoundRobin {};
void bind(Fields& f, RoundRobin&) {
  f.unsupported("slowStartConfig", "Fewer requests at first for endpoints that are new.");
}

struct LeastRequest {
  uint32_t choice_count = 0;
};
void bind(Fields& f, LeastRequest& l) {
  f.optional("choiceCount", l.choice_count, "Endpoints that are looked at for each request (2 when 0 or absent).");
  f.unsupported("slowStartConfig", "Fewer requests at first for endpoints that are new.");
  f.check(l.choice_count != 1, "choiceCount", "must be at least 2");
}

}  // namespace

void bind(Fields& f, LoadBalancerConfig& c) {
  std::optional<RoundRobin> round_robin;
  std::optional<LeastRequest> least_request;
  std::optional<Empty> random;
  Nanos merge_window{};
  bool close_connections = false;
  f.optional("roundRobin", round_robin, "In turn (when no other is set).");
  f.optional("leastRequest", least_request, "The one with the fewest requests under way, of some taken at random.");
  f.optional("random", random, "At random.");
  f.unsupported({"ringHash", "maglev"});
  f.optional("healthyPanicThreshold", c.healthy_panic_threshold,
             "When less than so many percent of the endpoints are not ejected, all are used; 0 = never.");
  f.optional("updateMergeWindow", merge_window, "Only 0 is exact: changes of endpoints hold at once.");
  f.optional("closeConnectionsOnHostSetChange", close_connections,
             "Close all connections when the endpoints change; only false so far.");
  f.unsupported("localityWeightedLbConfig", "Weights of localities.");
  f.without_effect("useHostnameForHashing", "nothing is hashed");
  f.one_of({"roundRobin", "leastRequest", "random", "ringHash", "maglev"});
  if (f.present("healthyPanicThreshold"))
    f.check(c.healthy_panic_threshold >= 0 && c.healthy_panic_threshold <= 100, "healthyPanicThreshold",
            "must be from 0 to 100");
  f.not_negative("updateMergeWindow", merge_window);
  if (merge_window > 0s)
    f.warning("updateMergeWindow", "has no effect: changes of endpoints hold at once, and none are gathered");
  f.check(!close_connections, "closeConnectionsOnHostSetChange", "not supported yet");
  if (least_request) {
    c.balancing = Balancing::least_request;
    if (least_request->choice_count != 0) c.choice_count = least_request->choice_count;
  } else if (random) {
    c.balancing = Balancing::random;
  }
}

}  // namespace sluice::kinds
