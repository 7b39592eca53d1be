#include "serve/chain_table.h"

#include <fmt/format.h>
#include <algorithm>

#include "base/strings.h"
#include "net/cipher_suites.h"

namespace sluice {

std::string ChainTable::text_of(const Conflict& conflict, std::span<const ChainMatch> chains) {
  return fmt::format(
      "Tried to apply multiple filter chains with the same FilterChainMatch {{{}}}: {} and {} take the same "
      "connections",
      conflict.domain == "*" ? "" : fmt::format("server_names:{}", json_quote(conflict.domain)),
      chains[conflict.keeps].name, chains[conflict.loses].name);
}

ChainTable::ForName& ChainTable::of_name(const std::string& domain) {
  if (domain == "*") return any_;
  const std::string name = to_lower(domain);
  return name.starts_with("*.") ? wildcards_[name.substr(1)] : exact_[name];
}

ChainTable::Takers& ChainTable::of_source(ForName& chains, const Cidr& range) {
  const auto known = std::ranges::find(chains.sources, range, &Source::range);
  if (known != chains.sources.end()) return known->takers;
  const auto wider =
      std::ranges::find_if(chains.sources, [&](const Source& one) { return one.range.length < range.length; });
  return chains.sources.insert(wider, {range, {}})->takers;
}

// Who takes the same already.
std::optional<size_t> ChainTable::add(Takers& takers, const ChainMatch& match, size_t chain) {
  if (match.cipher_suites.empty()) {
    if (!takers.any) takers.any = chain;
    return *takers.any == chain ? std::nullopt : takers.any;
  }
  std::vector<uint16_t> suites = match.cipher_suites;
  std::ranges::sort(suites);
  const auto same = std::ranges::find(takers.by_ciphers, suites, &ForCiphers::suites);
  if (same == takers.by_ciphers.end())
    takers.by_ciphers.push_back({std::move(suites), chain});
  else if (same->chain != chain)
    return same->chain;
  return std::nullopt;
}

ChainTable ChainTable::create(std::span<const ChainMatch> chains, std::vector<Conflict>& conflicts) {
  static const std::vector<std::string> kAny{"*"};
  ChainTable table;
  for (size_t i = 0; i < chains.size(); ++i) {
    const ChainMatch& match = chains[i];
    table.by_ciphers_ |= !match.cipher_suites.empty();
    for (const std::string& domain : match.sni_domains.empty() ? kAny : match.sni_domains) {
      ForName& name = table.of_name(domain);
      const auto take = [&](Takers& takers) {
        if (const auto there = add(takers, match, i)) conflicts.push_back({domain, *there, i});
      };
      if (match.sources.empty()) take(name.otherwise);
      for (const Cidr& range : match.sources) take(of_source(name, range));
    }
  }
  return table;
}

Result<ChainTable> ChainTable::create(std::span<const ChainMatch> chains) {
  std::vector<Conflict> conflicts;
  ChainTable table = create(chains, conflicts);
  if (!conflicts.empty()) return fail(ErrorKind::conflict, text_of(conflicts.front(), chains));
  return table;
}

std::optional<size_t> ChainTable::find(const Takers& takers, std::span<const uint16_t> offered) {
  for (const ForCiphers& one : takers.by_ciphers) {
    const auto is_other = [&](uint16_t suite) {
      return !is_signalling_suite(suite) && !std::ranges::binary_search(one.suites, suite);
    };
    if (!offered.empty() && std::ranges::none_of(offered, is_other)) return one.chain;
  }
  return takers.any;
}

std::optional<size_t> ChainTable::find(const ForName& chains, const IpAddress& client,
                                       std::span<const uint16_t> offered) {
  for (const Source& one : chains.sources)
    if (one.range.contains(client))
      if (const auto taker = find(one.takers, offered)) return taker;
  return find(chains.otherwise, offered);
}

std::optional<size_t> ChainTable::find(std::string_view server_name, const IpAddress& client,
                                       std::span<const uint16_t> offered) const {
  if (!server_name.empty()) {
    if (const auto exact = exact_.find(server_name); exact != exact_.end()) return find(exact->second, client, offered);
    for (size_t dot = server_name.find('.'); dot != std::string_view::npos; dot = server_name.find('.', dot + 1))
      if (const auto wild = wildcards_.find(server_name.substr(dot)); wild != wildcards_.end())
        return find(wild->second, client, offered);
  }
  return find(any_, client, offered);
}

}  // namespace sluice
