#include "pipeline/filter.h"

#include <array>

#include "pipeline/rerouting.h"

namespace sluice {
namespace {

constexpr std::array<std::string_view, 21> kStageNames = {"latency (outermost)",
                                                          "compression",
                                                          "dlp",
                                                          "early transformation",
                                                          "cors",
                                                          "waf",
                                                          "jwt before external auth",
                                                          "external auth",
                                                          "jwt after external auth",
                                                          "rbac",
                                                          "health check",
                                                          "gRPC-Web",
                                                          "regular transformation",
                                                          "rate limit",
                                                          "gRPC-JSON transcoder",
                                                          "dynamic forward proxy",
                                                          "buffer",
                                                          "csrf",
                                                          "stateful session",
                                                          "latency (innermost)",
                                                          "router"};

}  // namespace

std::string_view stage_name(Stage stage) {
  return kStageNames[static_cast<size_t>(stage)];
}

Task<Response> Next::operator()(Request& request) const {
  if (request.route.chain != chain_ || request.rerouting) [[unlikely]]
    return go_on_rerouted(request, *chain_, at_);
  if (at_ == chain_->filters.size()) return chain_->terminal->handle(request);
  return chain_->filters[at_].filter->handle(request, Next(*chain_, at_ + 1));
}

Task<Response> run_chain(Request& request) {
  return Next(*request.route.chain, 0)(request);
}

std::vector<OptionField> option_fields_of(std::span<const FilterFactory* const> filters) {
  std::vector<OptionField> out;
  for (const FilterFactory* filter : filters)
    for (OptionField& field : filter->option_fields()) out.push_back(std::move(field));
  return out;
}

}  // namespace sluice
