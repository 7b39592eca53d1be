#include "filters/stateful_session/config.h"

#include <algorithm>

#include "base/header_names.h"
#include "base/strings.h"
#include "http/headers.h"

namespace sluice::stateful_session {
namespace {

// RFC 6265 4.1.1: what may stand between "Path=" and the next ";".
bool is_cookie_path(std::string_view path) {
  return path.starts_with('/') && std::ranges::all_of(path, [](char c) { return c >= ' ' && c < '\x7f' && c != ';'; });
}

}  // namespace

void bind(Fields& f, Cookie& o) {
  f.required("name", o.name, "Its name.");
  f.optional("path", o.path, "Only requests of this path and those below have sessions; empty: all.");
  f.optional("ttl", o.ttl, "How long the client keeps it; 0: until it ends.");
  f.check(valid_header_name(o.name), "name",
          "must be the name of a cookie: letters, digits and ! # $ % & ' * + - . ^ _ ` | ~ only");
  f.check(o.path.empty() || is_cookie_path(o.path), "path", "must begin with \"/\" and have no \";\"");
  f.not_negative("ttl", o.ttl);
  f.check(o.ttl % 1s == Nanos(0), "ttl", "must be whole seconds, as cookies count them");
}

void bind(Fields& f, CookieBased& o) {
  f.required("cookie", o.cookie, "The cookie that names the endpoint.");
}

void bind(Fields& f, HeaderBased& o) {
  f.required("headerName", o.header_name, "The header that names the endpoint, of responses and requests.");
  if (!f.reading()) return;
  if (const std::string why = header_change_error(o.header_name); !why.empty()) f.check(false, "headerName", why);
  o.header_name = to_lower(o.header_name);
}

void bind(Fields& f, Options& o) {
  f.optional("cookieBased", o.cookie_based, "The client keeps the endpoint in a cookie.");
  f.optional("headerBased", o.header_based,
             "The client sends the header of the response that told it with each request.");
  f.exactly_one({"cookieBased", "headerBased"});
  f.optional("strict", o.strict,
             "Where the endpoint is gone or left out, the request is refused and goes to no other.");
  if (f.reading()) o.written = f.written();
}

}  // namespace sluice::stateful_session
