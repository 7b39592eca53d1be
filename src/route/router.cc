#include "route/router.h"

#include <map>

#include "io/loop.h"
#include "pipeline/rerouting.h"

namespace sluice {
namespace {

Task<Response> finished(Request& request, Task<Response> rest) {
  Response response = CO_TRY(co_await rest);
  // The route may be another one by now; `rules` is the one that answered. None: no route fitted.
  if (request.route.rules) request.route.rules->finish_response(request, response);
  co_return response;
}

void count(Counter* counter) {
  if (counter) counter->add();
}

// The end of the way for what no route fits, where there is something on it.
class CountedNoRoute final : public AnsweringService {
 public:
  explicit CountedNoRoute(Counter* counter) : counter_(counter) {}
  Task<Response> handle(Request& request) const override {
    count(counter_);
    return reply(request, OutcomeKind::no_route);
  }

 private:
  Counter* const counter_;
};

// The end of a chain, asked what it would do.
class ExplainedEnd final : public Service {
 public:
  ExplainedEnd(const Service& end, Explanation& out) : end_(end), out_(out) {}
  Task<Response> handle(Request& request) const override { return end_.explain(request, out_); }

 private:
  const Service& end_;
  Explanation& out_;
};

}  // namespace

Router::Router(std::unique_ptr<const RouteTable> table, const RouterCounters& counters,
               std::vector<StagedFilter> unrouted)
    : table_(std::move(table)),
      counters_(counters),
      unrouted_{.filters = std::move(unrouted), .terminal = std::make_shared<CountedNoRoute>(counters.not_found)},
      choice_(*this) {}

const Chain* Router::choose(Request& request) const {
  const RouteSearch found = table_->find(request);
  if (!found.route) {
    if (!found.too_costly && !unrouted_.filters.empty()) return &unrouted_;
    count(found.too_costly ? counters_.too_costly : counters_.not_found);
    return found.too_costly ? &too_costly_chain() : &no_route_chain();
  }
  const RouteEntry& route = found.route->pick(request.loop.random.next());
  if (request.route.chain == &route.chain) return nullptr;
  request.route = {&route.chain, &route};
  request.info.route_name = route.generated_name;
  request.info.virtual_host_name = route.virtual_host_name;
  return nullptr;
}

void Router::Choice::choose_again(Request& request) {
  const Chain* const before = request.route.chain;
  if (const Chain* refusal = router_.choose(request)) {
    request.route.chain = refusal;  // with the rules of the route so far: the answer is its own
    return;
  }
  if (request.route.chain == before) return;
  count(router_.counters_.changes);
  if (++request.route_changes <= Rerouting::kChangesMax) return;
  count(router_.counters_.endless);
  request.route.chain = &endless_chain();
}

Task<Response> Router::handle(Request& request) const {
  if (const Chain* refusal = choose(request)) {
    if (refusal->filters.empty()) return refusal->terminal->handle(request);
    request.route.chain = refusal;  // on which a filter may make it one that has a route
  }
  request.rerouter = &choice_;
  return run(request);
}

Task<Response> Router::run(Request& request) const {
  Task<Response> rest = run_chain(request);
  if (!table_->changes_responses()) return rest;
  return finished(request, std::move(rest));
}

// Has a request go through its routes' filters to an end that explains itself: each chain has a stand-in with the same
// filters. Lives in the request's arena, as long as its routes.
class Router::Explaining final : public Rerouter {
 public:
  Explaining(const Router& router, Explanation& out) : router_(router), out_(out) {}

  // Once the first route is chosen.
  void begin(Request& request) {
    request.rerouter = this;
    take(request);
  }

  void choose_again(Request& request) override {
    const RouteRules* const before = request.route.rules;
    request.route.chain = now_;
    router_.choice_.choose_again(request);
    take(request, before);
  }

 private:
  void take(Request& request, const RouteRules* before = nullptr) {
    now_ = request.route.chain;
    if (request.route.rules != before) note(static_cast<const RouteEntry&>(*request.route.rules));
    request.route.chain = &stand_in(*now_);
  }

  void note(const RouteEntry& route) {
    std::string stages;
    for (const StagedFilter& filter : route.chain.filters)
      stages += (stages.empty() ? "" : ", ") + std::string(stage_name(filter.stage));
    out_.routes.push_back({route.generated_name, std::move(stages)});
  }

  const Chain& stand_in(const Chain& chain) {
    const auto [found, is_new] = stand_ins_.try_emplace(&chain, chain);
    if (is_new) found->second.terminal = std::make_shared<ExplainedEnd>(*chain.terminal, out_);
    return found->second;
  }

  const Router& router_;
  Explanation& out_;
  const Chain* now_ = nullptr;  // the route's own
  std::map<const Chain*, Chain> stand_ins_;
};

Task<Response> Router::explain(Request& request, Explanation& out) const {
  if (const Chain* refusal = choose(request)) {
    if (refusal->filters.empty()) return refusal->terminal->explain(request, out);
    request.route.chain = refusal;
  }
  request.arena.make<Explaining>(*this, out)->begin(request);
  return run(request);
}

}  // namespace sluice
