#include "route/route_table.h"

#include <fmt/format.h>
#include <algorithm>
#include <bit>

#include "base/strings.h"
#include "route/text_hash.h"

namespace sluice {
namespace {

// Nearly every host name is lower-case, in the configuration and in requests.
bool same(std::string_view domain, std::string_view text) {
  return domain == text || equals_ignoring_case(domain, text);
}

}  // namespace

// ---- DomainMap ----

bool DomainMap::add(std::string_view domain, uint32_t value) {
  if (find(domain) != kNone) return false;
  if ((count_ + 1) * 2 > slots_.size()) resize(std::max<size_t>(8, slots_.size() * 2));
  const uint64_t hash = hash_ignoring_case(domain);
  size_t at = hash & (slots_.size() - 1);
  while (slots_[at].value != kNone) at = (at + 1) & (slots_.size() - 1);
  slots_[at] = {hash, value, domain};
  ++count_;
  longest_ = std::max(longest_, domain.size());
  return true;
}

void DomainMap::reserve(size_t domains) {
  if (const size_t slots = std::bit_ceil(2 * domains + 2); slots > slots_.size()) resize(slots);
}

void DomainMap::resize(size_t slots) {
  const std::vector<Slot> old = std::exchange(slots_, std::vector<Slot>(slots));
  for (const Slot& slot : old) {
    if (slot.value == kNone) continue;
    size_t at = slot.hash & (slots_.size() - 1);
    while (slots_[at].value != kNone) at = (at + 1) & (slots_.size() - 1);
    slots_[at] = slot;
  }
}

uint32_t DomainMap::find(std::string_view text) const {
  if (count_ == 0 || text.size() > longest_) return kNone;
  const uint64_t hash = hash_ignoring_case(text);
  for (size_t at = hash & (slots_.size() - 1); slots_[at].value != kNone; at = (at + 1) & (slots_.size() - 1))
    if (slots_[at].hash == hash && same(slots_[at].domain, text)) return slots_[at].value;
  return kNone;
}

// ---- RouteTable ----

void VirtualHostEntry::add(std::unique_ptr<const RouteEntry> route) {
  changes_responses |= route->changes_responses();
  routes.push_back(std::move(route));
}

void VirtualHostEntry::index() {
  if (routes.size() < kIndexedFrom) return;
  const auto matcher = [](const auto& route) -> const RequestMatcher& { return route->matcher; };
  by_path = PathIndex(std::views::transform(routes, matcher));
}

RouteSearch VirtualHostEntry::find(Request& request) const {
  const auto first_of = [&](auto next) -> RouteSearch {
    for (uint32_t at = next(); at < routes.size(); at = next()) {
      const regex::Found fits = routes[at]->matcher.matches(request);
      if (fits == regex::Found::no) continue;
      if (fits == regex::Found::too_costly) [[unlikely]]
        return {.too_costly = true};
      return {.route = routes[at].get()};
    }
    return {};
  };
  if (by_path.empty()) return first_of([at = uint32_t{0}]() mutable { return at++; });
  PathIndex::Candidates candidates(by_path, request.path_without_query());
  return first_of([&] { return candidates.next(); });
}

Result<std::unique_ptr<const RouteTable>> RouteTable::create(std::vector<VirtualHostPtr> hosts) {
  std::unique_ptr<RouteTable> out(new RouteTable);
  out->hosts_ = std::move(hosts);
  out->exact_.reserve(out->hosts_.size());  // most hosts have one
  for (uint32_t i = 0; i < out->hosts_.size(); ++i)
    for (const std::string& domain : out->hosts_[i]->domains)
      if (!out->add_domain(domain, i))
        return fail(ErrorKind::conflict, fmt::format("virtual host {}: domain {} is taken already",
                                                     out->hosts_[i]->name, json_quote(domain)));
  for (const VirtualHostPtr& host : out->hosts_) out->changes_responses_ |= host->changes_responses;
  return out;
}

bool RouteTable::Wildcards::add(std::string_view part, uint32_t host) {
  if (!domains.add(part, host)) return false;
  const auto at = std::ranges::lower_bound(lengths, part.size(), std::greater<>());
  if (at == lengths.end() || *at != part.size()) lengths.insert(at, part.size());
  return true;
}

bool RouteTable::add_domain(std::string_view domain, uint32_t host) {
  if (domain == "*") {
    if (any_ != DomainMap::kNone) return false;
    any_ = host;
    return true;
  }
  if (domain.starts_with('*')) return suffixes_.add(domain.substr(1), host);
  if (domain.ends_with('*')) return prefixes_.add(domain.substr(0, domain.size() - 1), host);
  return exact_.add(domain, host);
}

uint32_t RouteTable::host_index(std::string_view authority) const {
  if (const uint32_t host = exact_.find(authority); host != DomainMap::kNone) return host;
  for (const size_t length : suffixes_.lengths) {
    if (length >= authority.size()) continue;
    const uint32_t host = suffixes_.domains.find(authority.substr(authority.size() - length));
    if (host != DomainMap::kNone) return host;
  }
  for (const size_t length : prefixes_.lengths) {
    if (length >= authority.size()) continue;
    const uint32_t host = prefixes_.domains.find(authority.substr(0, length));
    if (host != DomainMap::kNone) return host;
  }
  return any_;
}

const VirtualHostEntry* RouteTable::find_host(std::string_view authority) const {
  const uint32_t index = host_index(authority);
  return index == DomainMap::kNone ? nullptr : hosts_[index].get();
}

RouteSearch RouteTable::find(Request& request) const {
  const VirtualHostEntry* host = find_host(request.authority);
  return host ? host->find(request) : RouteSearch{};
}

}  // namespace sluice
