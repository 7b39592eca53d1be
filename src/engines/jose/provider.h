// Who may issue tokens, and for whom: the rules that a verified token has passed.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/time.h"
#include "engines/jose/claims.h"
#include "engines/jose/key_set.h"

namespace sluice::jose {

struct ProviderRules {
  std::string issuer;                  // must equal `iss`; empty: any
  std::vector<std::string> audiences;  // `aud` must hold one of them; empty: no check
  Seconds clock_skew{60};              // for exp and nbf; 0 means 60
  std::vector<std::string> claims;     // to be rendered as header values when a token is verified
  std::shared_ptr<const KeySet> keys;
};

// Immutable and shared by the workers.
class Provider {
 public:
  explicit Provider(ProviderRules rules);

  const KeySet& keys() const { return *rules_.keys; }
  const std::shared_ptr<const KeySet>& shared_keys() const { return rules_.keys; }
  const std::vector<std::string>& claims() const { return rules_.claims; }
  // A digest of every rule and key: providers of two snapshots that read the same have the same.
  const std::string& identity() const { return identity_; }

  // In this order: issuer, nbf, exp, audience. `now` in seconds since 1970.
  std::optional<Failure> check(const RegisteredClaims& claims, int64_t now) const;
  std::optional<Failure> check_times(uint64_t nbf, uint64_t exp, int64_t now) const;
  // When a token with this `exp` ends to be accepted; the largest number when never.
  int64_t accepted_until(uint64_t exp) const;

 private:
  bool audience_allowed(const std::vector<std::string_view>& audiences) const;

  ProviderRules rules_;
  int64_t skew_;
  std::string identity_;
};

struct VerifiedToken {
  Claims claims;
  std::vector<std::string> header_values;  // beside Provider::claims(); empty: no header
  // The first of those claims whose text no head can carry; the token is good, but what it asks for is not.
  std::string control_bytes_in;
};

}  // namespace sluice::jose
