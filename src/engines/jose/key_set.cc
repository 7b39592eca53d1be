#include "engines/jose/key_set.h"

#include <nlohmann/json.hpp>

#include "base/json_depth.h"
#include "base/strings.h"
#include "engines/jose/key_read.h"
#include "engines/jose/openssl.h"

namespace sluice::jose {
namespace {

using Json = nlohmann::json;

constexpr size_t kJsonDepthMax = 16;

Json parse_json(std::string_view text) {
  if (json_deeper_than(text, kJsonDepthMax)) return Json(Json::value_t::discarded);
  return Json::parse(text, nullptr, /*allow_exceptions=*/false);
}

}  // namespace

Result<std::shared_ptr<const KeySet>> KeySet::parse(std::string_view text) {
  return parse(text, Form::any);
}

Result<std::shared_ptr<const KeySet>> KeySet::parse_jwk_set(std::string_view text) {
  return parse(text, Form::jwk_set);
}

Result<std::shared_ptr<const KeySet>> KeySet::parse(std::string_view text, Form form) {
  if (text.size() > kTextBytesMax) {
    return fail(ErrorKind::limit,
                fmt::format("the key text has {} bytes, at most {} are read", text.size(), kTextBytesMax));
  }
  auto set = std::make_shared<KeySet>();
  set->identity_ = sha256(text);
  while (!text.empty() && ascii_space(text.front())) text.remove_prefix(1);
  if (text.empty()) return invalid("the key is empty: give a PEM public key, a JWK or a JWK set");

  if (!text.starts_with('{')) {
    if (form == Form::jwk_set) return invalid("it is no JWK set: it does not begin as a JSON object");
    set->keys_.push_back(TRY(read_pem(text)));
    return set;
  }
  const Json document = parse_json(text);
  if (!document.is_object()) return invalid("the key begins like JSON but is not a valid JSON object");
  const auto keys = document.find("keys");
  if (keys == document.end()) {
    if (form == Form::jwk_set) return invalid("it is no JWK set: it has no \"keys\"");
    set->keys_.push_back(TRY(read_jwk(document)));
    return set;
  }
  if (!keys->is_array()) return invalid("\"keys\" of a JWK set must be a list");
  if (keys->size() > kKeysMax) {
    return fail(ErrorKind::limit, fmt::format("the JWK set has {} keys, at most {} are taken", keys->size(), kKeysMax));
  }
  for (size_t i = 0; i < keys->size(); ++i) {
    auto key = read_jwk((*keys)[i]);
    if (key) {
      set->keys_.push_back(*std::move(key));
      continue;
    }
    Error error = std::move(key).error().in(fmt::format("keys[{}]", i));
    if (error.kind == ErrorKind::denied) return std::unexpected(std::move(error));
    set->skipped_.push_back(std::move(error.message));
  }
  if (set->keys_.empty()) {
    return invalid(set->skipped_.empty() ? "the JWK set has no keys"
                                         : "no key of the JWK set can be used: " + join(set->skipped_, "; "));
  }
  return set;
}

}  // namespace sluice::jose
