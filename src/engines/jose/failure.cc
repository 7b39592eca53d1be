#include "engines/jose/failure.h"

namespace sluice::jose {

std::string_view text(Failure failure) {
  switch (failure) {
    case Failure::missing: return "Jwt is missing";
    case Failure::not_yet_valid: return "Jwt not yet valid";
    case Failure::expired: return "Jwt is expired";
    case Failure::unknown_issuer: return "Jwt issuer is not configured";
    case Failure::audience_not_allowed: return "Audiences in Jwt are not allowed";
    case Failure::verification_failed: return "Jwt verification fails";
    case Failure::no_matching_key: return "Jwks doesn't have key to match kid or alg from Jwt";
    case Failure::no_valid_keys: return "Jwks doesn't have any valid public key";
    case Failure::remote_fetch_failed: return "Jwks remote fetch is failed";
    case Failure::bad_format: return "Jwt is not in the form of Header.Payload.Signature with two dots and 3 sections";
    case Failure::too_long: return "Jwt is too long";
    case Failure::header_bad_base64: return "Jwt header is an invalid Base64url encoded";
    case Failure::header_bad_json: return "Jwt header is an invalid JSON";
    case Failure::header_bad_alg: return "Jwt header [alg] field is required and must be a string";
    case Failure::header_alg_unsupported: return "Jwt header [alg] is not supported";
    case Failure::header_bad_kid: return "Jwt header [kid] field is not a string";
    case Failure::header_crit: return "Jwt header [crit] is not supported";
    case Failure::payload_bad_base64: return "Jwt payload is an invalid Base64url encoded";
    case Failure::payload_bad_json: return "Jwt payload is an invalid JSON";
    case Failure::iss_not_string: return "Jwt payload [iss] field is not a string";
    case Failure::sub_not_string: return "Jwt payload [sub] field is not a string";
    case Failure::iat_not_integer: return "Jwt payload [iat] field is not an integer";
    case Failure::iat_not_positive: return "Jwt payload [iat] field is not a positive 64 bit integer";
    case Failure::nbf_not_integer: return "Jwt payload [nbf] field is not an integer";
    case Failure::nbf_not_positive: return "Jwt payload [nbf] field is not a positive 64 bit integer";
    case Failure::exp_not_integer: return "Jwt payload [exp] field is not an integer";
    case Failure::exp_not_positive: return "Jwt payload [exp] field is not a positive 64 bit integer";
    case Failure::jti_not_string: return "Jwt payload [jti] field is not a string";
    case Failure::aud_not_string: return "Jwt payload [aud] field is not a string or string list";
    case Failure::signature_bad_base64: return "Jwt signature is an invalid Base64url encoded";
    case Failure::ed25519_wrong_length: return "Jwt ED25519 signature is wrong length";
  }
  return "";
}

}  // namespace sluice::jose
