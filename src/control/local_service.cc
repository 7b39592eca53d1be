#include "control/local_service.h"

#include "base/ip.h"
#include "base/strings.h"
#include "engines/address/classify.h"

namespace sluice {

std::optional<Response> refuse_foreign_caller(Request& request, Callers callers) {
  if (request.headers.has(Known::origin))
    return local_reply(request, 403, "requests from web pages are not served here\n", "foreign_origin");
  if (callers == Callers::with_token) return std::nullopt;
  std::string_view host = request.authority;
  if (host.starts_with('[')) {
    host = host.substr(1, host.find(']') - 1);
  } else {
    host = host.substr(0, host.find(':'));
  }
  // A literal cannot be made to point here by somebody else's DNS.
  const auto literal = IpAddress::parse(host);
  const bool loopback = literal && classify(*literal, {}) == AddressClass::loopback;
  if (!loopback && !equals_ignoring_case(host, "localhost"))
    return local_reply(request, 403, "this Host is not mine: use localhost or the listener's address\n",
                       "foreign_host");
  if (request.headers.has(Known::x_forwarded_proto))
    return local_reply(request, 403, "requests that come through a proxy are not served here\n", "through_proxy");
  return std::nullopt;
}

Response text_reply(Request& request, uint16_t status, std::string_view content_type, std::string_view body) {
  Response response = local_reply(request, status, body, "local");
  response.headers->set(Known::content_type, request.arena.copy(content_type));
  return response;
}

}  // namespace sluice
