#include "route/router.h"

#include "base/random.h"
#include "pipeline/rerouting.h"

namespace sluice {
namespace {

// Which of several destinations serves a request.
uint64_t random_number() {
  thread_local Random random{random_seed()};
  return random.next();
}

Task<Response> finished(Request& request, Task<Response> rest) {
  Response response = CO_TRY(co_await rest);
  // The route may be another one by now; `rules` is the one that answered.
  request.route.rules->finish_response(request, response);
  co_return response;
}

void count(Counter* counter) {
  if (counter) counter->add();
}

void explain(const RouteEntry& route, Explanation& out) {
  std::string stages;
  for (const StagedFilter& filter : route.chain.filters)
    stages += (stages.empty() ? "" : ", ") + std::string(stage_name(filter.stage));
  out.routes.push_back({route.generated_name, std::move(stages)});
}

}  // namespace

Router::Router(std::unique_ptr<const RouteTable> table, const RouterCounters& counters)
    : table_(std::move(table)), counters_(counters), choice_(*this) {}

const Chain* Router::choose(Request& request) const {
  const RouteSearch found = table_->find(request);
  if (!found.route) {
    count(found.too_costly ? counters_.too_costly : counters_.not_found);
    return found.too_costly ? &too_costly_chain() : &no_route_chain();
  }
  const RouteEntry& route = found.route->pick(random_number());
  if (request.route.chain == &route.chain) return nullptr;
  request.route = {&route.chain, &route};
  request.info.route_name = route.generated_name;
  request.info.virtual_host_name = route.virtual_host_name;
  if (request.explanation) [[unlikely]]
    explain(route, *request.explanation);
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
  if (const Chain* refusal = choose(request)) return refusal->terminal->handle(request, Next(*refusal, 0));
  request.rerouter = &choice_;
  Task<Response> rest = run_chain(request);
  if (!table_->changes_responses()) return rest;
  return finished(request, std::move(rest));
}

}  // namespace sluice
