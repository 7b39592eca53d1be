#include "engines/jose/token.h"

#include "base/encoding.h"
#include "engines/jose/json.h"

namespace sluice::jose {
namespace {

namespace dom = simdjson::dom;

struct Header {
  Algorithm algorithm;
  std::string kid;
};

std::expected<Header, Failure> parse_header(std::string_view text) {
  auto json = base64url_decode_with_room(text, kJsonSpare);
  if (!json) return std::unexpected(Failure::header_bad_base64);
  thread_local dom::parser parser;
  thread_local dom::document document;  // nothing of it is kept
  const auto root = parse_object(*json, document, parser, kHeaderDepthMax);
  if (!root) return std::unexpected(Failure::header_bad_json);

  std::string_view name;
  if (root->at_key("alg").get(name) != simdjson::SUCCESS) return std::unexpected(Failure::header_bad_alg);
  const auto algorithm = parse_algorithm(name);
  if (!algorithm) return std::unexpected(Failure::header_alg_unsupported);

  std::string_view kid;
  const auto error = root->at_key("kid").get(kid);
  if (error != simdjson::SUCCESS && error != simdjson::NO_SUCH_FIELD) return std::unexpected(Failure::header_bad_kid);
  // RFC 7515 4.1.11: `crit` lists extensions that must be understood; we know none.
  if (root->at_key("crit").error() != simdjson::NO_SUCH_FIELD) return std::unexpected(Failure::header_crit);
  return Header{*algorithm, std::string(kid)};
}

std::expected<Claims, Failure> parse_payload(std::string_view text) {
  auto json = base64url_decode_with_room(text, kJsonSpare);
  if (!json) return std::unexpected(Failure::payload_bad_base64);
  return Claims::parse(*std::move(json));
}

}  // namespace

std::expected<Token, Failure> parse_token(std::string_view text) {
  if (text.size() > kTokenBytesMax) return std::unexpected(Failure::too_long);
  const size_t first = text.find('.');
  const size_t second = first == text.npos ? text.npos : text.find('.', first + 1);
  if (second == text.npos || text.find('.', second + 1) != text.npos) return std::unexpected(Failure::bad_format);
  if (first == 0 || second == first + 1 || second + 1 == text.size()) return std::unexpected(Failure::bad_format);

  auto header = parse_header(text.substr(0, first));
  if (!header) return std::unexpected(header.error());
  auto claims = parse_payload(text.substr(first + 1, second - first - 1));
  if (!claims) return std::unexpected(claims.error());
  auto signature = base64url_decode(text.substr(second + 1));
  if (!signature) return std::unexpected(Failure::signature_bad_base64);
  return Token{header->algorithm, std::move(header->kid), *std::move(claims), text.substr(0, second),
               *std::move(signature)};
}

}  // namespace sluice::jose
