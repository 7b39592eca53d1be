// VirtualService (gateway.solo.io/v1): domains, routes and their options (reference gloo-core.md 3, 4.3, 5).
//
// What needs other objects (references, domains that clash) is checked by the translation, not here.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "base/time.h"
#include "config/kinds/header_manipulation.h"
#include "config/kinds/matcher.h"
#include "config/kinds/max_stream_duration.h"
#include "config/kinds/retries.h"
#include "config/kinds/ssl_config.h"
#include "config/option_field.h"

namespace sluice::kinds {

struct Destination {
  ObjectRef upstream;  // empty namespace: that of the object holding the route
};
void bind(Fields& f, Destination& destination);

struct WeightedDestinationOptions {
  HeaderManipulation header_manipulation;
  OptionSet filters;  // OptionLevel::weighted_destination
};
void bind(Fields& f, WeightedDestinationOptions& options);

struct WeightedDestination {
  Destination destination;
  uint32_t weight = 0;  // no traffic
  WeightedDestinationOptions options;
};
void bind(Fields& f, WeightedDestination& destination);

struct MultiDestination {
  std::vector<WeightedDestination> destinations;  // weights sum up to 1 or more, at most 2^32 - 1
};
void bind(Fields& f, MultiDestination& multi);

// Neither: the request's own authority is the destination.
struct DynamicForwardProxyRoute {
  std::string host_rewrite;
  std::string auto_host_rewrite_header;  // as written; compare without case
};
void bind(Fields& f, DynamicForwardProxyRoute& route);

// monostate: `routeAction: {}`, which Gloo takes with a Warning and answers 503.
struct RouteAction {
  std::variant<std::monostate, Destination, MultiDestination, DynamicForwardProxyRoute> destination;
};
void bind(Fields& f, RouteAction& action);

// Numbers are those of the API.
enum class RedirectCode : uint8_t {
  moved_permanently = 0,
  found = 1,
  see_other = 2,
  temporary_redirect = 3,
  permanent_redirect = 4
};
std::span<const EnumName> enum_names(RedirectCode);

struct RegexRewrite {
  std::string regex;
  std::string substitution;  // may hold \1
};
void bind(Fields& f, RegexRewrite& rewrite);

struct RedirectAction {
  std::string host_redirect;
  // At most one of the three.
  std::string path_redirect;
  std::string prefix_rewrite;
  std::optional<RegexRewrite> regex_rewrite;
  bool https_redirect = false;
  uint16_t port_redirect = 0;  // 0: none
  bool strip_query = false;
  RedirectCode response_code = RedirectCode::moved_permanently;

  uint16_t status() const;  // 301, 302, 303, 307, 308
};
void bind(Fields& f, RedirectAction& action);

struct DirectResponseAction {
  uint16_t status = 0;  // 200 .. 599
  std::string body;     // at most 4096 bytes
};
void bind(Fields& f, DirectResponseAction& action);

// Of a route without `timeout`, as in Envoy.
constexpr Nanos kRouteTimeoutDefault = 15s;

struct RouteOptions {
  std::optional<Nanos> timeout;       // nothing: kRouteTimeoutDefault; 0 = none
  std::optional<Nanos> idle_timeout;  // nothing: the listener's streamIdleTimeout; 0 = none
  std::string prefix_rewrite;         // empty: none
  std::string host_rewrite;           // empty: none
  HeaderManipulation header_manipulation;
  std::shared_ptr<const Retries> retries;  // null: those of the virtual host; else in their place entirely
  std::shared_ptr<const MaxStreamDuration> max_stream_duration;  // null: the listener's
  OptionSet filters;                                             // OptionLevel::route

  // Which of these were set although they mean nothing unless requests are forwarded, and where. Empty once
  // the route is read.
  struct Written {
    std::vector<std::string_view> keys;  // from the route on
    Place place;
  };
  std::vector<Written> only_forwarding;
};
void bind(Fields& f, RouteOptions& options);

struct Route {
  std::string name;
  std::vector<Matcher> matchers;  // never empty once read; one of them must match
  std::variant<RouteAction, RedirectAction, DirectResponseAction> action;
  RouteOptions options;
};
void bind(Fields& f, Route& route);

struct VirtualHostOptions {
  HeaderManipulation header_manipulation;
  std::shared_ptr<const Retries> retries;  // of routes without their own; null: none
  OptionSet filters;                       // OptionLevel::virtual_host
};
void bind(Fields& f, VirtualHostOptions& options);

struct VirtualHost {
  std::vector<std::string> domains;  // as written; never empty once read: `*` is put in
  bool domains_absent = false;       // and was put in
  std::vector<Route> routes;
  VirtualHostOptions options;
};
void bind(Fields& f, VirtualHost& host);

struct VirtualService {
  std::optional<VirtualHost> virtual_host;    // nothing: a Warning
  std::optional<ServerSslConfig> ssl_config;  // nothing: it serves on Gateways without TLS; else on those with it
  std::string display_name;
};
void bind(Fields& f, VirtualService& service);

}  // namespace sluice::kinds
