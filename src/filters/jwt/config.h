// The options of the JWT check as users write them: gloo-policies.md 3.1, 3.2.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/time.h"
#include "config/bind.h"
#include "engines/jose/key_set.h"

namespace sluice::jwt {

struct TokenHeader {
  std::string header;  // lower-case once read
  std::string prefix;  // must begin the value; empty: the whole value is the token
};
void bind(Fields& f, TokenHeader& header);

// Where tokens are looked for. Nothing given: `Authorization: Bearer ` and the query parameter `access_token`.
struct TokenSource {
  std::vector<TokenHeader> headers;
  std::vector<std::string> query_params;
};
void bind(Fields& f, TokenSource& source);

struct ClaimToHeader {
  std::string claim;
  std::string header;  // lower-case once read
  bool append = false;
};
void bind(Fields& f, ClaimToHeader& claim);

struct LocalJwks {
  std::string key;
  std::shared_ptr<const jose::KeySet> keys;  // read from `key`; null when it is bad, which is an error
};
void bind(Fields& f, LocalJwks& local);

struct AsyncFetch {
  bool fast_listener = false;
};
void bind(Fields& f, AsyncFetch& async);

struct RemoteJwks {
  std::string url;
  ObjectRef upstream;
  Nanos cache_duration = 5min;
  std::optional<AsyncFetch> async_fetch;
  std::string authority;  // this and the rest from `url`
  std::string path;
  bool https = false;
};
void bind(Fields& f, RemoteJwks& remote);

struct Jwks {
  std::optional<LocalJwks> local;
  std::optional<RemoteJwks> remote;  // one of them
};
void bind(Fields& f, Jwks& jwks);

struct Provider {
  Jwks jwks;
  std::string issuer;
  std::vector<std::string> audiences;
  TokenSource token_source;
  bool keep_token = false;
  std::vector<ClaimToHeader> claims_to_headers;
  uint32_t clock_skew_seconds = 60;
};
void bind(Fields& f, Provider& provider);

enum class ValidationPolicy : uint8_t { require_valid, allow_missing, allow_missing_or_failed };
inline constexpr EnumName kValidationPolicyNames[] = {
    {"REQUIRE_VALID", 0}, {"ALLOW_MISSING", 1}, {"ALLOW_MISSING_OR_FAILED", 2}};
constexpr std::span<const EnumName> enum_names(ValidationPolicy) {
  return kValidationPolicyNames;
}

// One check: whose tokens count, and what happens without a good one.
struct Check {
  std::map<std::string, Provider> providers;
  ValidationPolicy validation_policy = ValidationPolicy::require_valid;
  bool allow_missing_or_failed_jwt = false;  // older spelling; beats validation_policy when true
  std::string written;                       // all of this as JSON, for FilterBuild::share

  ValidationPolicy policy() const {
    return allow_missing_or_failed_jwt ? ValidationPolicy::allow_missing_or_failed : validation_policy;
  }
};
void bind(Fields& f, Check& check);

// Virtual host `jwtStaged`, route `jwtProvidersStaged`.
struct StagedChecks {
  std::optional<Check> before_ext_auth;
  std::optional<Check> after_ext_auth;
};
void bind(Fields& f, StagedChecks& checks);

// Route `jwt`.
struct RouteSwitch {
  bool disable = false;
};
void bind(Fields& f, RouteSwitch& route);

// Route `jwtStaged`.
struct StagedRouteSwitches {
  std::optional<RouteSwitch> before_ext_auth;
  std::optional<RouteSwitch> after_ext_auth;
};
void bind(Fields& f, StagedRouteSwitches& route);

}  // namespace sluice::jwt
