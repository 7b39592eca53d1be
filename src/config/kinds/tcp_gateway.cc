#include "config/kinds/tcp_gateway.h"

#include <fmt/format.h>
#include <set>

#include "base/strings.h"

namespace sluice::kinds {

void bind(Fields& f, TcpWeightedDestination& d) {
  f.required("destination", d.destination, "Where connections go.");
  f.optional("weight", d.weight, "Share of the connections; 0 = none.");
  f.without_effect("options", "a connection whose bytes are passed on has no requests");
}

void bind(Fields& f, TcpMultiDestination& m) {
  f.required("destinations", m.destinations, "The destinations and their shares.");
  if (!f.present("destinations")) return;
  uint64_t total = 0;
  for (const TcpWeightedDestination& destination : m.destinations) total += destination.weight;
  f.check(total >= 1, "destinations", "require a total weight that is greater than or equal to 1");
  f.check(total <= UINT32_MAX, "destinations", "weights add up to more than 4294967295");
}

void bind(Fields& f, TcpAction& a) {
  std::optional<Destination> single;
  std::optional<TcpMultiDestination> multi;
  std::optional<Empty> by_name;
  f.optional("single", single, "One destination.");
  f.optional("multi", multi, "Several, by weight.");
  f.optional("forwardSniClusterName", by_name, "The Upstream whose `<name>_<namespace>` the client of TLS asks for.");
  f.unsupported("upstreamGroup", "Several, in an object of their own.");
  f.exactly_one({"single", "multi", "upstreamGroup", "forwardSniClusterName"});
  if (single) a.destination = *std::move(single);
  if (multi) a.destination = *std::move(multi);
  if (by_name) a.destination = ForwardSniClusterName{};
  if (f.reading()) a.hash = std::hash<std::string>{}(f.written());
}

void bind(Fields& f, TcpHost& h) {
  f.required("name", h.name, "Name, unique in the Gateway.");
  f.optional("sslConfig", h.ssl_config,
             "Which clients of TLS it takes; absent: all connections that no other takes. With certificates TLS ends "
             "here; without them it is passed on by the names in sniDomains, and nothing else of it has an effect.");
  f.required("destination", h.destination, "Where connections go.");
  if (f.present("name")) f.check(!h.name.empty(), "name", "must not be empty");
  if (h.ssl_config && !h.ssl_config->source.any() && !h.ssl_config->sets("sniDomains"))
    f.check(false, "sslConfig",
            "has neither certificates, by which TLS ends here, nor sniDomains, by which it is passed on");
}

void bind(Fields& f, TunnelingConfig& c) {
  f.required("hostname", c.hostname,
             "Host and port to connect to, such as `db.example:5432`; may hold operators such as "
             "`%REQUESTED_SERVER_NAME%`.");
  f.optional("headersToAdd", c.headers_to_add, "Headers of the CONNECT request.");
  if (f.present("hostname")) f.check(!c.hostname.empty(), "hostname", "must not be empty");
  if (!f.good("headersToAdd")) return;
  for (size_t i = 0; i < c.headers_to_add.size(); ++i) {
    const RequestHeaderAddition& one = c.headers_to_add[i];
    if (const std::string why = one.header ? request_header_error(one.header->key) : ""; !why.empty())
      f.error("headersToAdd", i, why);
  }
}

void bind(Fields& f, TcpProxySettings& s) {
  f.optional("maxConnectAttempts", s.max_connect_attempts,
             "Endpoints that are tried for a client, each with all its addresses, before it is closed.");
  f.optional("idleTimeout", s.idle_timeout, "A connection on which nothing moves is closed after this; 0 = never.");
  f.optional(
      "tunnelingConfig", s.tunneling_config,
      "Destinations are proxies of HTTP/1.1, or of HTTP/2 with `useHttp2`, which are asked by CONNECT to go on.");
  f.optional("accessLogFlushInterval", s.access_log_flush_interval,
             "A line in the access log also each time that this has passed, as long as a connection is open.");
  if (s.access_log_flush_interval)
    f.check(*s.access_log_flush_interval >= 1ms, "accessLogFlushInterval", "must be at least 1ms");
  f.in_range("maxConnectAttempts", s.max_connect_attempts, 1, UINT32_MAX);
  f.not_negative("idleTimeout", s.idle_timeout);
}

void bind(Fields& f, TcpListenerOptions& o) {
  f.optional("tcpProxySettings", o.tcp_proxy_settings, "How connections are passed on.");
  f.optional("connectionLimit", o.connection_limit, "How many clients may be connected.");
  f.unsupported("localRatelimit", "Limits of new connections a second.");
}

void bind(Fields& f, TcpGateway& g) {
  f.optional("tcpHosts", g.tcp_hosts, "Who takes which connections, and where they go.");
  f.optional("options", g.options, "Settings of the TCP listener.");
  std::set<std::string_view> names;
  for (size_t i = 0; i < g.tcp_hosts.size(); ++i)
    if (const std::string& name = g.tcp_hosts[i].name; !name.empty() && !names.insert(name).second)
      f.error("tcpHosts", i, fmt::format("name {} is not unique", printable(name, 60)));
}

}  // namespace sluice::kinds
