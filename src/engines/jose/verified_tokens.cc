#include "engines/jose/verified_tokens.h"

#include <algorithm>
#include <cstring>

namespace sluice::jose {
namespace {

constexpr size_t kEntryOverhead = 512;  // list node, map node, the parsed document's own objects

size_t bytes_of_entry(std::string_view token, const VerifiedToken& verified) {
  size_t bytes = kEntryOverhead + token.size() + 3 * verified.claims.json().size();  // the text, and its tree
  for (const std::string& value : verified.header_values) bytes += sizeof(std::string) + value.size();
  return bytes;
}

}  // namespace

// The end of a token is its signature, as good as random; and only tokens that were verified are ever put in, so
// nobody can fill one bucket. That makes 32 bytes enough for a hash.
size_t VerifiedTokens::KeyHash::operator()(const Key& key) const {
  const std::string_view tail = key.token.substr(key.token.size() - std::min<size_t>(key.token.size(), 32));
  size_t seed = 0;
  std::memcpy(&seed, key.provider.data(), std::min(sizeof seed, key.provider.size()));
  return seed ^ std::hash<std::string_view>{}(tail);
}

std::shared_ptr<const VerifiedToken> VerifiedTokens::find(const Provider& provider, std::string_view token,
                                                          int64_t now) {
  const auto found = index_.find(Key{provider.identity(), token});
  if (found == index_.end()) {
    ++counts_.misses;
    return nullptr;
  }
  const Entries::iterator entry = found->second;
  const RegisteredClaims& claims = entry->verified->claims.registered();
  if (now > entry->until || provider.check_times(claims.nbf, claims.exp, now)) {
    erase(entry);
    ++counts_.misses;
    return nullptr;
  }
  if (entry != entries_.begin()) entries_.splice(entries_.begin(), entries_, entry);
  ++counts_.hits;
  return entry->verified;
}

void VerifiedTokens::remember(const Provider& provider, std::string_view token,
                              std::shared_ptr<const VerifiedToken> verified, int64_t now) {
  if (limits_.entries_max == 0 || limits_.ttl_max.count() <= 0) return;
  if (const auto old = index_.find(Key{provider.identity(), token}); old != index_.end()) erase(old->second);
  const int64_t until =
      std::min(provider.accepted_until(verified->claims.registered().exp), now + limits_.ttl_max.count());
  const size_t bytes = bytes_of_entry(token, *verified);
  entries_.push_front(Entry{provider.identity(), std::string(token), std::move(verified), until, bytes});
  index_.emplace(Key{entries_.front().provider, entries_.front().token}, entries_.begin());
  bytes_ += bytes;
  make_room();
}

std::expected<std::shared_ptr<const VerifiedToken>, Failure> VerifiedTokens::verify(Verifier& verifier,
                                                                                    std::string_view token,
                                                                                    int64_t now) {
  if (auto known = find(verifier.provider(), token, now)) return known;
  auto verified = verifier.verify(token, now);
  if (verified) remember(verifier.provider(), token, *verified, now);
  return verified;
}

void VerifiedTokens::set_limits(Limits limits) {
  limits_ = limits;
  make_room();
}

void VerifiedTokens::erase(Entries::iterator entry) {
  bytes_ -= entry->bytes;
  index_.erase(Key{entry->provider, entry->token});
  entries_.erase(entry);
}

void VerifiedTokens::make_room() {
  const size_t entries_max = limits_.ttl_max.count() > 0 ? limits_.entries_max : 0;
  while (!entries_.empty() && (entries_.size() > entries_max || bytes_ > entries_max * kBytesPerEntry)) {
    erase(std::prev(entries_.end()));
    ++counts_.evictions;
  }
}

}  // namespace sluice::jose
