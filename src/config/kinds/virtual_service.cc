#include "config/kinds/virtual_service.h"

#include <fmt/format.h>
#include <algorithm>
#include <utility>

#include "base/header_names.h"
#include "base/strings.h"
#include "config/kinds/paths.h"

namespace sluice::kinds {
namespace {

constexpr EnumName kRedirectCodes[] = {
    {"MOVED_PERMANENTLY", 0}, {"FOUND", 1}, {"SEE_OTHER", 2}, {"TEMPORARY_REDIRECT", 3}, {"PERMANENT_REDIRECT", 4}};

// As Gloo takes it; but no path begins so, and no request of the route can be served.
void warn_of_no_slash(Fields& f, std::string_view name, const std::string& path) {
  if (f.reading() && f.good(name) && !path.starts_with('/'))
    f.warning(name, fmt::format("{} does not begin with \"/\": requests are answered 400", json_quote(path)));
}

void check_path(Fields& f, std::string_view name, const std::string& path) {
  if (path.empty()) return;
  if (const auto why = path_error(path); !why.empty()) f.check(false, name, why);
  warn_of_no_slash(f, name, path);
}

void check_rewrite(Fields& f, std::string_view name, const std::string& rewrite) {
  if (rewrite.empty()) return;
  std::string why = path_error(rewrite);
  if (why.starts_with("the path")) why.replace(0, 8, "the rewrite");
  if (!why.empty()) f.check(false, name, why);
  warn_of_no_slash(f, name, rewrite);
}

// What takes the first "/" away and puts none in its place may leave a path that does not begin with one.
void check_regex_rewrite(Fields& f, std::string_view name, const RegexRewrite& rewrite) {
  if (!f.reading() || !f.good(name)) return;
  const bool takes_slash = rewrite.regex.starts_with('/') || rewrite.regex.starts_with("^/");
  const bool gives_slash = rewrite.substitution.starts_with('/') || rewrite.substitution.starts_with('\\');
  if (takes_slash && !gives_slash)
    f.warning(name,
              fmt::format("the path may not begin with \"/\" once {} is replaced by {}: such requests are answered 400",
                          json_quote(printable(rewrite.regex, 100)), json_quote(printable(rewrite.substitution, 100))));
}

void check_authority(Fields& f, std::string_view name, const std::string& authority) {
  if (!authority.empty())
    f.check(is_authority(authority), name, "expected a host or host:port, such as \"api.example.com:8080\"");
}

// The document's shape around the expression of a RegexRewrite.
struct RegexPattern {
  std::string regex;
};
void bind(Fields& f, RegexPattern& p) {
  f.required("regex", p.regex, "RE2 expression.");
  f.unsupported("googleRe2");
  if (f.present("regex")) f.regex("regex", p.regex);
}

// `*`, `*.foo.com`, `*-bar.foo.com`, `foo.*` or a host, each with a port or without (reference gloo-core.md 3.2).
std::string domain_error(std::string_view domain) {
  if (domain.empty()) return "an empty domain; leave domains out to serve every host";
  if (domain == "*") return {};
  std::string_view rest = domain;
  if (rest.starts_with('*'))
    rest.remove_prefix(1);
  else if (rest.ends_with('*'))
    rest.remove_suffix(1);
  const bool good = !rest.empty() && std::ranges::all_of(rest, [](char c) {
    return ascii_alpha(c) || ascii_digit(c) || std::string_view("-_.:[]").contains(c);
  });
  if (good) return {};
  return fmt::format("{} is no domain: write a host, \"*\", or a host with one \"*\" at its beginning or its end",
                     json_quote(printable(domain, 100)));
}

// Few routes have one, and there may be many routes.
void read_retries(Fields& f, std::shared_ptr<const Retries>& into, std::string_view doc) {
  std::optional<Retries> retries;
  f.optional("retries", retries, doc);
  if (retries) into = std::make_shared<const Retries>(*std::move(retries));
}

}  // namespace

std::span<const EnumName> enum_names(RedirectCode) {
  return kRedirectCodes;
}

uint16_t RedirectAction::status() const {
  static constexpr uint16_t kStatus[] = {301, 302, 303, 307, 308};
  return kStatus[static_cast<size_t>(response_code)];
}

void bind(Fields& f, Destination& d) {
  f.optional("upstream", d.upstream, "The Upstream; without namespace, of the namespace of this object.");
  f.unsupported({"kube", "consul", "subset", "destinationSpec"});
  f.exactly_one({"upstream", "kube", "consul"});
}

void bind(Fields& f, WeightedDestinationOptions& o) {
  f.optional("headerManipulation", o.header_manipulation, "Header changes for this destination.");
  f.options(o.filters, OptionLevel::weighted_destination);
}

void bind(Fields& f, WeightedDestination& d) {
  f.required("destination", d.destination, "Where requests go.");
  f.optional("weight", d.weight, "Share of the requests; 0 = none.");
  f.optional("options", d.options, "Options for requests that go there.");
}

void bind(Fields& f, MultiDestination& m) {
  f.required("destinations", m.destinations, "The destinations and their shares.");
  if (!f.present("destinations")) return;
  uint64_t total = 0;
  for (const WeightedDestination& destination : m.destinations) total += destination.weight;
  f.check(total >= 1, "destinations", "require a total weight that is greater than or equal to 1");
  f.check(total <= UINT32_MAX, "destinations", "weights add up to more than 4294967295");
}

void bind(Fields& f, DynamicForwardProxyRoute& r) {
  f.optional("hostRewrite", r.host_rewrite, "host[:port] that is resolved and sent as Host.");
  f.optional("autoHostRewriteHeader", r.auto_host_rewrite_header,
             "Request header whose first value is resolved and sent as Host; absent: the request's own host.");
  f.one_of({"hostRewrite", "autoHostRewriteHeader"});
  check_authority(f, "hostRewrite", r.host_rewrite);
  if (!r.auto_host_rewrite_header.empty())
    f.check(is_header_name(r.auto_host_rewrite_header), "autoHostRewriteHeader", "is no header name");
}

void bind(Fields& f, RouteAction& a) {
  std::optional<Destination> single;
  std::optional<MultiDestination> multi;
  std::optional<DynamicForwardProxyRoute> dynamic;
  f.optional("single", single, "One destination.");
  f.optional("multi", multi, "Several, by weight.");
  f.optional("dynamicForwardProxy", dynamic, "The destination comes from the request; `{}`: its own host.");
  f.unsupported({"upstreamGroup", "clusterHeader"});
  f.one_of({"single", "multi", "dynamicForwardProxy", "upstreamGroup", "clusterHeader"});
  if (dynamic)
    a.destination = std::move(*dynamic);
  else if (multi)
    a.destination = std::move(*multi);
  else if (single)
    a.destination = std::move(*single);
}

void bind(Fields& f, RegexRewrite& r) {
  RegexPattern pattern;
  f.required("pattern", pattern, "What is replaced.");
  f.optional("substitution", r.substitution, "What is put in its place; `\\1` is the first group.");
  f.check(std::ranges::none_of(r.substitution, [](unsigned char c) { return c <= 0x20 || c == 0x7F; }), "substitution",
          "must not have spaces or control bytes; write them as %XX");
  r.regex = std::move(pattern.regex);
}

void bind(Fields& f, RedirectAction& a) {
  f.optional("hostRedirect", a.host_redirect, "Host to put into the location.");
  f.optional("pathRedirect", a.path_redirect, "Path to put into the location.");
  f.optional("prefixRewrite", a.prefix_rewrite, "Put in place of the prefix that matched.");
  f.optional("regexRewrite", a.regex_rewrite, "Replaces what matches in the path.");
  f.optional("httpsRedirect", a.https_redirect,
             "The location begins with https. A port in the request's host, but 80, stays in it unless there is a "
             "`portRedirect`.");
  f.optional("portRedirect", a.port_redirect, "Port to put into the location.");
  f.optional("stripQuery", a.strip_query, "Leave the query out.");
  f.optional("responseCode", a.response_code, "Status of the answer.");
  f.one_of({"pathRedirect", "prefixRewrite", "regexRewrite"});
  check_authority(f, "hostRedirect", a.host_redirect);
  check_path(f, "pathRedirect", a.path_redirect);
  check_rewrite(f, "prefixRewrite", a.prefix_rewrite);
  if (a.regex_rewrite) check_regex_rewrite(f, "regexRewrite", *a.regex_rewrite);
}

void bind(Fields& f, DirectResponseAction& a) {
  f.required("status", a.status, "Status of the answer.");
  f.optional("body", a.body, "Its body.");
  if (f.present("status")) f.in_range("status", a.status, 200, 599);
}

void bind(Fields& f, RouteOptions& o) {
  f.optional("timeout", o.timeout,
             "Longest time from the end of the request to the end of the answer (15s when absent); 0 = no limit.");
  f.optional("idleTimeout", o.idle_timeout, "As the listener's streamIdleTimeout, for this route; 0 = no limit.");
  f.optional("prefixRewrite", o.prefix_rewrite, "Put in place of the prefix (or whole path) that matched.");
  f.optional("hostRewrite", o.host_rewrite, "Host that the upstream sees.");
  f.optional("headerManipulation", o.header_manipulation, "Header changes.");
  read_retries(f, o.retries,
               "When requests are tried again; in place of the virtual host's, of which nothing is kept.");
  std::optional<MaxStreamDuration> duration;
  f.optional("maxStreamDuration", duration, "In place of the listener's maxStreamDuration.");
  if (duration) o.max_stream_duration = std::make_shared<const MaxStreamDuration>(*duration);
  f.options(o.filters, OptionLevel::route);
  f.not_negative("timeout", o.timeout);
  f.not_negative("idleTimeout", o.idle_timeout);
  const Nanos timeout = o.timeout.value_or(kRouteTimeoutDefault);
  if (o.retries && timeout > 0s && o.retries->per_try_timeout >= timeout)
    f.warning("retries", "perTryTimeout has no effect: the route's timeout is not longer");
  check_rewrite(f, "prefixRewrite", o.prefix_rewrite);
  check_authority(f, "hostRewrite", o.host_rewrite);
  for (const std::string_view name :
       {"timeout", "idleTimeout", "maxStreamDuration", "prefixRewrite", "hostRewrite", "retries"})
    if (f.present(name)) o.only_forwarding.push_back({{"options", name}, f.place_of(name)});
  const auto note_headers = [&](std::string_view list, bool is_set) {
    const std::string_view parent = "headerManipulation";
    if (is_set) o.only_forwarding.push_back({{"options", parent, list}, f.place_of(parent)});
  };
  note_headers("requestHeadersToAdd", !o.header_manipulation.request_headers_to_add.empty());
  note_headers("requestHeadersToRemove", !o.header_manipulation.request_headers_to_remove.empty());
}

void bind(Fields& f, Route& r) {
  std::optional<RouteAction> route;
  std::optional<RedirectAction> redirect;
  std::optional<DirectResponseAction> direct;
  f.optional("name", r.name, "Name in logs and metrics.");
  f.optional("matchers", r.matchers, "Requests it is for; one of them must match. Absent: all.");
  f.optional("routeAction", route, "Forward the request.");
  f.optional("redirectAction", redirect, "Answer with a redirect.");
  f.optional("directResponseAction", direct, "Answer with a fixed response.");
  f.unsupported("delegateAction", "Routes of a RouteTable.");
  f.optional("options", r.options, "What is done to requests of this route.");
  f.unsupported({"optionsConfigRefs", "inheritableMatchers", "inheritablePathMatchers"});
  f.one_of({"routeAction", "redirectAction", "directResponseAction", "delegateAction"});
  if (!f.reading()) return;
  // Needed no longer than this: there may be many routes.
  const auto only_forwarding = std::exchange(r.options.only_forwarding, {});
  // Gloo takes these options on any route and drops them in silence (gloo-core 5.1).
  if (redirect || direct)
    for (const RouteOptions::Written& written : only_forwarding)
      f.reader().tell_below(Severity::warning, written.keys, written.place,
                            fmt::format("has no effect on a {}: nothing is forwarded",
                                        redirect ? "redirectAction" : "directResponseAction"));
  if (r.matchers.empty()) r.matchers.emplace_back();
  if (redirect)
    r.action = std::move(*redirect);
  else if (direct)
    r.action = std::move(*direct);
  else if (route)
    r.action = std::move(*route);
  else if (!f.present("delegateAction"))
    f.error("routeAction",
            "invalid route: route must specify an action (routeAction, redirectAction or directResponseAction)");
  if (route && std::holds_alternative<std::monostate>(route->destination) && f.good("routeAction"))
    f.warning("routeAction", "no destination is set: requests are answered 503");
}

void bind(Fields& f, VirtualHostOptions& o) {
  f.optional("headerManipulation", o.header_manipulation, "Header changes for all routes.");
  read_retries(f, o.retries, "When requests of routes without retries of their own are tried again.");
  f.options(o.filters, OptionLevel::virtual_host);
}

void bind(Fields& f, VirtualHost& h) {
  f.optional(
      "domains", h.domains,
      "Hosts it serves: a host, `*.suffix`, `prefix.*` or `*` (when absent). A port in the request's host counts: "
      "`a.test` is not `a.test:8443`, unless the Gateway has `stripAnyHostPort`.");
  f.optional("routes", h.routes, "Tried in this order; the first that matches is taken.");
  f.optional("options", h.options, "What is done to requests of all routes.");
  f.unsupported("optionsConfigRefs", "Options shared by VirtualHostOption objects.");
  if (!f.reading()) return;
  for (size_t i = 0; i < h.domains.size(); ++i)
    if (auto why = domain_error(h.domains[i]); !why.empty() && f.good("domains")) f.error("domains", i, std::move(why));
  if (h.domains.empty()) {
    h.domains.emplace_back("*");
    h.domains_absent = true;
  }
}

void bind(Fields& f, VirtualService& s) {
  f.optional("virtualHost", s.virtual_host, "Domains and routes.");
  f.optional("displayName", s.display_name, "Name for people.");
  f.optional(
      "sslConfig", s.ssl_config,
      "TLS with clients. With it, `{}` too, it is served by Gateways with `ssl: true`, without it by the others.");
  f.ignored("namespacedStatuses", "Kept by Gloo.");
  if (f.reading() && !f.present("virtualHost")) f.warning("virtualHost", "is absent: nothing is served");
}

}  // namespace sluice::kinds
