#include "route/router.h"

#include <random>

namespace sluice {
namespace {

// Which of several destinations serves a request: splitmix64, seeded once a thread.
uint64_t random_number() {
  thread_local uint64_t state = std::random_device{}();
  uint64_t z = state += 0x9e3779b97f4a7c15;
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
  z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
  return z ^ (z >> 31);
}

Task<Response> finished(Request& request, Task<Response> rest) {
  Response response = CO_TRY(co_await rest);
  // The route may be another one by now; `rules` is the one that answered.
  request.route.rules->finish_response(request, response);
  co_return response;
}

}  // namespace

Router::Router(std::unique_ptr<const RouteTable> table, Counter* routes_not_found)
    : table_(std::move(table)), routes_not_found_(routes_not_found), choice_(*table_) {}

bool Router::Choice::choose(Request& request) {
  const RouteEntry* found = table_.find(request);
  if (!found) return false;
  const RouteEntry& route = found->pick(random_number());
  request.route = {&route.chain, &route};
  request.info.route_name = route.generated_name;
  request.info.virtual_host_name = route.virtual_host_name;
  return true;
}

Task<Response> Router::handle(Request& request) const {
  if (!choice_.choose(request)) {
    if (routes_not_found_) routes_not_found_->add();
    request.info.set(ResponseFlag::no_route);
    return local_reply(request, 404, "", "route_not_found");
  }
  request.rerouter = &choice_;
  Task<Response> rest = run_chain(request);
  if (!table_->changes_responses()) return rest;
  return finished(request, std::move(rest));
}

}  // namespace sluice
