// sluice explain: what would happen to a request, without sending anything.
#include <cstdio>

#include "base/strings.h"
#include "engines/address/authority.h"
#include "forward/dynamic_upstream.h"
#include "http/target.h"
#include "main/commands.h"
#include "main/offline.h"
#include "serve/request_setup.h"

namespace sluice {
namespace {

struct Explained {
  std::optional<Response> response;
  std::optional<Error> error;
};

Task<void> explain(const Router& router, Request& request, Explanation& told, Explained& out) {
  auto handling = router.explain(request, told);
  auto handled = co_await handling;
  if (handled)
    out.response = *handled;
  else
    out.error = std::move(handled).error();
  co_return Status{};
}

void print_line(std::string_view name, std::string_view value) {
  fmt::print("{:<12} {}\n", name, value);
}

// The first that fits, and those that filters had chosen after it.
void print_routes(const std::vector<Explanation::Route>& routes) {
  for (size_t i = 0; i < routes.size(); ++i) {
    print_line(i == 0 ? "route" : "then route", routes[i].name);
    print_line("filters", routes[i].stages.empty() ? "none" : routes[i].stages);
  }
  if (routes.size() > 1)
    print_line("", "a filter had the route chosen again; all filters above take part, equal ones once");
}

void print_answer(const Request& request, const Explained& result) {
  if (result.error)
    print_line("answer", result.error->message);
  else
    print_line("answer", fmt::format("{}, details {}", result.response->status, request.info.details));
}

// What was looked at: the host by authority, then its routes in order.
void print_no_route(const RouteTable& table, Request& request, const Explained& result) {
  request.match_effort = kMatchEffortMax;  // as when the route was looked for
  constexpr size_t kShownMax = 20;
  const VirtualHostEntry* host = table.find_host(request.authority);
  if (!host) {
    std::vector<std::string> domains;
    for (const VirtualHostEntry& one : table.hosts())
      for (const std::string& domain : one.domains)
        if (domains.size() < kShownMax) domains.push_back(domain);
    print_line("host", fmt::format("none has the domain of {}; {}{}{}", json_quote(printable(request.authority)),
                                   domains.empty() ? "there is none" : "there are ", join(domains, ", "),
                                   domains.size() == kShownMax ? ", ..." : ""));
  } else {
    print_line("host", fmt::format("{} ({})", host->name, join(host->domains, ", ")));
    for (size_t i = 0; i < host->routes.size(); ++i) {
      if (i == kShownMax) {
        print_line("", fmt::format("... and {} routes more", host->routes.size() - i));
        break;
      }
      print_line("not route",
                 fmt::format("{}: {}", host->routes[i]->generated_name, host->routes[i]->matcher.mismatch(request)));
    }
  }
  if (request.info.outcome.kind == OutcomeKind::no_route)
    print_line("answer", "none fits: 404, flag NR, details route_not_found");
  else
    print_answer(request, result);
}

// Of a request nothing is looked at there: by what a connection goes is said instead.
void explain_tcp(const PortChain& chain) {
  print_line("tcpHost", chain.name);
  if (!chain.tcp) return print_line("cluster", "none: it is not served, as the Gateway's status says");
  if (chain.tcp->tls) print_line("tls", "ends here");
  if (chain.tcp->by_server_name) print_line("cluster", "the one whose name the client of TLS asks for");
  for (const TcpConfig::Destination& one : chain.tcp->destinations)
    print_line("cluster",
               fmt::format("{}{}", one.service->cluster_name(),
                           chain.tcp->destinations.size() > 1 ? fmt::format(" (weight {})", one.weight) : ""));
}

// The name that a client of this URL asks for in its handshake: RFC 6066 3, an address is none.
std::string server_name(const RequestTarget& target) {
  HostScratch scratch;
  const auto authority = parse_authority(target.authority, scratch);
  return authority && !authority->address ? std::string(authority->host) : "";
}

// Why no request comes as far as the routes: the connection is not what the chain takes. Nothing: it is.
std::optional<std::string> refused_before(const SnapshotHttp& http, const RequestTarget& target,
                                          const std::string& name) {
  if (!http.config.tls) return std::nullopt;
  if (target.scheme != "https")
    return fmt::format("none: this {} speaks TLS only (https://)", http.name.empty() ? "port" : "chain");
  if (http.config.tls->find(name)) return std::nullopt;
  return "none: the handshake fails, " +
         (name.empty() ? "no certificate is for clients that ask for no name" : "no certificate is for " + name);
}

void explain_http(const SnapshotHttp& http, const ExplainRequest& options, const RequestTarget& target, Loop& loop) {
  Arena arena;
  StreamInfo info;
  Request request(arena, loop, info);
  TaskGroup background;
  request.background = &background;
  request.method = options.method;
  request.path = target.path;
  clean_path(http.config, request);
  request.authority = target.authority;
  for (const std::string& header : options.headers) {
    const size_t colon = header.find(':');
    if (colon == std::string::npos) continue;
    const std::string_view value = trim(std::string_view(header).substr(colon + 1));
    request.set_header(arena.copy(to_lower(header.substr(0, colon))), value);
  }

  if (!http.name.empty()) print_line("chain", http.name);
  const std::string name = server_name(target);
  if (const auto why = refused_before(http, target, name)) return print_line("answer", *why);
  // Of a listener in the clear, the URL is a target in absolute form.
  if (target.scheme == "https" && !http.config.tls) {
    if (!http.config.https_targets)
      return print_line("answer", fmt::format("501, details {}: https:// asks a listener in the clear for TLS to the "
                                              "destination, which needs ProxySettings.destinations.scheme",
                                              terms_of(OutcomeKind::https_target).details));
    request.asks_for_https = true;
  }
  if (request.path != target.path) print_line("path", request.path);
  const Router& router = http.router_for(name);
  Explanation explanation;
  Explained result;
  bool done = false;
  Runner runner(&done, [](void* flag, Result<void>) { *static_cast<bool*>(flag) = true; });
  runner.start(explain(router, request, explanation, result));
  if (explanation.routes.empty()) return print_no_route(router.table(), request, result);
  print_routes(explanation.routes);
  if (!done) {
    runner.cancel();
    return print_line("answer", "depends on what is not known here: a body, or keys that are fetched from a URL");
  }
  if (!explanation.cluster.empty()) print_line("cluster", explanation.cluster);
  if (!explanation.destination.empty()) print_line("destination", explanation.destination);
  if (!explanation.address_class.empty()) print_line("address", explanation.address_class);
  if (!explanation.verdict.empty()) print_line("verdict", explanation.verdict);
  if (result.error || !explanation.reached) print_answer(request, result);
}

}  // namespace

int explain_command(const ExplainRequest& options) {
  Arena arena;
  const auto target = parse_target(options.method, options.url, arena);
  if (!target || target->authority.empty()) {
    fmt::print(stderr, "sluice: expected a URL such as http://api.example.com/path, got {}\n", options.url);
    return kUsage;
  }
  const auto [files, complete] = read_files(options.config);
  if (!complete) return kSystemError;
  Offline offline(files);
  const Snapshot& snapshot = *offline.translation.snapshot;
  if (snapshot.listeners.empty()) {
    fmt::print(stderr, "sluice: nothing is served by this configuration; `sluice check` tells why\n");
    return kConfigErrors;
  }
  bool first = true;
  for (const auto& listener : snapshot.listeners) {
    if (!std::exchange(first, false)) fmt::print("\n");
    print_line("listener", fmt::format("{} (Gateway {})", listener->config.name, listener->gateway));
    for (const SnapshotHttp& http : listener->http) explain_http(http, options, *target, offline.loop());
    for (const PortChain& chain : listener->port.chains)
      if (!chain.http) explain_tcp(chain);
    if (listener->http.empty()) print_line("answer", "none: bytes are passed on as they are");
  }
  return kOk;
}

}  // namespace sluice
