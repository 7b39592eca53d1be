#include "pipeline/filter.h"

#include <array>

namespace sluice {
namespace {

constexpr std::array<std::string_view, 14> kStageNames = {"dlp",
                                                          "early transformation",
                                                          "cors",
                                                          "waf",
                                                          "jwt before external auth",
                                                          "external auth",
                                                          "jwt after external auth",
                                                          "rbac",
                                                          "regular transformation",
                                                          "rate limit",
                                                          "dynamic forward proxy",
                                                          "buffer",
                                                          "csrf",
                                                          "router"};

}  // namespace

std::string_view stage_name(Stage stage) {
  return kStageNames[static_cast<size_t>(stage)];
}

Task<Response> Next::operator()(Request& request) const {
  const Chain* chain = chain_;
  size_t at = at_;
  if (request.route.chain != chain) [[unlikely]] {
    // Another route was chosen meanwhile: go on in its chain, behind the stage of the filter that asked.
    const Stage done = chain->filters[at - 1].stage;
    chain = request.route.chain;
    for (at = 0; at < chain->filters.size() && chain->filters[at].stage <= done;) ++at;
  }
  if (at == chain->filters.size()) return chain->terminal->handle(request, Next(*chain, at));
  return chain->filters[at].filter->handle(request, Next(*chain, at + 1));
}

Task<Response> run_chain(Request& request) {
  return Next(*request.route.chain, 0)(request);
}

}  // namespace sluice
