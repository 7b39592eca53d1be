// The options of sessions that stay with an endpoint, as users write them: gloo-core.md 2.4.
#pragma once

#include <optional>
#include <string>

#include "config/bind.h"

namespace sluice::stateful_session {

struct Cookie {
  std::string name;
  std::string path;  // empty: of all requests, and the client takes the path that it asked for
  Nanos ttl{};       // whole seconds; 0: until the client ends
};
void bind(Fields& f, Cookie& cookie);

struct CookieBased {
  Cookie cookie;
};
void bind(Fields& f, CookieBased& by);

struct HeaderBased {
  std::string header_name;  // lower case
};
void bind(Fields& f, HeaderBased& by);

// `statefulSession` of a Gateway: by one of the two.
struct Options {
  std::optional<CookieBased> cookie_based;
  std::optional<HeaderBased> header_based;
  bool strict = false;
  std::string written;  // all of this as JSON, for FilterBuild::share
};
void bind(Fields& f, Options& options);

}  // namespace sluice::stateful_session
