// Any path and any header value: what is found lies in them, and what was removed is not found again.
#include "base/check.h"
#include "filters/jwt/token_place.h"
#include "io/loop.h"

using namespace sluice;
using namespace sluice::jwt;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static Loop loop;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const size_t cut = std::min(text.find('\n'), text.size());
  const std::vector<TokenPlace> places = token_places(TokenSource{});

  Arena arena;
  StreamInfo info;
  Request request(arena, loop, info);
  request.path = text.substr(0, cut);
  request.headers.add("authorization", text.substr(cut));
  request.headers.add("authorization", text.substr(std::min(cut + 1, text.size())));

  const FoundTokens found = find_tokens(request, places);
  CHECK(!found.too_many());
  for (const FoundToken& token : found.all()) CHECK(token.text.size() <= text.size());
  for (const TokenPlace& place : places) take_token(request, place);
  CHECK(find_tokens(request, places).all().empty());
  CHECK(request.path.size() <= cut);
  return 0;
}
