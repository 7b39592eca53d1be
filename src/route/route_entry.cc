#include "route/route_entry.h"

#include <fmt/format.h>
#include <algorithm>

namespace sluice {

std::string route_name(std::string_view virtual_host, size_t route, std::string_view tree_name, size_t matcher) {
  return fmt::format("{}-route-{}{}{}-matcher-{}", virtual_host, route, tree_name.empty() ? "" : "-", tree_name,
                     matcher);
}

std::string route_tree_name(std::string_view gateway, std::string_view proxy, std::string_view ns, std::string_view vs,
                            std::string_view route) {
  if (route.empty()) return {};
  return fmt::format("vs:{}_{}_{}_{}_route:{}", gateway, proxy, ns, vs, route);
}

std::optional<std::string_view> replace_matched(Request& request, const RequestMatcher& matcher,
                                                std::string_view replacement) {
  const auto matched = matcher.matched_bytes(request.path);
  if (!matched) return std::nullopt;
  return request.arena.concat(replacement, request.path.substr(*matched));
}

void RouteEntry::rewrite_request(Request& request) const {
  if (envoy_headers && timeout > Nanos::zero()) {
    const fmt::format_int millis(std::chrono::duration_cast<Millis>(timeout).count());
    request.headers.set(Known::x_envoy_expected_rq_timeout_ms, request.arena.copy({millis.data(), millis.size()}));
  }
  headers.apply_request(request);
  if (!host_rewrite.empty()) request.authority = host_rewrite;
  if (prefix_rewrite.empty()) return;
  if (const auto path = replace_matched(request, matcher, prefix_rewrite)) {
    request.info.rewritten_path = request.path;
    if (envoy_headers) request.headers.set(Known::x_envoy_original_path, request.path);
    request.path = *path;
  }
}

void RouteEntry::finish_response(Request& request, Response& response) const {
  if (std::exchange(response.finished, true)) return;
  headers.apply_response(request, response);
}

void RouteEntry::add_weighted(uint32_t weight, std::unique_ptr<const RouteEntry> entry) {
  if (weight == 0) return;
  const uint64_t before = weighted_.empty() ? 0 : weighted_.back().below;
  weighted_.push_back({before + weight, std::move(entry)});
}

const RouteEntry& RouteEntry::pick(uint64_t random) const {
  if (weighted_.empty()) return *this;
  const uint64_t number = random % weighted_.back().below;
  const auto chosen = std::ranges::upper_bound(weighted_, number, {}, &Weighted::below);
  return *chosen->entry;
}

bool RouteEntry::changes_responses() const {
  return headers.changes_responses() ||
         std::ranges::any_of(weighted_, [](const Weighted& one) { return one.entry->changes_responses(); });
}

}  // namespace sluice
