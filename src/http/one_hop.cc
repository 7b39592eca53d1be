#include "http/one_hop.h"

#include <algorithm>
#include <array>

#include "base/header_names.h"
#include "base/strings.h"

namespace sluice {
namespace {

constexpr size_t kConnectionTokensMax = 32;

// What Connection cannot take away (reference 6.3); asked only of fields that it names.
bool protected_from_connection(const HeaderField& field) {
  switch (field.known) {
    case Known::host:
    case Known::content_length:
    case Known::content_type:
    case Known::authorization:
    case Known::cookie:
    case Known::via:
    case Known::x_request_id: return true;
    default: return field.name == "forwarded" || field.name.starts_with("x-forwarded-");
  }
}

constexpr KnownSet kHopByHop{Known::connection,
                             Known::keep_alive,
                             Known::proxy_connection,
                             Known::proxy_authenticate,
                             Known::proxy_authorization,
                             Known::te,
                             Known::trailer,
                             Known::transfer_encoding,
                             Known::upgrade,
                             Known::http2_settings};

// RFC 9110 6.5.1: what would have been acted on before the body came, or is believed only because a gateway checked it.
constexpr std::string_view kForbiddenInTrailers[] = {
    // framing and the connection
    "connection", "http2-settings", "keep-alive", "te", "trailer", "transfer-encoding", "upgrade",
    // routing
    "alt-svc", "cdn-loop", "forwarded", "host", "via", "x-real-ip", "x-request-id",
    // authentication
    "authentication-info", "authorization", "cookie", "set-cookie", "www-authenticate",
    // what modifies a request
    "cache-control", "expect", "max-forwards", "pragma", "range",
    // what controls a response
    "age", "date", "expires", "location", "retry-after", "vary", "warning"};
constexpr std::string_view kForbiddenPrefixes[] = {"content-", "if-", "proxy-", "x-envoy-", "x-forwarded-"};

bool forbidden_in_trailers(const HeaderField& field) {
  return std::ranges::any_of(kForbiddenInTrailers,
                             [&](std::string_view name) { return same_header(field.name, name); }) ||
         std::ranges::any_of(kForbiddenPrefixes,
                             [&](std::string_view prefix) { return begins_like(field.name, prefix); });
}

}  // namespace

bool remove_hop_by_hop(Headers& headers) {
  if (!headers.seen().has_any(kHopByHop)) return true;

  std::array<std::string_view, kConnectionTokensMax> named;
  size_t count = 0;
  bool fits = true;
  for (const HeaderField& field : headers) {
    if (field.known != Known::connection) continue;
    for_each_token(field.value, [&](std::string_view token) {
      if (count < named.size())
        named[count++] = token;
      else
        fits = false;
    });
  }
  if (!fits) return false;
  const auto is_named = [&](const HeaderField& field) {
    for (size_t i = 0; i < count; ++i)
      if (equals_ignoring_case(named[i], field.name)) return true;
    return false;
  };
  headers.remove_if([&](const HeaderField& field) {
    return kHopByHop.has(field.known) || (is_named(field) && !protected_from_connection(field));
  });
  return true;
}

void remove_from_trailers(Headers& trailers) {
  trailers.remove_if(forbidden_in_trailers);
}

}  // namespace sluice
