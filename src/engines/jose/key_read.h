// One key from its text; see KeySet for what is accepted. The parts of KeySet::parse.
#pragma once

#include <nlohmann/json_fwd.hpp>

#include "engines/jose/key_set.h"

namespace sluice::jose {

Result<Key> read_pem(std::string_view text);
// `denied` errors are private keys; others only make this entry unusable.
Result<Key> read_jwk(const nlohmann::json& jwk);

// Takes the key if its kind, size and numbers are what we accept.
Result<Key> accept_public_key(std::shared_ptr<EVP_PKEY> pkey);

}  // namespace sluice::jose
