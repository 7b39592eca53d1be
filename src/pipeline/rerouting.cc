#include "pipeline/rerouting.h"

#include "base/check.h"
#include "base/log.h"

namespace sluice {
namespace {

class NoRoute final : public AnsweringService {
 public:
  Task<Response> handle(Request& request) const override { return reply(request, OutcomeKind::no_route); }
};

class TooCostly final : public AnsweringService {
 public:
  Task<Response> handle(Request& request) const override {
    static log::Site site{LogLevel::warn, "route", "the expressions of matchers would take too long on a request"};
    if (site.admits())
      site.write({{"authority", request.authority},
                  {"path", request.path},
                  {"remedy", "fewer of them that repeat groups, such as (a|b){100}, for long headers and paths"}});
    return reply(request, OutcomeKind::route_too_costly);
  }
};

class Endless final : public AnsweringService {
 public:
  Task<Response> handle(Request& request) const override {
    static log::Site site{LogLevel::warn, "route", "the policies of routes send a request to one another without end"};
    if (site.admits())
      site.write({{"route", request.info.route_name}, {"authority", request.authority}, {"path", request.path}});
    return reply(request, OutcomeKind::route_changed_too_often);
  }
};

// The end of a chain whose response is there already.
class Given final : public AnsweringService {
 public:
  explicit Given(Response response) : response_(response) {}
  Task<Response> handle(Request&) const override { return response_; }

 private:
  Response response_;
};

bool is_outermost(Stage stage) {
  return stage == Stage::dlp;
}

}  // namespace

void Rerouting::leave(const Chain& chain, size_t passed) {
  CHECK(count_ < legs_.size());
  legs_[count_++] = {&chain, passed};
}

bool Rerouting::has_run(const StagedFilter& filter) const {
  for (size_t leg = count_; leg-- > 0;) {
    bool others = false;
    for (size_t i = 0; i < legs_[leg].passed; ++i) {
      const StagedFilter& ran = legs_[leg].chain->filters[i];
      if (ran.stage != filter.stage) continue;
      if (ran.filter == filter.filter) return true;
      others = true;
    }
    if (others && !is_outermost(filter.stage)) return false;
  }
  return false;
}

Task<Response> go_on_rerouted(Request& request, const Chain& chain, size_t at) {
  const Chain* now = &chain;
  if (request.route.chain != now) {
    if (!request.rerouting) request.rerouting = request.arena.make<Rerouting>();
    request.rerouting->leave(chain, at);
    now = request.route.chain;
    at = 0;
  }
  for (; at < now->filters.size(); ++at) {
    const StagedFilter& next = now->filters[at];
    if (request.rerouting->has_run(next)) continue;
    if (!is_outermost(next.stage)) return next.filter->handle(request, Next(*now, at + 1));
    request.rerouting->run_outermost(*next.filter);
  }
  return now->terminal->handle(request);
}

Task<Response> finish_rerouted(Request& request, Response response) {
  const Rerouting& rerouting = *std::exchange(request.rerouting, nullptr);
  for (const Filter* filter : rerouting.outermost()) {
    const auto* given = request.arena.make<Given>(response);
    auto* chain = request.arena.make<Chain>();
    chain->terminal = std::shared_ptr<const Service>(std::shared_ptr<void>(), given);  // the arena's
    request.route.chain = chain;
    auto handling = filter->handle(request, Next(*chain, 0));
    response = CO_TRY(co_await handling);
  }
  // An answer of theirs is one of the route's.
  if (request.route.rules) request.route.rules->finish_response(request, response);
  co_return response;
}

const Chain& no_route_chain() {
  static const Chain chain{.filters = {}, .terminal = std::make_shared<NoRoute>()};
  return chain;
}

const Chain& too_costly_chain() {
  static const Chain chain{.filters = {}, .terminal = std::make_shared<TooCostly>()};
  return chain;
}

const Chain& endless_chain() {
  static const Chain chain{.filters = {}, .terminal = std::make_shared<Endless>()};
  return chain;
}

}  // namespace sluice
