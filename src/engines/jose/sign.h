// Makes tokens, for trying things out and for tests. A gateway itself never signs.
#pragma once

#include <string>
#include <string_view>

#include "base/result.h"

namespace sluice::jose {

// A token of `payload_json` (an object; its white space is dropped, its order kept) signed with `algorithm`, such as
// "RS256". `key` is a private key as PEM without passphrase; for HS* the secret's bytes themselves.
// `kid` goes into the header unless empty. At most 64 KiB of payload.
Result<std::string> sign(std::string_view payload_json, std::string_view algorithm, std::string_view key,
                         std::string_view kid = {});

}  // namespace sluice::jose
