#include "serve/chain_table.h"

#include <fmt/format.h>
#include <algorithm>

#include "base/strings.h"

namespace sluice {
namespace {

std::unexpected<Error> same(size_t one, size_t other) {
  return fail(ErrorKind::conflict, fmt::format("matchers {} and {} take the same connections", one, other));
}

}  // namespace

ChainTable::ForName& ChainTable::of_name(const std::string& domain) {
  if (domain == "*") return any_;
  const std::string name = to_lower(domain);
  return name.starts_with("*.") ? wildcards_[name.substr(1)] : exact_[name];
}

Status ChainTable::add(ForName& chains, const ChainMatch& match, size_t chain) {
  if (match.sources.empty()) {
    if (chains.otherwise && *chains.otherwise != chain) return same(*chains.otherwise, chain);
    chains.otherwise = chain;
  }
  for (const Cidr& range : match.sources) {
    for (const Source& there : chains.sources)
      if (there.range == range && there.chain != chain) return same(there.chain, chain);
    chains.sources.push_back({range, chain});
  }
  std::ranges::stable_sort(chains.sources, std::greater(), [](const Source& one) { return one.range.length; });
  return {};
}

Result<ChainTable> ChainTable::create(std::span<const ChainMatch> chains) {
  ChainTable table;
  for (size_t i = 0; i < chains.size(); ++i) {
    if (chains[i].sni_domains.empty()) TRY(add(table.any_, chains[i], i));
    for (const std::string& domain : chains[i].sni_domains) TRY(add(table.of_name(domain), chains[i], i));
  }
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
