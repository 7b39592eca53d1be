// Remembers tokens that were verified, so that the next request with one costs a look-up instead of a signature.
//
// The key is the provider's identity and every byte of the token, compared in full. An entry lives until the token
// expires (with the provider's clock skew), at most `ttl_max`, and its times are checked again each time it is found.
// Refusals are never remembered. Belongs to one worker; not safe to share.
//
// Bounds: `entries_max` tokens and, with tokens of unusual size, kBytesPerEntry times that in bytes; the least
// recently used goes first. With 10,000 entries that is 40 MiB a worker at most. 0 entries: remembers nothing.
#pragma once

#include <expected>
#include <list>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>

#include "engines/jose/verifier.h"

namespace sluice::jose {

class VerifiedTokens {
 public:
  static constexpr size_t kBytesPerEntry = 4096;

  struct Limits {
    size_t entries_max = 10'000;
    Seconds ttl_max{300};
  };
  struct Counts {
    uint64_t hits = 0;
    uint64_t misses = 0;
    uint64_t evictions = 0;  // for want of room
  };

  explicit VerifiedTokens(Limits limits) : limits_(limits) {}
  VerifiedTokens(const VerifiedTokens&) = delete;
  VerifiedTokens& operator=(const VerifiedTokens&) = delete;

  // What is remembered of this token, or null. Allocates nothing.
  std::shared_ptr<const VerifiedToken> find(const Provider& provider, std::string_view token, int64_t now);
  void remember(const Provider& provider, std::string_view token, std::shared_ptr<const VerifiedToken> verified,
                int64_t now);

  // find(), else verify and remember.
  std::expected<std::shared_ptr<const VerifiedToken>, Failure> verify(Verifier& verifier, std::string_view token,
                                                                      int64_t now);

  size_t size() const { return entries_.size(); }
  size_t bytes() const { return bytes_; }
  const Counts& counts() const { return counts_; }
  // New limits, as from a new configuration; what is too much goes at once.
  void set_limits(Limits limits);

 private:
  struct Key {  // views into the entry
    std::string_view provider;
    std::string_view token;
    bool operator==(const Key&) const = default;
  };
  struct KeyHash {
    size_t operator()(const Key& key) const;
  };
  struct Entry {
    std::string provider;
    std::string token;
    std::shared_ptr<const VerifiedToken> verified;
    int64_t until = 0;
    size_t bytes = 0;
  };
  using Entries = std::list<Entry>;  // the most recently used first

  void erase(Entries::iterator entry);
  void make_room();

  Limits limits_;
  Counts counts_;
  size_t bytes_ = 0;
  Entries entries_;
  std::unordered_map<Key, Entries::iterator, KeyHash> index_;
};

}  // namespace sluice::jose
