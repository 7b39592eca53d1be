#include "engines/jose/provider.h"

#include <limits>

#include "engines/jose/openssl.h"

namespace sluice::jose {
namespace {

constexpr int64_t kForever = std::numeric_limits<int64_t>::max();

// `https://shop.example/` and `shop.example` are the same audience, as in Envoy.
std::string_view bare(std::string_view audience) {
  if (audience.starts_with("https://"))
    audience.remove_prefix(8);
  else if (audience.starts_with("http://"))
    audience.remove_prefix(7);
  if (audience.ends_with('/')) audience.remove_suffix(1);
  return audience;
}

int64_t saturated(uint64_t seconds) {
  return seconds > static_cast<uint64_t>(kForever) ? kForever : static_cast<int64_t>(seconds);
}
int64_t add(int64_t a, int64_t b) {
  int64_t sum = 0;
  return __builtin_add_overflow(a, b, &sum) ? kForever : sum;
}

std::string digest_of(const ProviderRules& rules) {
  std::string text;
  const auto append = [&text](std::string_view part) { text.append(fmt::format("{}:", part.size())).append(part); };
  append(rules.keys->identity());
  append(rules.issuer);
  append(fmt::format("{} {} {}", rules.clock_skew.count(), rules.audiences.size(), rules.claims.size()));
  for (const std::string& audience : rules.audiences) append(audience);
  for (const std::string& claim : rules.claims) append(claim);
  return sha256(text);
}

}  // namespace

Provider::Provider(ProviderRules rules) : rules_(std::move(rules)) {
  if (rules_.clock_skew.count() <= 0) rules_.clock_skew = Seconds(60);
  for (std::string& audience : rules_.audiences) audience = bare(audience);
  skew_ = rules_.clock_skew.count();
  identity_ = digest_of(rules_);
}

std::optional<Failure> Provider::check(const RegisteredClaims& claims, int64_t now) const {
  if (!rules_.issuer.empty() && claims.issuer != rules_.issuer) return Failure::unknown_issuer;
  if (const auto failure = check_times(claims.nbf, claims.exp, now)) return failure;
  if (!audience_allowed(claims.audiences)) return Failure::audience_not_allowed;
  return std::nullopt;
}

std::optional<Failure> Provider::check_times(uint64_t nbf, uint64_t exp, int64_t now) const {
  if (add(now, skew_) < saturated(nbf)) return Failure::not_yet_valid;
  if (now > accepted_until(exp)) return Failure::expired;
  return std::nullopt;
}

int64_t Provider::accepted_until(uint64_t exp) const {
  return exp == 0 ? kForever : add(saturated(exp), skew_);
}

bool Provider::audience_allowed(const std::vector<std::string_view>& audiences) const {
  if (rules_.audiences.empty()) return true;
  return std::ranges::any_of(audiences, [this](std::string_view audience) {
    return std::ranges::find(rules_.audiences, bare(audience)) != rules_.audiences.end();
  });
}

}  // namespace sluice::jose
