#include "control/admin_service.h"

#include <algorithm>

#include "base/log.h"
#include "config/kinds/secret.h"
#include "control/local_service.h"

namespace sluice {
namespace {

constexpr std::string_view kText = "text/plain; charset=utf-8";
constexpr std::string_view kJson = "application/json";

constexpr std::string_view kIndex =
    "sluice admin\n\n"
    "/metrics      counters, for Prometheus\n"
    "/healthz      200 while the process lives\n"
    "/readyz       200 once traffic is served, 503 in drain\n"
    "/config_dump  objects and their statuses (secrets and private keys are left out)\n"
    "/listeners    open ports\n"
    "/routes       virtual hosts, routes and their filters\n"
    "/clusters     upstream clusters and their counters\n"
    "/certs        certificates that clients are shown, and when they end (?text: a line each)\n"
    "/dns          names of dynamic destinations\n"
    "/logging      GET, or POST ?level=debug\n"
    "/drain        POST: finish what runs, then end\n";

Node json_list(std::span<const std::string> items) {
  Node::List out;
  for (const std::string& item : items) out.emplace_back(item);
  return Node(std::move(out));
}

// Rows that workers send to the control thread, one job each.
struct Gathering {
  std::vector<dns::NameTable::Row> rows;
  size_t missing = 0;
  Event arrived;
};

}  // namespace

Task<Response> AdminService::handle(Request& request) const {
  if (auto refused = refuse_foreign_caller(request, parts_.callers)) return *refused;
  const std::string_view path = request.path_without_query();
  const bool reads = request.method == "GET" || request.method == "HEAD";
  if (path == "/logging") return logging(request);
  if (path == "/drain") {
    if (request.method != "POST") return text_reply(request, 405, kText, "POST drains\n");
    parts_.drain();
    return text_reply(request, 200, kText, "draining\n");
  }
  if (auto page = parts_.probes.answer(request)) return *page;
  if (!reads) return text_reply(request, 405, kText, "only GET here\n");
  if (path == "/") return text_reply(request, 200, kText, kIndex);
  if (path == "/config_dump") return text_reply(request, 200, kJson, config_dump());
  if (path == "/routes") return text_reply(request, 200, kJson, routes());
  if (path == "/listeners") return text_reply(request, 200, kJson, listeners());
  if (path == "/clusters") return text_reply(request, 200, kJson, clusters());
  if (path == "/certs") return certs(request);
  if (path == "/dns") return dns(request);
  return text_reply(request, 404, kText, "no such page; / lists them\n");
}

Response AdminService::logging(Request& request) const {
  if (request.method == "POST") {
    const size_t at = request.path.find("?level=");
    const auto level = at == std::string_view::npos ? std::nullopt : parse_log_level(request.path.substr(at + 7));
    if (!level) return text_reply(request, 400, kText, "?level= takes trace, debug, info, warn or error\n");
    log::set_level(*level);
  }
  return text_reply(request, 200, kText, fmt::format("level: {}\n", log_level_name(log::level_now.load())));
}

std::string AdminService::config_dump() const {
  Node::List objects;
  for (const StoredObject* object : parts_.store.list()) objects.push_back(kinds::redacted(object->view().tree()));
  Node out;
  const auto snapshot = parts_.snapshot();
  out.set("snapshot", Node(snapshot ? snapshot->id : uint64_t{0}));
  out.set("objects", Node(std::move(objects)));
  return to_json(out, JsonStyle::indented) + "\n";
}

namespace {

Node node_of(const VirtualHostEntry& host) {
  Node::List routes;
  for (const auto& route : host.routes) {
    std::vector<std::string> stages;
    for (const StagedFilter& filter : route->chain.filters) stages.emplace_back(stage_name(filter.stage));
    Node row;
    row.set("name", Node(route->generated_name));
    row.set("path", Node(route->matcher.path()));
    row.set("filters", json_list(stages));
    if (!route->refused.empty()) row.set("refused", Node(route->refused));
    routes.push_back(std::move(row));
  }
  Node row;
  row.set("name", Node(host.name));
  row.set("domains", json_list(host.domains));
  row.set("routes", Node(std::move(routes)));
  return row;
}

Node node_of(const SnapshotListener& listener, const SnapshotHttp& http) {
  Node::List hosts;
  for (const Router* router : http.routers())
    for (const VirtualHostEntry& host : router->table().hosts()) hosts.push_back(node_of(host));
  Node row;
  row.set("gateway", Node(listener.gateway));
  row.set("listener", Node(listener.config.name));
  if (!http.name.empty()) row.set("chain", Node(http.name));
  row.set("virtualHosts", Node(std::move(hosts)));
  return row;
}

}  // namespace

std::string AdminService::routes() const {
  Node::List listeners;
  if (const auto snapshot = parts_.snapshot())
    for (const auto& listener : snapshot->listeners)
      for (const SnapshotHttp& http : listener->http) listeners.push_back(node_of(*listener, http));
  return to_json(Node(std::move(listeners)), JsonStyle::indented) + "\n";
}

std::string AdminService::listeners() const {
  Node::List out;
  for (const OpenPort& port : parts_.workers.open_ports()) {
    Node row;
    row.set("gateway", Node(port.gateway));
    row.set("address", Node(port.address.ip()));
    row.set("port", Node(unsigned{port.address.port()}));
    row.set("protocol", Node(port.protocol));
    out.push_back(std::move(row));
  }
  return to_json(Node(std::move(out)), JsonStyle::indented) + "\n";
}

std::string AdminService::clusters() const {
  Node out;
  if (const auto snapshot = parts_.snapshot())
    for (const auto& [name, why] : snapshot->closed_clusters) out.child(name).set("refused", json_list(why));
  for (const Metrics::Family& family : parts_.metrics.collect()) {
    if (!family.name.starts_with("envoy_cluster_")) continue;
    for (const Metrics::Sample& sample : family.samples) {
      const auto name =
          std::ranges::find(sample.labels, "envoy_cluster_name", &std::pair<std::string, std::string>::first);
      if (name == sample.labels.end() || sample.histogram) continue;
      std::string key = family.name.substr(std::string_view("envoy_cluster_").size());
      for (const auto& [label, value] : sample.labels)
        if (label != "envoy_cluster_name") key += "." + value;
      out.child(name->second).set(key, Node(sample.value));
    }
  }
  for (auto& [name, hosts] : parts_.hosts.hosts()) out.child(name).set("hosts", std::move(hosts));
  return to_json(out, JsonStyle::indented) + "\n";
}

// Nothing of keys.
Response AdminService::certs(Request& request) const {
  const std::vector<CertificateRow> rows = parts_.certificates();
  if (request.path.ends_with("?text")) return text_reply(request, 200, kText, certificates_text(rows));
  return text_reply(request, 200, kJson, certificates_json(rows));
}

Task<Response> AdminService::dns(Request& request) const {
  Loop& home = request.loop;
  auto gathering = std::make_shared<Gathering>();
  gathering->missing = parts_.workers.loops().workers();
  parts_.workers.on_each([this, gathering, &home](unsigned) {
    home.post([gathering, &home, rows = parts_.resolvers.rows_of_this_worker()] {
      gathering->rows.insert(gathering->rows.end(), rows.begin(), rows.end());
      --gathering->missing;
      gathering->arrived.notify(home);
    });
  });
  while (gathering->missing > 0) {
    auto waiting = gathering->arrived.wait(home, home.now() + 2s);
    CO_TRY(co_await waiting);
  }
  Node::List out;
  for (const dns::NameTable::Row& row : gathering->rows) {
    Node::List addresses;
    if (row.state.addresses)
      for (const IpAddress& address : row.state.addresses->addresses) addresses.emplace_back(address.to_string());
    Node node;
    node.set("name", Node(row.name));
    node.set("addresses", Node(std::move(addresses)));
    if (row.state.failure != dns::NameFailure::none)
      node.set("failure", Node(std::string(failure_word(row.state.failure))));
    node.set("stale", Node(row.state.stale));
    out.push_back(std::move(node));
  }
  co_return text_reply(request, 200, kJson, to_json(Node(std::move(out)), JsonStyle::indented) + "\n");
}

}  // namespace sluice
