// Whatever bytes come: a key set or an error, a token or a failure, and never more than the bounds allow.
// The first byte decides what the rest is read as.
#include "base/check.h"
#include "base/encoding.h"
#include "engines/jose/verifier.h"

using namespace sluice;
using namespace sluice::jose;

namespace {

Verifier& verifier() {
  static const std::string secret(32, 's');
  static const auto keys = KeySet::parse(
      R"({"keys":[{"kty":"oct","k":")" + base64url_encode(secret) +
      R"("},{"kty":"RSA","e":"AQAB","n":"ofgWCuLjybRlzo0tZWJjNiuSfb4p4fAkd_wWJcyQoTbji9k0l8W26mPddxHmfHQp-Vaw)"
      R"(-4qPCJrcS2mJPMEzP1Pt0Bm4d4QlL-yRT-SFd2lZS-pCgNMsD1W_YpRPEwOWvG6b32690r2jZ47soMZo9wGzjb_7OMg0LOL-bSf6)"
      R"(3kpaSHSXndS5z5rexMdbBYUsLA9e-KXBdQOS-UTo7WTBEMa2R2CapHg665xsmtdVMTBQY4uDZlxvb3qCo5ZwKh9kG4LT6_I5IhlJ)"
      R"(H7aGhyxXFvUK-DWNmoudF8NAco9_h9iaGNj8q2ethFkMLs91kzk2PAcDTW9gb54h4FRWyuXpoQ"},{"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}]})");
  static Verifier one(
      std::make_shared<Provider>(ProviderRules{.audiences = {"a"}, .claims = {"a", "a.b", "exp"}, .keys = *keys}));
  return one;
}

void read_token(std::string_view text) {
  const auto token = parse_token(text);
  CHECK(text.size() <= kTokenBytesMax || !token);
  if (!token) CHECK(!jose::text(token.error()).empty());
  CHECK(!verifier().verify(text, 1'900'000'000));  // nothing here signs
}

void read_claims(std::string_view text) {
  const auto claims = Claims::parse(std::string(text.substr(0, kTokenBytesMax)));
  if (!claims) return;
  for (const std::string_view name : {"a", "a.b", "a.b.c", "exp", "aud", ""}) {
    const auto value = claims->header_value(name);
    if (value) CHECK(!value->empty() && value->find_first_of("\r\n") == value->npos);
  }
}

void read_keys(std::string_view text) {
  const auto set = KeySet::parse(text);
  if (set)
    CHECK(!(*set)->keys().empty() && (*set)->keys().size() <= KeySet::kKeysMax);
  else
    CHECK(!set.error().message.empty());
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) return 0;
  const std::string_view text(reinterpret_cast<const char*>(data) + 1, size - 1);
  switch (data[0] % 4) {
    case 0: read_keys(text); break;
    case 1: read_token(text); break;
    case 2: read_claims(text); break;
    case 3: {  // header and payload in plain text, split at the first NUL
      const size_t cut = std::min(text.find('\0'), text.size());
      read_token(base64url_encode(text.substr(0, cut)) + "." +
                 base64url_encode(text.substr(std::min(cut + 1, text.size()))) + ".AAAA");
    }
  }
  return 0;
}
