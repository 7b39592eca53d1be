#include "serve/chain_table.h"

#include <fmt/format.h>
#include <algorithm>

#include "base/strings.h"

namespace sluice {
namespace {

std::unexpected<Error> same(const ChainMatch& one, const ChainMatch& other, std::string_view domain) {
  return fail(
      ErrorKind::conflict,
      fmt::format("Tried to apply multiple filter chains with the same FilterChainMatch {{{}}}: {} and {} take "
                  "the same connections",
                  domain == "*" ? "" : fmt::format("server_names:{}", json_quote(domain)), one.name, other.name));
}

}  // namespace

ChainTable::ForName& ChainTable::of_name(const std::string& domain) {
  if (domain == "*") return any_;
  const std::string name = to_lower(domain);
  return name.starts_with("*.") ? wildcards_[name.substr(1)] : exact_[name];
}

// The chain that takes the same connections already.
std::optional<size_t> ChainTable::add(ForName& chains, const ChainMatch& match, size_t chain) {
  if (match.sources.empty()) {
    if (chains.otherwise && *chains.otherwise != chain) return *chains.otherwise;
    chains.otherwise = chain;
  }
  for (const Cidr& range : match.sources) {
    for (const Source& there : chains.sources)
      if (there.range == range && there.chain != chain) return there.chain;
    chains.sources.push_back({range, chain});
  }
  std::ranges::stable_sort(chains.sources, std::greater(), [](const Source& one) { return one.range.length; });
  return std::nullopt;
}

Result<ChainTable> ChainTable::create(std::span<const ChainMatch> chains) {
  static const std::vector<std::string> kAny{"*"};
  ChainTable table;
  for (size_t i = 0; i < chains.size(); ++i)
    for (const std::string& domain : chains[i].sni_domains.empty() ? kAny : chains[i].sni_domains)
      if (const auto there = add(table.of_name(domain), chains[i], i)) return same(chains[*there], chains[i], domain);
  return table;
}

std::optional<size_t> ChainTable::find(const ForName& chains, const IpAddress& client) {
  for (const Source& one : chains.sources)
    if (one.range.contains(client)) return one.chain;
  return chains.otherwise;
}

std::optional<size_t> ChainTable::find(std::string_view server_name, const IpAddress& client) const {
  if (!server_name.empty()) {
    if (const auto exact = exact_.find(server_name); exact != exact_.end()) return find(exact->second, client);
    for (size_t dot = server_name.find('.'); dot != std::string_view::npos; dot = server_name.find('.', dot + 1))
      if (const auto wild = wildcards_.find(server_name.substr(dot)); wild != wildcards_.end())
        return find(wild->second, client);
  }
  return find(any_, client);
}

}  // namespace sluice
