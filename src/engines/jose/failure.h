// Why a token was refused, in the words that clients see.
//
// The texts are those of Envoy's JWT filter, letter for letter: operators match on them. Two are ours:
// `header_crit`, because RFC 7515 4.1.11 wants a token with a `crit` header that we do not understand refused,
// and `too_long`.
#pragma once

#include <cstdint>
#include <string_view>

namespace sluice::jose {

enum class Failure : uint8_t {
  missing,
  not_yet_valid,
  expired,
  unknown_issuer,
  audience_not_allowed,
  verification_failed,
  no_matching_key,
  no_valid_keys,
  remote_fetch_failed,
  bad_format,
  too_long,
  header_bad_base64,
  header_bad_json,
  header_bad_alg,
  header_alg_unsupported,
  header_bad_kid,
  header_crit,
  payload_bad_base64,
  payload_bad_json,
  iss_not_string,
  sub_not_string,
  iat_not_integer,
  iat_not_positive,
  nbf_not_integer,
  nbf_not_positive,
  exp_not_integer,
  exp_not_positive,
  jti_not_string,
  aud_not_string,
  signature_bad_base64,
  ed25519_wrong_length,
};

std::string_view text(Failure failure);

}  // namespace sluice::jose
