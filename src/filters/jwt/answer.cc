#include "filters/jwt/answer.h"

#include <fmt/format.h>

namespace sluice::jwt {
namespace {

constexpr size_t kRealmPathBytesMax = 256;

std::string_view details_of(Arena& arena, std::string_view text) {
  std::string name(text);
  std::ranges::replace(name, ' ', '_');
  return arena.concat("jwt_authn_access_denied{", name, "}");
}

// The address the client asked for, before any rewrite, as a quoted-string's inside (RFC 9110 5.6.4): a quote or
// backslash in it, which no valid address has, must not end the string.
std::string realm_of(const Request& request) {
  const std::string_view path = request.info.original_path.empty() ? request.path : request.info.original_path;
  std::string realm;
  for (const char c : fmt::format("{}://{}{}", request.scheme, request.authority, path.substr(0, kRealmPathBytesMax))) {
    if (c == '"' || c == '\\') realm += '\\';
    realm += c;
  }
  return realm;
}

}  // namespace

Response refuse(Request& request, jose::Failure failure) {
  const std::string_view text = jose::text(failure);
  const uint16_t status = failure == jose::Failure::audience_not_allowed ? 403 : 401;
  const std::string_view error = failure == jose::Failure::missing ? "" : ", error=\"invalid_token\"";
  Response response = local_reply(request, status, text, details_of(request.arena, text));
  response.headers->add(Known::www_authenticate,
                        request.arena.concat("Bearer realm=\"", realm_of(request), "\"", error));
  return response;
}

}  // namespace sluice::jwt
