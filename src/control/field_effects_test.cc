// The guard against "accepted and ignored": every field of every kind and filter is set, one at a time, and either
// something observable is different, or a message stands at the field and says why not.
//
// The fields are those of the schemas, so a new one is in the walk at once. For most the value follows from the type;
// kCases says what else is needed. Where nothing here can show the effect, an entry names the test that does.
#include <gtest/gtest.h>
#include <filesystem>
#include <fstream>
#include <set>

#include "base/encoding.h"
#include "base/log.h"
#include "config/schema.h"
#include "control/testing.h"
#include "engines/jose/sign.h"
#include "engines/jose/test_keys.h"
#include "pipeline/testing.h"

namespace sluice {
namespace {

// --- the fields -------------------------------------------------------------------------------------------------

struct Field {
  std::string kind;
  std::string path;  // "spec.virtualHost.routes[].options.timeout"
  const Schema* schema = nullptr;
  std::string default_text;
  bool supported = true;

  std::string full() const { return kind + " " + path; }
};

// Objects that are read and served by the code of others, field by field the same: those stand for them.
struct Twin {
  std::string_view path;
  std::string_view of;
  std::string_view shown_by;
};
constexpr Twin kTwins[] = {
    {"Gateway spec.hybridGateway.matchedGateways[].httpGateway", "Gateway spec.httpGateway",
     "src/control/translate_hybrid_test.cc: has_settings_of_their_own_for_chains_and_one_PROXY_protocol_for_all"},
    {"Gateway spec.hybridGateway.matchedGateways[].tcpGateway", "Gateway spec.tcpGateway",
     "src/control/translate_hybrid_test.cc: bounds_the_connections_of_each_chain_over_all_snapshots"},
    {"Gateway spec.hybridGateway.delegatedHttpGateways.httpConnectionManagerSettings",
     "Gateway spec.httpGateway.options.httpConnectionManagerSettings",
     "src/control/translate_hybrid_test.cc: gives_its_settings_to_those_it_takes_in_or_has_them_in_their_place"},
    {"MatchableHttpGateway spec.httpGateway", "Gateway spec.httpGateway",
     "src/control/translate_hybrid_test.cc: gives_its_settings_to_those_it_takes_in_or_has_them_in_their_place"},
    {"MatchableTcpGateway spec.tcpGateway", "Gateway spec.tcpGateway",
     "src/control/translate_hybrid_test.cc: takes_in_the_chains_that_its_selectors_find"},
};

// A field that has fields of its own counts by those.
void walk(const std::string& kind, const std::string& path, const Schema& schema, std::vector<Field>& out) {
  if (std::ranges::find(kTwins, fmt::format("{} {}", kind, path), &Twin::path) != std::end(kTwins)) return;
  for (const SchemaField& field : schema.fields) {
    std::string inner_path = path.empty() ? field.name : path + "." + field.name;
    const Schema* inner = &field.schema;
    while (inner->element && inner->element->shape != Shape::text && inner->element->shape != Shape::integer) {
      inner_path += inner->shape == Shape::list ? "[]" : ".*";
      inner = inner->element.get();
    }
    if (inner->fields.empty())
      out.push_back({kind, inner_path, &field.schema, field.default_text, field.supported});
    else
      walk(kind, inner_path, *inner, out);
  }
}

// --- what there is to set them in -----------------------------------------------------------------------------------

constexpr std::string_view kBody = R"({"ssn": "123-45-6789", "nl": "a\nb", "user": {"name": "joe"}})";
constexpr std::string_view kKey = R"({local: {key: '{"kty":"oct","k":"@{key}"}'}})";

// What there is besides kObjects: the first route of the VirtualService, its options, and a field of the httpGateway.
struct Base {
  std::string_view name;
  std::string_view route;
  std::string_view host = "";
  std::string_view http = "";
};
constexpr Base kBases[] = {
    {"direct", "matchers: [{prefix: /a}], directResponseAction: {status: 200, body: '@{body}'}"},
    {"plain", "matchers: [{prefix: /a}], directResponseAction: {status: 200, body: no json}"},
    {"redirect", "matchers: [{prefix: /a}], redirectAction: {}"},
    {"single", "matchers: [{prefix: /a}], routeAction: {single: {upstream: {name: u}}}"},
    {"multi",
     "matchers: [{prefix: /a}], routeAction: {multi: {destinations: [{weight: 1, destination: {upstream: {name: "
     "u}}}]}}"},
    {"two",
     "matchers: [{prefix: /a}], routeAction: {multi: {destinations: [{weight: 0, destination: {upstream: {name: "
     "u}}}, {weight: 1, destination: {upstream: {name: v}}}]}}"},
    {"dynamic", "matchers: [{prefix: /}], routeAction: {dynamicForwardProxy: {}}"},
    {"jwt", "matchers: [{prefix: /a}], directResponseAction: {status: 200, body: x}",
     "options: {jwt: {providers: {k: {jwks: @{jwks}}}}}, "},
    {"staged", "matchers: [{prefix: /a}], directResponseAction: {status: 200, body: x}",
     "options: {jwtStaged: {beforeExtAuth: {providers: {k: {jwks: @{jwks}}}}, afterExtAuth: {providers: {k: {jwks: "
     "@{jwks}}}}}}, "},
    {"transformed", "matchers: [{prefix: /a}], directResponseAction: {status: 200, body: x}",
     "options: {stagedTransformations: {regular: {requestTransforms: [{requestTransformation: "
     "{transformationTemplate: {passthrough: {}, headers: {x-host: {text: h}}}}}]}}}, "},
    {"selected", "matchers: [{prefix: /a}], directResponseAction: {status: 200, body: x}", "",
     "virtualServiceSelector: {team: x}, "},
};

constexpr std::string_view kObjects = R"(
---
{apiVersion: v1, kind: Secret, metadata: {name: s, namespace: gloo-system}, type: Opaque, data: {x-key: aHVzaA==}}
---
{apiVersion: v1, kind: ConfigMap, metadata: {name: c, namespace: gloo-system}, data: {a: b}}
---
{apiVersion: gloo.solo.io/v1, kind: Upstream, metadata: {name: v, namespace: gloo-system}, spec: {static: {hosts: [{addr: 127.0.0.3, port: 9}]}}}
---
{apiVersion: gloo.solo.io/v1, kind: Upstream, metadata: {name: u, namespace: gloo-system}, spec: {static: {hosts: [{addr: 127.0.0.1, port: 9}, {addr: 127.0.0.2, port: 9}]}}}
---
{apiVersion: sluice.dev/v1alpha1, kind: EgressPolicy, metadata: {name: e, namespace: gloo-system}, spec: {targetRefs: [{group: gateway.solo.io, kind: Gateway, name: g}], rules: [{name: r, action: allow, match: {addresses: [127.0.0.0/8]}}]}}
---
{apiVersion: sluice.dev/v1alpha1, kind: ProxySettings, metadata: {name: p, namespace: gloo-system}, spec: {targetRefs: [{group: gateway.solo.io, kind: Gateway, name: g}]}}
---
{apiVersion: gateway.solo.io/v1, kind: Gateway, metadata: {name: g, namespace: gloo-system}, spec: {bindAddress: 127.0.0.1, bindPort: 8001, options: {accessLoggingService: {accessLog: [{fileSink: {path: @{folder}/log, stringFormat: "%REQ(:PATH)% %RESPONSE_CODE%\n"}}]}}, httpGateway: {@{http} options: {dynamicForwardProxy: {}}}}}
---
{apiVersion: gateway.solo.io/v1, kind: VirtualService, metadata: {name: b, namespace: gloo-system}, spec: {virtualHost: {domains: [other.test], routes: [{directResponseAction: {status: 200, body: b}}]}}}
)";

constexpr std::string_view kService = R"(
---
{apiVersion: gateway.solo.io/v1, kind: VirtualService, metadata: {name: a, namespace: gloo-system, labels: {team: x}}, spec: {virtualHost: {domains: [api.test, '127.0.0.5:82'], @{host} routes: [{@{route}}, {matchers: [{prefix: /}], directResponseAction: {status: 404, body: other}}]}}}
)";

// --- one configuration, and what can be seen of it ------------------------------------------------------------------

struct Probe {
  std::string method, path, authority;
  std::vector<std::pair<std::string, std::string>> headers;
  std::string body;
};

std::string token() {
  return *jose::sign(R"({"iss":"me","aud":"us","sub":"joe","exp":1893456030,"role":"admin"})", "HS256",
                     jose::kTestSecret);
}
std::string expired_token() {
  return *jose::sign(R"({"iss":"me","aud":"us","sub":"joe","exp":1893455970})", "HS256", jose::kTestSecret);
}

std::vector<Probe> probes() {
  const std::string bearer = "Bearer " + token();
  return {
      {"GET", "/a/b?q=1&r=%2e", "api.test", {{"x-role", "admin"}, {"x-to", "127.0.0.7:81"}}, ""},
      {"POST", "/a", "api.test", {{"content-type", "application/json"}, {"x-role", "user"}}, std::string(kBody)},
      {"POST", "/A", "api.test", {{"x-role", ""}}, "no json"},
      {"POST", "/a", "api.test", {}, "no json"},
      {"GET", "/", "127.0.0.5:82", {{"authorization", bearer}}, ""},
      {"GET", "/a?access_token=" + token(), "api.test", {{"x-claim", "client"}}, ""},
      {"GET", "/a", "api.test", {{"authorization", bearer}, {"x-claim", "client"}}, ""},
      {"GET", "/a", "api.test", {{"authorization", bearer}}, ""},
      {"GET", "/a", "api.test", {{"authorization", "Bearer " + expired_token()}}, ""},
      {"GET", "/a", "api.test", {{"x-token", token()}}, ""},
      {"GET", "/a", "api.test", {{"x-token", "tok " + token()}}, ""},
      {"PUT", "/x", "api.test", {{"x-role", "admin"}}, ""},
      {"GET", "/a", "other.test", {}, ""},
  };
}

std::vector<std::string> log_lines;

class World final : private WithTranslator {
 public:
  World(const std::vector<OptionField>& fields, const std::string& folder) : fields_(fields), folder_(folder) {
    loop_.use_manual_clock(SteadyTime(1'000'000s), *parse_iso("2030-01-01T00:00:00Z"));
  }

  struct Seen {
    std::string what;
    Diagnostics diagnostics{10'000};
    std::vector<std::string> errors;  // and of the translation, which stand at no path
  };

  Seen look(const std::vector<Node>& documents) {
    Seen seen;
    std::vector<ConfigObjectPtr> objects;
    for (const Node& document : documents)
      if (auto object = read_object(document, "", fields_, seen.diagnostics)) objects.push_back(std::move(object));
    log_lines.clear();
    log::set_level(LogLevel::debug);
    log::set_sink([](std::string_view line) { log_lines.emplace_back(line); });
    see(translator_.translate(objects), seen);
    log::set_sink(nullptr);
    log::set_level(LogLevel::info);
    return seen;
  }

 private:
  void see(const Translation& translation, Seen& seen) {
    std::string& out = seen.what;
    for (const auto& [key, report] : *translation.reports) {
      out += fmt::format("{}: {}\n", key.to_string(), report.reason());
      for (const std::string& error : report.errors) seen.errors.push_back(error);
    }
    const Snapshot& snapshot = *translation.snapshot;
    for (const auto& listener : snapshot.listeners) {
      for (const SnapshotHttp& http : listener->http) {
        see_http(*listener, http, out);
        for (int round = 0; round < 2; ++round) {
          for (const Probe& probe : probes_) send(http, probe, out);
          if (round == 0) loop_.advance(10s);
        }
      }
    }
    for (const auto& [upstream, cluster] : *snapshot.static_clusters) {
      see_cluster(*cluster->cluster, out);
      for (const StaticCluster::Host& host : cluster->hosts)
        out += fmt::format("  {}{} {} {} {}\n", host.name, host.address ? host.address->to_string() : "", host.port,
                           host.weight, host.sni);
    }
    for (const auto& cluster : snapshot.dynamic_clusters) {
      see_cluster(*cluster->cluster, out);
      see_tls(cluster->scheme_tls.get(), out);
      see_tls(cluster->named_tls.get(), out);
      out += fmt::format("  {} {}\n", cluster->resolver->config().key(), cluster->save_upstream_address);
    }
    for (const Metrics::Family& family : metrics_.collect())
      for (const Metrics::Sample& sample : family.samples) {
        if (sample.labels.size() == 1 && sample.labels[0].second.starts_with("solo_io_generated")) continue;
        out +=
            fmt::format("{} {} {}\n", family.name, sample.labels.empty() ? "" : sample.labels[0].second, sample.value);
      }
    log_files_.flush();
    for (const auto& entry : std::filesystem::directory_iterator(folder_)) {
      std::ifstream file(entry.path());
      out += fmt::format("{}:\n{}", entry.path().filename().string(),
                         std::string(std::istreambuf_iterator<char>(file), {}));
      std::filesystem::remove(entry.path());
    }
    for (const std::string& line : log_lines)
      if (line.contains("transformation") || line.contains("dlp")) out += line.substr(line.find(' '));
  }

  void see_http(const SnapshotListener& listener, const SnapshotHttp& http, std::string& out) {
    const ListenerConfig& c = http.config;
    out += fmt::format("{} {} {} {} {} {} {} {} {} {} {} {} {} {} {} {} {} {} {} {} {} {} {} {} {}\n", listener.gateway,
                       listener.address.to_string(), listener.drain_timeout.count(), c.name, c.limits.head_bytes_max,
                       c.limits.fields_max, c.idle_timeout.count(), c.head_timeout.count(),
                       c.stream_idle_timeout.count(), c.request_timeout.count(), c.server_name, c.via,
                       c.generate_request_id, c.preserve_external_request_id, c.use_remote_address, c.trusted_hops,
                       c.strip_any_host_port, c.normalize_path, c.merge_slashes, c.websocket, c.forwarding_headers,
                       c.proxy_answers, c.body_buffer_bytes_max, c.connections_max, c.delay_before_close.count());
    out += fmt::format("XFCC {} {} {} {} {} {}\n", int(c.client_cert.forward), c.client_cert.subject,
                       c.client_cert.cert, c.client_cert.chain, c.client_cert.dns, c.client_cert.uri);
    out += fmt::format("codec {}, HTTP/2 {} {} {} {} {}\n", static_cast<int>(c.codec), c.http2.streams_max,
                       c.http2.stream_window, c.http2.connection_window, c.http2.invalid_message_ends_connection,
                       c.http2.drain_max.count());
    out += fmt::format("balance {}, TCP counts {}\n", c.balance != nullptr, c.tcp_stats != nullptr);
    for (const SocketOption& o : listener.socket_options)
      out += fmt::format("option {} {} {} {}\n", o.level, o.name, base64_encode(o.value), static_cast<int>(o.when));
    if (c.proxy_protocol) {
      out += fmt::format("PROXY {}\n", c.proxy_protocol->optional);
      for (const ProxyProtocolOptions::Rule& rule : c.proxy_protocol->rules)
        out += fmt::format("  {} {} {}\n", rule.tlv_type, rule.metadata_namespace, rule.key);
    }
    std::string internal;
    for (const Cidr& range : c.internal) internal += range.to_string() + " ";
    out += fmt::format("{} {} {} {} {} {} {} {} {} {} {} [{}] {} {} {} {} {} {}\n", c.stream_max.count(),
                       c.connection_max.count(), c.linger_max.count(), c.requests_max, int(c.server_field),
                       int(c.escaped_slashes), int(c.underscore_names), c.passes_on_continue, c.append_forwarded_for,
                       c.append_forwarded_port, c.leftmost_forwarded_for, internal, c.http1.old_version,
                       c.http1.default_host, c.http1.length_beside_chunked, int(c.http1.trailers), c.http1.proper_case,
                       c.http1.keep_case);
    for (const VirtualHostEntry& host : http.router->table().hosts())
      out += fmt::format("{} [{}] {} routes\n", host.name, fmt::join(host.domains, " "), host.routes.size());
  }

  static void see_cluster(const Cluster& c, std::string& out) {
    out += fmt::format("{} {} {} {} {} {} {} {} {} {} {} {}\n", c.name.starts_with("solo") ? "dynamic" : c.name,
                       c.connect_timeout.count(), c.connections_max, c.pending_max, c.requests_max, c.retries_max,
                       c.track_remaining, static_cast<int>(c.protocol), c.http2.stream_window,
                       c.http2.connection_window, c.http2.streams_max, c.http2.only_stream_ends_on_invalid_message);
    see_tls(c.tls.get(), out);
  }

  static void see_tls(const TlsClientContext* context, std::string& out) {
    if (!context) return;
    const TlsClientOptions& o = context->options();
    out += fmt::format("TLS {} {} {} [{}] [{}] [{}] {} {} [{}] [{}]\n", int(o.verify), o.ca.size(),
                       o.key_pair.certificates.size(), fmt::join(o.subject_alt_names, " "), fmt::join(o.alpn, " "),
                       o.allow_renegotiation, int(o.parameters.min), int(o.parameters.max),
                       fmt::join(o.parameters.cipher_suites, " "), fmt::join(o.parameters.ecdh_curves, " "));
  }

  void send(const SnapshotHttp& http, const Probe& probe, std::string& out) {
    Arena arena;
    StreamInfo info;
    info.start = loop_.now();
    info.start_wall = loop_.wall();
    Request request(arena, loop_, info);
    TaskGroup background;
    Explanation explanation;
    request.background = &background;
    request.method = info.method = probe.method;
    request.path = info.original_path = probe.path;
    request.authority = probe.authority;
    request.body_buffer_bytes_max = http.config.body_buffer_bytes_max;
    for (const auto& [name, value] : probe.headers) request.headers.add(name, value);
    if (!probe.body.empty())
      request.body = {arena.make<PiecesBody>(loop_, std::vector{probe.body}, false), probe.body.size()};
    if (http.config.early_change) http.config.early_change->apply(request);
    std::optional<Response> response;
    std::string body;
    bool done = false;
    Runner runner(&done, [](void* flag, Result<void>) { *static_cast<bool*>(flag) = true; });
    runner.start(run(*http.router, request, explanation, response, body));
    for (int turns = 0; !done && turns < 1000; ++turns) loop_.advance(1ms);
    ASSERT_TRUE(done);
    out += fmt::format("> {} {} {}: {} {} {} {}\n", probe.method, probe.path, probe.authority, request.method,
                       request.path, request.authority, info.details);
    for (const HeaderField& header : request.headers) out += fmt::format("  > {}: {}\n", header.name, header.value);
    for (const MetadataEntry& entry : info.metadata)
      out += fmt::format("  {} {} {}\n", entry.filter_namespace, entry.key, entry.json);
    if (response) {
      out += fmt::format("  {} {}\n", response->status, body);
      for (const HeaderField& h : *response->headers) out += fmt::format("  < {}: {}\n", h.name, h.value);
    }
    out += fmt::format("  {} {} {} {}\n", explanation.cluster.starts_with("solo") ? "dynamic" : explanation.cluster,
                       explanation.destination, explanation.address_class, explanation.verdict);
    if (request.route.rules && explanation.reached) {
      const RouteRules& rules = *request.route.rules;
      rules.rewrite_request(request);
      out += fmt::format("  {} {} {} {}\n", request.path, request.authority, rules.timeout.count(),
                         rules.idle_timeout.value_or(-1ns).count());
      for (const HeaderField& header : request.headers) out += fmt::format("  >> {}: {}\n", header.name, header.value);
      Response answer = make_response(request, 200, {{"content-type", "text/plain"}}, {});
      rules.finish_response(request, answer);
      for (const HeaderField& header : *answer.headers) out += fmt::format("  << {}: {}\n", header.name, header.value);
    }
    if (request.route.rules) out += fmt::format("  {}\n", info.route_name);
    if (http.config.observer && response) http.config.observer->finished(request, *response, loop_.now());
  }

  static Task<void> run(const Router& router, Request& request, Explanation& told, std::optional<Response>& response,
                        std::string& body) {
    auto handling = router.explain(request, told);
    response = CO_TRY(co_await handling);
    auto reading = read_all(response->body, request.arena, 1 << 20, nullptr);
    auto read = co_await reading;
    body = read ? std::string(*read) : read.error().message;
    auto sent = read_all(request.body, request.arena, 1 << 20, nullptr);
    auto rest = co_await sent;
    body += rest ? fmt::format(" ({})", std::string_view(*rest)) : " (" + rest.error().message + ")";
    co_return Status{};
  }

  const std::vector<OptionField>& fields_;
  const std::string& folder_;
  inline static const std::vector<Probe> probes_ = probes();
};

// --- what a field needs ---------------------------------------------------------------------------------------------

// Found by the end of the field's path; the longest that fits counts.
struct Case {
  std::string_view field;
  // YAML. "": by the type.
  std::string_view value = "";
  // What stands beside it in both configurations; with "-" in front only in the one that has the field.
  std::string_view beside = "";
  std::string_view base = "";  // "": by the path
  // It is refused, or has no effect, with these words at its place.
  std::string_view said = "";
  // Nothing here can show it: "file: a test in it", or why there is nothing to show.
  std::string_view shown_by = "";
  std::string_view kept = "";
};

constexpr std::string_view kByServers = "bookkeeping of an API server or of Gloo: it says nothing about what is wanted";

constexpr Case kCases[] = {
    // Objects as such.
    {.field = "namespacedStatuses", .kept = kByServers},
    {.field = "discoveryMetadata", .kept = kByServers},
    {.field = "apiVersion", .kept = "says which kind it is; read before the fields are"},
    {.field = " kind", .kept = "says which kind it is; read before the fields are"},
    {.field = " metadata", .kept = "has a schema of its own, which is walked too"},
    {.field = " status", .kept = kByServers},
    {.field = "immutable", .value = "true", .said = "has no effect"},
    {.field = "Secret type", .value = "kubernetes.io/tls", .base = "secret"},
    {.field = "Secret data", .value = "{x-key: b3RoZXI=}", .base = "secret"},
    {.field = "Secret stringData", .value = "{x-key: other}", .base = "secret"},
    {.field = "ConfigMap data", .kept = "kept for who asks the API; no field refers to a ConfigMap yet"},
    {.field = "ConfigMap binaryData", .kept = "kept for who asks the API; no field refers to a ConfigMap yet"},
    {.field = "metadata.name", .value = "z"},
    {.field = "metadata.namespace", .value = "other", .base = "single"},
    {.field = "metadata.labels", .value = "{team: w}", .base = "selected"},
    {.field = "metadata.annotations", .kept = "notes of tools; the API gives them back"},
    {.field = "metadata.creationTimestamp",
     .shown_by = "src/control/translate_test.cc: lets_the_older_of_two_services_serve_at_start"},
    {.field = "metadata.uid", .kept = kByServers},
    {.field = "metadata.resourceVersion", .kept = kByServers},
    {.field = "metadata.generation", .kept = kByServers},
    {.field = "metadata.managedFields", .kept = kByServers},
    {.field = "metadata.selfLink", .kept = kByServers},
    {.field = "metadata.ownerReferences", .kept = kByServers},
    {.field = "metadata.finalizers", .kept = kByServers},
    {.field = "metadata.generateName", .kept = kByServers},
    {.field = "metadata.deletionTimestamp", .kept = kByServers},
    {.field = "metadata.deletionGracePeriodSeconds", .kept = kByServers},
    {.field = "metadata.cluster", .kept = kByServers},
    {.field = "displayName", .kept = "for people: shown with the object"},

    // Matchers.
    {.field = "matchers[].prefix", .value = "/a/b", .beside = "-{}"},
    {.field = "matchers[].exact", .value = "/a", .beside = "-{}"},
    {.field = "matchers[].regex", .value = "/a/.*", .beside = "-{}"},
    {.field = "matchers[].caseSensitive", .value = "false"},
    {.field = "matcher.prefix", .value = "/a/b", .beside = "-{}"},
    {.field = "matcher.exact", .value = "/a", .beside = "-{}"},
    {.field = "matcher.regex", .value = "/a/.*", .beside = "-{}"},
    {.field = "matcher.caseSensitive", .value = "false", .beside = "{prefix: /A}"},
    {.field = "headers[].name", .value = "x-none", .beside = "-{}"},
    {.field = "headers[].value", .value = "admin", .beside = "{name: x-role}"},
    {.field = "headers[].regex", .value = "true", .beside = "{name: x-role, value: 'adm.*'}"},
    {.field = "headers[].invertMatch", .value = "true", .beside = "{name: x-role}"},
    {.field = "queryParameters[].name", .value = "q", .beside = "-{}"},
    {.field = "queryParameters[].value", .value = "'2'", .beside = "{name: q}"},
    {.field = "queryParameters[].regex", .value = "true", .beside = "{name: q, value: '[0-9]'}"},
    {.field = "methods", .value = "[POST]"},

    // Routes and hosts.
    {.field = "routes[].name", .value = "named"},
    {.field = "domains", .value = "['*']"},
    {.field = "upstream.name", .value = "v"},
    {.field = "upstream.namespace", .value = "other"},
    {.field = "destinations[].weight", .value = "4294967290", .base = "two"},
    {.field = "routeAction.dynamicForwardProxy.hostRewrite", .value = "'127.0.0.9:83'"},
    {.field = "autoHostRewriteHeader", .value = "x-to"},
    {.field = "hostRedirect", .value = "h.test"},
    {.field = "pathRedirect", .value = "/z"},
    {.field = "redirectAction.prefixRewrite", .value = "/z"},
    {.field = "pattern.regex", .value = "/a", .beside = "-{}"},
    {.field = "substitution", .value = "/z", .beside = "{pattern: {regex: /a}}"},
    {.field = "directResponseAction.status", .value = "201"},
    {.field = "options.prefixRewrite", .value = "/z"},
    {.field = "options.hostRewrite", .value = "h.test"},
    {.field = "header.key", .value = "x-set", .beside = "-{value: v}"},
    {.field = "requestHeadersToAdd[].append", .value = "false", .beside = "{header: {key: x-role, value: v}}"},
    {.field = "responseHeadersToAdd[].append", .value = "false", .beside = "{header: {key: content-type, value: v}}"},
    {.field = "headerSecretRef.name", .value = "s", .beside = "-{namespace: gloo-system}"},
    {.field = "headerSecretRef.namespace", .value = "gloo-system", .beside = "-{name: s}"},
    {.field = "requestHeadersToRemove", .value = "[x-role]"},
    {.field = "responseHeadersToRemove", .value = "[content-type]"},

    // Gateways.
    {.field = "bindAddress", .value = "'::1'"},
    {.field = "bindPort", .value = "8002"},
    {.field = "fileSink.path", .value = "@{folder}/other"},
    {.field = "fileSink.jsonFormat", .value = "{code: '%RESPONSE_CODE%'}", .beside = "-{path: '@{folder}/log'}"},
    {.field = "virtualServices[].name", .value = "b", .beside = "-{namespace: gloo-system}"},
    {.field = "virtualServices[].namespace", .value = "gloo-system", .beside = "-{name: b}"},
    {.field = "virtualServiceSelector", .value = "{team: x}"},
    {.field = "virtualServiceNamespaces", .value = "[other]"},
    {.field = "dnsFailureRefreshRate.baseInterval", .value = "2ms", .beside = "-{}"},
    {.field = "dnsFailureRefreshRate.maxInterval", .value = "3ms", .beside = "{baseInterval: 2ms}"},
    {.field = "socketAddress.address", .value = "127.0.0.9", .beside = "-{portValue: 53}"},
    {.field = "socketAddress.portValue", .value = "54", .beside = "-{address: 127.0.0.9}"},
    {.field = "socketAddress.protocol", .value = "TCP"},
    {.field = "socketAddress.ipv4Compat", .value = "true", .said = "has no effect"},
    {.field = "noDefaultSearchDomain", .value = "true", .said = "has no effect"},
    {.field = "appleDns", .kept = "means the system's resolver, which is the default"},

    {.field = "defaultHostForHttp10", .value = "h.test", .beside = "{acceptHttp10: true}"},
    {.field = "proxy100Continue", .value = "false"},
    {.field = "uuidRequestIdConfig.packTraceReason", .said = "has no effect"},
    {.field = "uuidRequestIdConfig.useRequestIdForTraceSampling", .said = "has no effect"},
    {.field = "internalAddressConfig.unixSockets", .value = "true", .said = "has no effect"},
    {.field = "cidrRanges[].addressPrefix", .value = "10.0.0.0", .beside = "-{prefixLen: 8}"},
    {.field = "cidrRanges[].prefixLen", .value = "16", .beside = "{addressPrefix: 10.0.0.0}"},
    {.field = "headersToAdd[].append", .value = "false", .beside = "{header: {key: x-role, value: v}}"},
    {.field = "disableHttp1MethodValidation", .kept = "every method is taken, which is what it asks for"},
    {.field = "router.dynamicStats", .value = "false", .said = "has no effect"},
    {.field = "maxDirectResponseBodySizeBytes",
     .shown_by = "src/control/translate_test.cc: "
                 "holds_the_bodies_of_direct_responses_against_the_limit_of_their_gateway"},
    {.field = "mostSpecificHeaderMutationsWins",
     .shown_by = "src/control/translate_test.cc: "
                 "lets_the_route_or_the_virtual_host_have_the_last_word_on_headers"},
    {.field = "router.suppressEnvoyHeaders", .base = "single"},
    {.field = "virtualServiceExpressions.expressions[].key", .value = "team", .beside = "-{operator: Exists}"},
    {.field = "virtualServiceExpressions.expressions[].operator", .value = "DoesNotExist", .beside = "-{key: team}"},
    {.field = "virtualServiceExpressions.expressions[].values", .value = "[x]", .beside = "-{key: team}"},
    {.field = "headersToRemove", .value = "[x-role]"},

    {.field = "http2ProtocolOptions.initialStreamWindowSize", .value = "70000"},
    {.field = "http2ProtocolOptions.initialConnectionWindowSize", .value = "70000"},
    // Upstreams, policies, settings.
    {.field = "hosts[].addr", .value = "127.0.0.8"},
    {.field = "hosts[].port", .value = "10"},
    {.field = "Upstream spec.initialStreamWindowSize", .value = "70000", .beside = "{useHttp2: true}"},
    {.field = "Upstream spec.initialConnectionWindowSize", .value = "70000", .beside = "{useHttp2: true}"},
    {.field = "Upstream spec.maxConcurrentStreams", .value = "7", .beside = "{useHttp2: true}"},
    {.field = "Upstream spec.overrideStreamErrorOnInvalidHttpMessage", .value = "true", .beside = "{useHttp2: true}"},
    {.field = "protocolSelection", .value = "USE_DOWNSTREAM_PROTOCOL"},
    {.field = "targetRefs[].group", .value = "apps", .said = "expected a Gateway"},
    {.field = "targetRefs[].kind", .value = "Upstream", .said = "expected a Gateway"},
    {.field = "targetRefs[].name", .value = "z"},
    {.field = "rules[].name", .value = "z"},
    {.field = "rules[].action", .value = "deny"},
    {.field = "match.addresses", .value = "[10.0.0.0/8]"},
    {.field = "rules[].upstreamTls", .value = "required"},
    // TLS.
    {.field = "sds", .shown_by = "src/config/kinds/ssl_config_test.cc: sslConfig.sds: cannot be had here"},
    {.field = "ssl",
     .shown_by = "src/control/translate_tls_test.cc: "
                 "serves_services_with_sslConfig_on_gateways_with_ssl_and_the_others_without"},
    {.field = "VirtualService spec.sslConfig.secretRef.name",
     .shown_by = "src/control/translate_tls_test.cc: "
                 "serves_services_with_sslConfig_on_gateways_with_ssl_and_the_others_without"},
    {.field = "VirtualService spec.sslConfig.secretRef.namespace",
     .shown_by = "src/control/translate_tls_test.cc: "
                 "serves_services_with_sslConfig_on_gateways_with_ssl_and_the_others_without"},
    {.field = "secretRef.name",
     .shown_by = "src/control/translate_tls_test.cc: verifies_an_upstream_with_the_ca_of_its_secret"},
    {.field = "secretRef.namespace",
     .shown_by = "src/control/translate_tls_test.cc: verifies_an_upstream_with_the_ca_of_its_secret"},
    {.field = "sslFiles.tlsCert",
     .shown_by = "src/control/translate_tls_test.cc: reads_files_again_when_they_change_and_keeps_the_last_good_ones"},
    {.field = "sslFiles.tlsKey",
     .shown_by = "src/control/translate_tls_test.cc: reads_files_again_when_they_change_and_keeps_the_last_good_ones"},
    {.field = "sslFiles.rootCa", .shown_by = "src/control/translate_tls_test.cc: reads_a_ca_and_a_staple_from_files"},
    {.field = "sslFiles.ocspStaple",
     .shown_by = "src/control/translate_tls_test.cc: reads_a_ca_and_a_staple_from_files"},
    {.field = "sniDomains",
     .shown_by = "src/control/translate_tls_test.cc: merges_equal_configs_into_one_chain_for_the_names_of_all"},
    {.field = "sslConfig.verifySubjectAltName",
     .shown_by = "src/control/translate_tls_test.cc: "
                 "refuses_a_client_whose_certificate_is_for_none_of_verifySubjectAltName"},
    {.field = "Upstream spec.sslConfig.verifySubjectAltName",
     .shown_by = "src/control/translate_tls_test.cc: verifies_an_upstream_with_the_ca_of_its_secret"},
    {.field = "dynamicForwardProxy.sslConfig.verifySubjectAltName",
     .shown_by = "src/control/translate_tls_test.cc: has_TLS_for_dynamic_destinations_where_a_rule_may_want_it"},
    {.field = "dynamicForwardProxy.sslConfig.secretRef.name",
     .shown_by = "src/control/translate_tls_test.cc: has_TLS_for_dynamic_destinations_where_a_rule_may_want_it"},
    {.field = "dynamicForwardProxy.sslConfig.secretRef.namespace",
     .shown_by = "src/control/translate_tls_test.cc: has_TLS_for_dynamic_destinations_where_a_rule_may_want_it"},
    {.field = "Upstream spec.sslConfig.sslFiles.tlsCert",
     .shown_by = "src/control/translate_tls_test.cc: verifies_an_upstream_with_files"},
    {.field = "Upstream spec.sslConfig.sslFiles.tlsKey",
     .shown_by = "src/control/translate_tls_test.cc: verifies_an_upstream_with_files"},
    {.field = "Upstream spec.sslConfig.sslFiles.rootCa",
     .shown_by = "src/control/translate_tls_test.cc: verifies_an_upstream_with_files"},
    {.field = "Upstream spec.sslConfig.sslFiles.ocspStaple", .value = "/a", .said = "has no effect"},
    {.field = "dynamicForwardProxy.sslConfig.sslFiles.ocspStaple", .value = "/a", .said = "has no effect"},
    {.field = "dynamicForwardProxy.sslConfig.sni", .value = "a.test", .said = "has no effect"},
    {.field = "Upstream spec.sslConfig.sni", .value = "a.test"},
    {.field = "Upstream spec.sslConfig.alpnProtocols", .value = "[h2]"},
    {.field = "dynamicForwardProxy.sslConfig.alpnProtocols", .value = "[h2]"},
    {.field = "Upstream spec.sslConfig.parameters.minimumProtocolVersion"},
    {.field = "dynamicForwardProxy.sslConfig.parameters.minimumProtocolVersion"},
    {.field = "Upstream spec.sslConfig.parameters.maximumProtocolVersion"},
    {.field = "dynamicForwardProxy.sslConfig.parameters.maximumProtocolVersion"},
    {.field = "Upstream spec.sslConfig.parameters.cipherSuites", .value = "[AES128-SHA]"},
    {.field = "dynamicForwardProxy.sslConfig.parameters.cipherSuites", .value = "[AES128-SHA]"},
    {.field = "Upstream spec.sslConfig.parameters.ecdhCurves", .value = "[P-384]"},
    {.field = "dynamicForwardProxy.sslConfig.parameters.ecdhCurves", .value = "[P-384]"},
    {.field = "Upstream spec.sslConfig.oneWayTls",
     .shown_by = "src/control/translate_tls_test.cc: verifies_an_upstream_with_the_ca_of_its_secret"},
    {.field = "sslConfig.parameters.minimumProtocolVersion",
     .shown_by = "src/control/translate_tls_test.cc: gives_every_option_to_the_context"},
    {.field = "sslConfig.parameters.maximumProtocolVersion",
     .shown_by = "src/control/translate_tls_test.cc: gives_every_option_to_the_context"},
    {.field = "sslConfig.parameters.cipherSuites",
     .shown_by = "src/control/translate_tls_test.cc: gives_every_option_to_the_context"},
    {.field = "sslConfig.parameters.ecdhCurves",
     .shown_by = "src/control/translate_tls_test.cc: gives_every_option_to_the_context"},
    {.field = "sslConfig.alpnProtocols",
     .shown_by = "src/control/translate_tls_test.cc: gives_every_option_to_the_context"},
    {.field = "sslConfig.oneWayTls",
     .shown_by = "src/control/translate_tls_test.cc: "
                 "requires_client_certificates_when_the_secret_has_a_ca_unless_tls_is_one_way"},
    {.field = "disableTlsSessionResumption",
     .shown_by = "src/control/translate_tls_test.cc: gives_every_option_to_the_context"},
    {.field = "transportSocketConnectTimeout",
     .shown_by = "src/control/translate_tls_test.cc: ends_a_handshake_after_its_transportSocketConnectTimeout"},
    {.field = "ocspStaplePolicy", .shown_by = "src/control/translate_tls_test.cc: gives_every_option_to_the_context"},
    {.field = "hosts[].sniAddr",
     .shown_by = "src/control/translate_tls_test.cc: asks_a_host_for_its_own_name_or_the_one_configured"},
    {.field = "useTls",
     .shown_by = "src/control/translate_tls_test.cc: "
                 "speaks_TLS_to_an_upstream_with_port_443_or_useTls_without_looking_at_certificates"},
    {.field = "autoSniRewrite",
     .shown_by = "src/control/translate_tls_test.cc: asks_a_host_for_its_own_name_or_the_one_configured"},
    {.field = "destinations.scheme",
     .shown_by =
         "src/control/translate_tls_test.cc: verifies_dynamic_destinations_by_the_systems_roots_unless_told_not_to"},
    {.field = "upstreamTls.verify",
     .shown_by =
         "src/control/translate_tls_test.cc: verifies_dynamic_destinations_by_the_systems_roots_unless_told_not_to"},
    // Hybrid gateways.
    {.field = "sourcePrefixRanges[].addressPrefix",
     .shown_by = "src/control/translate_hybrid_test.cc: serves_each_chain_by_its_matcher"},
    {.field = "sourcePrefixRanges[].prefixLen",
     .shown_by = "src/control/translate_hybrid_test.cc: serves_each_chain_by_its_matcher"},
    {.field = "passthroughCipherSuites",
     .shown_by = "src/control/translate_hybrid_test.cc: passes_on_the_TLS_of_clients_that_offer_old_ciphers_alone"},
    {.field = "delegatedHttpGateways.ref.name",
     .shown_by = "src/control/translate_hybrid_test.cc: says_of_a_reference_why_it_leads_nowhere"},
    {.field = "delegatedTcpGateways.ref.name",
     .shown_by = "src/control/translate_hybrid_test.cc: takes_in_the_chains_that_its_selectors_find"},
    {.field = "delegatedHttpGateways.ref.namespace",
     .shown_by = "src/control/translate_hybrid_test.cc: says_of_a_reference_why_it_leads_nowhere"},
    {.field = "delegatedTcpGateways.ref.namespace",
     .shown_by = "src/control/translate_hybrid_test.cc: takes_in_the_chains_that_its_selectors_find"},
    {.field = "selector.namespaces", .shown_by = "src/config/kinds/hybrid_gateway_test.cc: reads_who_brings_chains"},
    {.field = "selector.labels", .shown_by = "src/config/kinds/hybrid_gateway_test.cc: reads_who_brings_chains"},
    {.field = "selector.expressions[].key",
     .shown_by = "src/config/kinds/hybrid_gateway_test.cc: reads_who_brings_chains"},
    {.field = "selector.expressions[].operator",
     .shown_by = "src/config/kinds/hybrid_gateway_test.cc: reads_who_brings_chains"},
    {.field = "selector.expressions[].values",
     .shown_by = "src/config/kinds/hybrid_gateway_test.cc: reads_who_brings_chains"},
    {.field = "preventChildOverrides",
     .shown_by =
         "src/control/translate_hybrid_test.cc: gives_its_settings_to_those_it_takes_in_or_has_them_in_their_place"},
    {.field = "matcher.sslConfig.verifySubjectAltName",
     .shown_by = "src/config/kinds/hybrid_gateway_test.cc: gives_defaults_to_an_sslConfig_field_by_field"},
    {.field = "delegatedHttpGateways.sslConfig.verifySubjectAltName",
     .shown_by = "src/config/kinds/hybrid_gateway_test.cc: gives_defaults_to_an_sslConfig_field_by_field"},
    {.field = "matcher.sslConfig.parameters.minimumProtocolVersion",
     .shown_by = "src/config/kinds/hybrid_gateway_test.cc: gives_defaults_to_an_sslConfig_field_by_field"},
    {.field = "delegatedHttpGateways.sslConfig.parameters.minimumProtocolVersion",
     .shown_by = "src/config/kinds/hybrid_gateway_test.cc: gives_defaults_to_an_sslConfig_field_by_field"},
    {.field = "matcher.sslConfig.parameters.maximumProtocolVersion",
     .shown_by = "src/config/kinds/hybrid_gateway_test.cc: gives_defaults_to_an_sslConfig_field_by_field"},
    {.field = "delegatedHttpGateways.sslConfig.parameters.maximumProtocolVersion",
     .shown_by = "src/config/kinds/hybrid_gateway_test.cc: gives_defaults_to_an_sslConfig_field_by_field"},
    {.field = "matcher.sslConfig.parameters.cipherSuites",
     .shown_by = "src/config/kinds/hybrid_gateway_test.cc: gives_defaults_to_an_sslConfig_field_by_field"},
    {.field = "delegatedHttpGateways.sslConfig.parameters.cipherSuites",
     .shown_by = "src/config/kinds/hybrid_gateway_test.cc: gives_defaults_to_an_sslConfig_field_by_field"},
    {.field = "matcher.sslConfig.parameters.ecdhCurves",
     .shown_by = "src/config/kinds/hybrid_gateway_test.cc: gives_defaults_to_an_sslConfig_field_by_field"},
    {.field = "delegatedHttpGateways.sslConfig.parameters.ecdhCurves",
     .shown_by = "src/config/kinds/hybrid_gateway_test.cc: gives_defaults_to_an_sslConfig_field_by_field"},
    {.field = "matcher.sslConfig.alpnProtocols",
     .shown_by = "src/config/kinds/hybrid_gateway_test.cc: gives_defaults_to_an_sslConfig_field_by_field"},
    {.field = "delegatedHttpGateways.sslConfig.alpnProtocols",
     .shown_by = "src/config/kinds/hybrid_gateway_test.cc: gives_defaults_to_an_sslConfig_field_by_field"},
    {.field = "matcher.sslConfig.oneWayTls",
     .shown_by = "src/config/kinds/hybrid_gateway_test.cc: gives_defaults_to_an_sslConfig_field_by_field"},
    {.field = "delegatedHttpGateways.sslConfig.oneWayTls",
     .shown_by = "src/config/kinds/hybrid_gateway_test.cc: gives_defaults_to_an_sslConfig_field_by_field"},
    {.field = "matcher.sslConfig.disableTlsSessionResumption",
     .shown_by = "src/config/kinds/hybrid_gateway_test.cc: gives_defaults_to_an_sslConfig_field_by_field"},
    {.field = "delegatedHttpGateways.sslConfig.disableTlsSessionResumption",
     .shown_by = "src/config/kinds/hybrid_gateway_test.cc: gives_defaults_to_an_sslConfig_field_by_field"},
    {.field = "matcher.sslConfig.transportSocketConnectTimeout",
     .shown_by = "src/config/kinds/hybrid_gateway_test.cc: gives_defaults_to_an_sslConfig_field_by_field"},
    {.field = "delegatedHttpGateways.sslConfig.transportSocketConnectTimeout",
     .shown_by = "src/config/kinds/hybrid_gateway_test.cc: gives_defaults_to_an_sslConfig_field_by_field"},
    {.field = "matcher.sslConfig.ocspStaplePolicy",
     .shown_by = "src/config/kinds/hybrid_gateway_test.cc: gives_defaults_to_an_sslConfig_field_by_field"},
    {.field = "delegatedHttpGateways.sslConfig.ocspStaplePolicy",
     .shown_by = "src/config/kinds/hybrid_gateway_test.cc: gives_defaults_to_an_sslConfig_field_by_field"},
    // Where requests go, and go again.
    {.field = "tcpHosts[].name",
     .shown_by = "tests/e2e/test_tcp_gateway.py: two_hosts_for_the_same_connections_are_refused"},
    {.field = "tcpHosts[].sslConfig.sniDomains",
     .shown_by = "tests/e2e/test_tcp_gateway.py: the_exact_name_then_the_longest_wildcard_decides"},
    {.field = "tcpHosts[].sslConfig.secretRef.name",
     .shown_by = "src/control/translate_tcp_test.cc: "
                 "ends_TLS_where_a_host_has_certificates_and_passes_it_on_where_it_has_names_alone"},
    {.field = "tcpHosts[].sslConfig.secretRef.namespace",
     .shown_by = "src/control/translate_tcp_test.cc: "
                 "ends_TLS_where_a_host_has_certificates_and_passes_it_on_where_it_has_names_alone"},
    {.field = "tcpHosts[].sslConfig.sslFiles.tlsCert",
     .shown_by = "src/control/translate_tcp_test.cc: reads_files_again_when_they_change"},
    {.field = "tcpHosts[].sslConfig.sslFiles.tlsKey",
     .shown_by = "src/control/translate_tcp_test.cc: reads_files_again_when_they_change"},
    {.field = "tcpHosts[].sslConfig.parameters.minimumProtocolVersion",
     .shown_by = "src/control/translate_tcp_test.cc: gives_the_options_of_a_host_to_its_chain"},
    {.field = "tcpHosts[].sslConfig.alpnProtocols",
     .shown_by = "src/control/translate_tcp_test.cc: gives_the_options_of_a_host_to_its_chain"},
    {.field = "tcpHosts[].sslConfig.oneWayTls",
     .shown_by = "src/control/translate_tcp_test.cc: gives_the_options_of_a_host_to_its_chain"},
    {.field = "tcpHosts[].destination.single.upstream.name",
     .shown_by = "tests/e2e/test_tcp_gateway.py: bytes_go_both_ways_and_half_a_close_is_passed_on"},
    {.field = "tcpHosts[].destination.single.upstream.namespace",
     .shown_by = "tests/e2e/test_tcp_gateway.py: a_missing_upstream_is_a_warning_and_its_host_is_not_served"},
    {.field = "tcpHosts[].destination.multi.destinations[].destination.upstream.name",
     .shown_by = "tests/e2e/test_tcp_gateway.py: destinations_have_their_shares"},
    {.field = "tcpHosts[].destination.multi.destinations[].destination.upstream.namespace",
     .shown_by = "tests/e2e/test_tcp_gateway.py: destinations_have_their_shares"},
    {.field = "tcpHosts[].destination.multi.destinations[].weight",
     .shown_by = "tests/e2e/test_tcp_gateway.py: destinations_have_their_shares"},
    {.field = "tcpHosts[].destination.forwardSniClusterName",
     .shown_by = "tests/e2e/test_tcp_gateway.py: the_cluster_that_the_client_names_is_taken"},
    {.field = "tcpHosts[].destination.multi.destinations[].destination.kube",
     .shown_by = "src/config/kinds/tcp_gateway_test.cc: destinations[0].destination.kube: not supported yet"},
    {.field = "tcpHosts[].destination.multi.destinations[].destination.consul",
     .shown_by = "src/config/kinds/tcp_gateway_test.cc: destinations[0].destination.consul: not supported yet"},
    {.field = "tcpHosts[].destination.multi.destinations[].destination.subset",
     .shown_by = "src/config/kinds/tcp_gateway_test.cc: destinations[0].destination.subset: not supported yet"},
    {.field = "tcpHosts[].destination.multi.destinations[].destination.destinationSpec",
     .shown_by =
         "src/config/kinds/tcp_gateway_test.cc: destinations[0].destination.destinationSpec: not supported yet"},
    {.field = "tcpProxySettings.maxConnectAttempts",
     .shown_by = "tests/e2e/test_tcp_gateway.py: another_endpoint_is_tried_as_often_as_maxConnectAttempts_says"},
    {.field = "tunnelingConfig.hostname",
     .shown_by = "src/control/translate_tcp_test.cc: asks_the_proxies_that_are_its_destinations_to_go_on"},
    {.field = "tunnelingConfig.headersToAdd[].header.key",
     .shown_by = "src/control/translate_tcp_test.cc: asks_the_proxies_that_are_its_destinations_to_go_on"},
    {.field = "tunnelingConfig.headersToAdd[].header.value",
     .shown_by = "src/control/translate_tcp_test.cc: asks_the_proxies_that_are_its_destinations_to_go_on"},
    {.field = "tunnelingConfig.headersToAdd[].append",
     .shown_by = "src/control/translate_tcp_test.cc: asks_the_proxies_that_are_its_destinations_to_go_on"},
    {.field = "tunnelingConfig.headersToAdd[].headerSecretRef.name",
     .shown_by = "src/control/translate_tcp_test.cc: asks_the_proxies_that_are_its_destinations_to_go_on"},
    {.field = "tunnelingConfig.headersToAdd[].headerSecretRef.namespace",
     .shown_by = "src/control/translate_tcp_test.cc: asks_the_proxies_that_are_its_destinations_to_go_on"},
    {.field = "tcpProxySettings.accessLogFlushInterval",
     .shown_by =
         "src/serve/gateway_port_test.cc: logs_a_connection_each_time_that_its_interval_has_passed_and_at_its_end"},
    {.field = "tcpProxySettings.idleTimeout",
     .shown_by = "tests/e2e/test_tcp_gateway.py: a_connection_on_which_nothing_moves_is_closed_after_idleTimeout"},
    {.field = "tcpGateway.options.connectionLimit.maxActiveConnections",
     .shown_by = "tests/e2e/test_tcp_gateway.py: connectionLimit_and_circuit_breakers_hold"},
    {.field = "tcpGateway.options.connectionLimit.delayBeforeClose",
     .shown_by = "tests/e2e/test_tcp_gateway.py: connectionLimit_and_circuit_breakers_hold"},
    {.field = "tcpHosts[].destination.multi.destinations[].options",
     .shown_by = "src/config/kinds/tcp_gateway_test.cc: options: warning: has no effect"},
    {.field = "proxyProtocolVersion",
     .shown_by = "src/forward/introduction_test.cc: says_whose_connection_it_is_before_anything_else"},
    {.field = "socketOptions[].description", .shown_by = "src/net/listen_test.cc: says_which_option_is_refused"},
    {.field = "socketOptions[].level", .value = "6", .beside = "{name: 9, intValue: 1}"},
    {.field = "socketOptions[].name",
     .shown_by = "tests/e2e/test_listener_sockets.py: socket_options_hold_for_connections_and_a_change_loses_none"},
    {.field = "socketOptions[].intValue",
     .shown_by = "tests/e2e/test_listener_sockets.py: socket_options_hold_for_connections_and_a_change_loses_none"},
    {.field = "socketOptions[].bufValue",
     .shown_by = "tests/e2e/test_listener_sockets.py: socket_options_hold_for_connections_and_a_change_loses_none"},
    {.field = "connectionBalanceConfig.exactBalance",
     .shown_by = "tests/e2e/test_listener_sockets.py: connections_are_spread_evenly"},
    {.field = "socketOptions[].state", .value = "STATE_BOUND", .beside = "{name: 9, intValue: 1}"},
    {.field = "proxyProtocol.rules[].tlvType", .value = "7", .beside = "{onTlvPresent: {key: k}}"},
    {.field = "onTlvPresent.key",
     .shown_by = "tests/e2e/test_proxy_protocol.py: a_tlv_becomes_metadata_that_the_log_shows"},
    {.field = "onTlvPresent.metadataNamespace", .beside = "{key: k}"},
    {.field = "options.extensions", .value = "{a: {}}", .said = "has no effect"},
    {.field = "connectionLimit.delayBeforeClose", .value = "3s", .beside = "{maxActiveConnections: 5}"},
    {.field = "retries.retryOn", .shown_by = "tests/scenarios/retries.yaml: whichever host is first"},
    {.field = "retries.numRetries", .shown_by = "src/forward/retries_test.cc: end_with_the_last_answer_and_its_flag"},
    {.field = "retries.perTryTimeout", .shown_by = "src/forward/retries_test.cc: come_after_perTryTimeout"},
    {.field = "retryBackOff.baseInterval",
     .shown_by = "src/upstream/retry_policy_test.cc: waits_at_random_below_an_interval_that_doubles_up_to_its_limit"},
    {.field = "retryBackOff.maxInterval",
     .shown_by = "src/upstream/retry_policy_test.cc: waits_at_random_below_an_interval_that_doubles_up_to_its_limit"},
    {.field = "retries.retriableStatusCodes",
     .shown_by = "src/upstream/retry_policy_test.cc: of_each_condition_retries_the_statuses_that_Envoy_retries"},
    {.field = "resetHeaders[].name",
     .shown_by = "src/upstream/retry_policy_test.cc: waits_as_long_as_the_response_asks"},
    {.field = "resetHeaders[].format",
     .shown_by = "src/upstream/retry_policy_test.cc: waits_as_long_as_the_response_asks"},
    {.field = "rateLimitedRetryBackOff.maxInterval",
     .shown_by = "src/upstream/retry_policy_test.cc: waits_as_long_as_the_response_asks"},
    {.field = "leastRequest.choiceCount",
     .shown_by = "src/upstream/balancer_test.cc: of_as_many_choices_as_endpoints_takes_the_least_loaded_of_all"},
    {.field = "loadBalancerConfig.random",
     .shown_by = "src/upstream/balancer_test.cc: follows_the_weights_also_among_few_that_may_be_chosen"},
    {.field = "loadBalancerConfig.healthyPanicThreshold",
     .shown_by = "src/upstream/ejection_test.cc: of_most_endpoints_is_panic_in_which_all_are_used"},
    {.field = "outlierDetection.consecutive5xx",
     .shown_by = "src/forward/retries_test.cc: keeps_requests_away_from_a_host_that_answers_badly"},
    {.field = "outlierDetection.interval",
     .shown_by = "src/upstream/ejection_test.cc: lasts_longer_each_time_and_less_again_after_good_health"},
    {.field = "outlierDetection.baseEjectionTime",
     .shown_by = "src/upstream/ejection_test.cc: takes_a_base_time_above_the_limit_as_the_limit"},
    {.field = "outlierDetection.maxEjectionPercent",
     .shown_by = "src/upstream/ejection_test.cc: stops_at_the_share_that_may_be_ejected_but_for_the_first"},
    {.field = "outlierDetection.enforcingConsecutive5xx",
     .shown_by = "src/upstream/ejection_test.cc: is_enforced_in_as_many_cases_as_configured"},
    {.field = "outlierDetection.enforcingSuccessRate",
     .shown_by = "src/upstream/ejection_test.cc: far_below_that_of_the_others_ejects"},
    {.field = "outlierDetection.successRateMinimumHosts",
     .shown_by = "src/upstream/ejection_test.cc: near_that_of_the_others_or_of_too_few_endpoints_ejects_nobody"},
    {.field = "outlierDetection.successRateRequestVolume",
     .shown_by = "src/upstream/ejection_test.cc: far_below_that_of_the_others_ejects"},
    {.field = "outlierDetection.successRateStdevFactor",
     .shown_by = "src/upstream/ejection_test.cc: far_below_that_of_the_others_ejects"},
    {.field = "outlierDetection.consecutiveGatewayFailure",
     .shown_by = "src/upstream/ejection_test.cc: for_gateway_failures_is_found_but_not_enforced_by_default"},
    {.field = "outlierDetection.enforcingConsecutiveGatewayFailure",
     .shown_by = "src/upstream/ejection_test.cc: for_gateway_failures_is_found_but_not_enforced_by_default"},
    {.field = "outlierDetection.splitExternalLocalOriginErrors",
     .shown_by = "src/upstream/ejection_test.cc: counts_what_has_no_answer_by_itself_when_split"},
    {.field = "outlierDetection.consecutiveLocalOriginFailure",
     .shown_by = "src/upstream/ejection_test.cc: counts_what_has_no_answer_by_itself_when_split"},
    {.field = "outlierDetection.enforcingConsecutiveLocalOriginFailure",
     .shown_by = "src/upstream/ejection_test.cc: counts_what_has_no_answer_by_itself_when_split"},
    {.field = "outlierDetection.enforcingLocalOriginSuccessRate",
     .shown_by = "src/upstream/ejection_test.cc: of_local_origin_is_compared_by_itself_when_split"},
    {.field = "maxStreamDuration.maxStreamDuration",
     .shown_by = "src/forward/http2_test.cc: ends_what_lasts_longer_than_maxStreamDuration"},
    {.field = "maxStreamDuration.grpcTimeoutHeaderMax",
     .shown_by = "src/pipeline/outcome_test.cc: is_as_the_route_and_grpc_timeout_say"},
    {.field = "maxStreamDuration.grpcTimeoutHeaderOffset",
     .shown_by = "src/pipeline/outcome_test.cc: is_as_the_route_and_grpc_timeout_say"},
    {.field = "grpcJsonTranscoder.protoDescriptor",
     .shown_by = "src/control/translate_test.cc: reads_a_set_of_descriptors_again_when_its_file_changes"},
    {.field = "grpcJsonTranscoder.protoDescriptorBin",
     .shown_by = "src/filters/grpc_json/filter_test.cc: calls_a_method_by_its_path_query_and_body_and_answers_in_JSON"},
    {.field = "grpcJsonTranscoder.protoDescriptorConfigMap.configMapRef.name",
     .shown_by = "src/filters/grpc_json/filter_test.cc: finds_its_descriptors_in_a_ConfigMap"},
    {.field = "grpcJsonTranscoder.protoDescriptorConfigMap.configMapRef.namespace",
     .shown_by = "src/filters/grpc_json/filter_test.cc: finds_its_descriptors_in_a_ConfigMap"},
    {.field = "grpcJsonTranscoder.protoDescriptorConfigMap.key",
     .shown_by = "src/filters/grpc_json/filter_test.cc: finds_its_descriptors_in_a_ConfigMap"},
    {.field = "grpcJsonTranscoder.services",
     .shown_by = "src/filters/grpc_json/filter_test.cc: refuses_options_that_cannot_be_served"},
    {.field = "grpcJsonTranscoder.printOptions.addWhitespace",
     .shown_by = "src/filters/grpc_json/filter_test.cc: has_its_rules_as_the_options_say"},
    {.field = "grpcJsonTranscoder.printOptions.alwaysPrintPrimitiveFields",
     .shown_by = "src/filters/grpc_json/filter_test.cc: has_its_rules_as_the_options_say"},
    {.field = "grpcJsonTranscoder.printOptions.alwaysPrintEnumsAsInts",
     .shown_by = "src/filters/grpc_json/filter_test.cc: has_its_rules_as_the_options_say"},
    {.field = "grpcJsonTranscoder.printOptions.preserveProtoFieldNames",
     .shown_by = "src/filters/grpc_json/filter_test.cc: has_its_rules_as_the_options_say"},
    {.field = "grpcJsonTranscoder.matchIncomingRequestRoute",
     .shown_by = "src/filters/grpc_json/filter_test.cc: keeps_the_route_where_it_is_told"},
    {.field = "grpcJsonTranscoder.ignoredQueryParameters",
     .shown_by = "src/filters/grpc_json/filter_test.cc: has_its_rules_as_the_options_say"},
    {.field = "grpcJsonTranscoder.autoMapping",
     .shown_by = "src/filters/grpc_json/filter_test.cc: has_its_rules_as_the_options_say"},
    {.field = "grpcJsonTranscoder.ignoreUnknownQueryParameters",
     .shown_by = "src/filters/grpc_json/filter_test.cc: has_its_rules_as_the_options_say"},
    {.field = "grpcJsonTranscoder.convertGrpcStatus",
     .shown_by = "src/filters/grpc_json/filter_test.cc: shows_a_status_in_the_body_where_it_is_told"},
    {.field = "grpcWeb.disable", .shown_by = "src/filters/grpc_web/filter_test.cc: is_left_alone_where_it_is_disabled"},
    {.field = "destinations.list", .shown_by = "tests/scenarios/retries.yaml: the first host of a list"},
    {.field = "loadBalancerConfig.updateMergeWindow", .value = "1s", .said = "has no effect"},
    {.field = "loadBalancerConfig.closeConnectionsOnHostSetChange", .value = "true", .said = "not supported yet"},
    {.field = "loadBalancerConfig.useHostnameForHashing", .value = "true", .said = "has no effect"},
    {.field = "jwtCache.entriesMax", .value = "0", .base = "jwt"},
    {.field = "jwtCache.ttlMax", .value = "1s", .base = "jwt"},

    // dlp.
    {.field = "actions[].actionType", .value = "SSN", .beside = "-{}"},
    {.field = "customAction.regex", .value = "[ssn]"},
    {.field = "regexActions[].regex", .value = "name", .beside = "-{}"},
    {.field = "regexActions[].subgroup", .value = "1", .beside = "{regex: '(j)(oe)'}"},
    {.field = "customAction.maskChar", .value = "'*'"},
    {.field = "percent.value", .value = "100"},
    {.field = "dlp.enabledFor", .said = "not supported yet"},

    {.field = "healthCheck.path", .value = "/a", .beside = "-{}"},

    // Compression.
    {.field = "gzip.contentLength", .shown_by = "src/filters/compression/filter_test.cc: does_as_it_is_told"},
    {.field = "gzip.contentType", .shown_by = "src/filters/compression/filter_test.cc: does_as_it_is_told"},
    {.field = "gzip.compressionLevel", .shown_by = "src/filters/compression/filter_test.cc: does_as_it_is_told"},
    {.field = "gzip.compressionStrategy", .shown_by = "src/filters/compression/filter_test.cc: does_as_it_is_told"},
    {.field = "gzip.disableOnEtagHeader", .shown_by = "src/filters/compression/filter_test.cc: does_as_it_is_told"},
    {.field = "gzip.removeAcceptEncodingHeader",
     .shown_by = "src/filters/compression/filter_test.cc: does_as_it_is_told"},
    {.field = "gzip.memoryLevel", .shown_by = "src/filters/compression/filter_test.cc: does_as_it_is_told"},
    {.field = "gzip.windowBits", .shown_by = "src/filters/compression/filter_test.cc: does_as_it_is_told"},
    {.field = "brotli.quality",
     .shown_by = "src/filters/compression/filter_test.cc: has_brotlis_quality_and_window_as_they_are_set"},
    {.field = "brotli.windowBits",
     .shown_by = "src/filters/compression/filter_test.cc: has_brotlis_quality_and_window_as_they_are_set"},

    // statefulSession.
    {.field = "cookieBased.cookie.name",
     .shown_by = "src/filters/stateful_session/filter_test.cc: tells_the_endpoint_by_a_cookie_until_it_is_kept"},
    {.field = "cookieBased.cookie.path",
     .shown_by = "src/filters/stateful_session/filter_test.cc: is_of_the_cookies_path_and_below"},
    {.field = "cookieBased.cookie.ttl",
     .shown_by = "src/filters/stateful_session/filter_test.cc: tells_the_endpoint_by_a_cookie_until_it_is_kept"},
    {.field = "headerBased.headerName",
     .shown_by = "src/filters/stateful_session/filter_test.cc: tells_the_endpoint_by_a_header"},
    {.field = "statefulSession.strict",
     .shown_by = "src/forward/static_upstream_test.cc: goes_nowhere_else_where_a_wish_is_strict"},

    // proxyLatency.
    {.field = "proxyLatency.request",
     .shown_by = "src/filters/proxy_latency/filter_test.cc: is_measured_from_and_to_the_bytes_that_the_options_say"},
    {.field = "proxyLatency.response",
     .shown_by = "src/filters/proxy_latency/filter_test.cc: is_measured_from_and_to_the_bytes_that_the_options_say"},
    {.field = "proxyLatency.measureRequestInternally",
     .shown_by = "src/filters/proxy_latency/filter_test.cc: "
                 "leaves_the_wait_for_a_connection_out_where_it_is_measured_internally"},
    {.field = "proxyLatency.chargeClusterStat",
     .shown_by = "src/filters/proxy_latency/filter_test.cc: is_charged_to_the_cluster_and_the_listener"},
    {.field = "proxyLatency.chargeListenerStat",
     .shown_by = "src/filters/proxy_latency/filter_test.cc: is_charged_to_the_cluster_and_the_listener"},
    {.field = "proxyLatency.emitDynamicMetadata",
     .shown_by =
         "src/filters/proxy_latency/filter_test.cc: is_told_in_metadata_in_milliseconds_since_the_request_began"},

    // buffer.
    {.field = "buffer.maxRequestBytes", .value = "3", .beside = "-{}"},
    {.field = "bufferPerRoute.disabled",
     .shown_by = "src/filters/buffer/filter_test.cc: has_the_limit_of_the_most_specific_level"},
    {.field = "bufferPerRoute.buffer.maxRequestBytes",
     .shown_by = "src/filters/buffer/filter_test.cc: has_the_limit_of_the_most_specific_level"},

    // jwt. Of keys from a URL nothing can be seen without a server.
    {.field = "jwks.remote.url",
     .shown_by = "src/filters/jwt/remote_keys_test.cc: are_fetched_when_a_request_needs_them_and_not_before"},
    {.field = "jwks.remote.upstreamRef.name",
     .shown_by = "src/control/translate_test.cc: rejects_a_service_whose_filter_refers_to_no_upstream"},
    {.field = "jwks.remote.upstreamRef.namespace",
     .shown_by = "src/control/translate_test.cc: rejects_a_service_whose_filter_refers_to_no_upstream"},
    {.field = "jwks.remote.cacheDuration",
     .shown_by = "src/filters/jwt/remote_keys_test.cc: are_fetched_again_before_they_are_old_while_requests_go_on"},
    {.field = "jwks.remote.asyncFetch.fastListener",
     .shown_by = "src/filters/jwt/remote_keys_test.cc: keep_no_listener_waiting_that_is_to_be_fast"},
    {.field = "jwks.local.key", .value = R"('{"kty":"oct","k":"@{otherKey}"}')"},
    {.field = "headers[].header", .value = "x-token", .beside = "-{}"},
    {.field = "headers[].prefix", .value = "'tok '", .beside = "{header: x-token}"},
    {.field = "clockSkewSeconds", .value = "10"},
    {.field = "claimsToHeaders[].claim", .value = "sub", .beside = "-{header: x-claim}"},
    {.field = "claimsToHeaders[].header", .value = "x-claim", .beside = "-{claim: sub}"},
    {.field = "claimsToHeaders[].append", .value = "true", .beside = "{claim: sub, header: x-claim}"},
    {.field = "routes[].options.jwt.disable", .base = "jwt"},
    {.field = "routes[].options.jwtStaged.beforeExtAuth.disable", .base = "staged"},
    {.field = "routes[].options.jwtStaged.afterExtAuth.disable", .base = "staged"},

    // transformation.
    {.field = "transformationTemplate.advancedTemplates",
     .value = "true",
     .beside = "{extractors: {k: {header: content-type, regex: '.*'}}, headers: {x-t: {text: '{{ default(k, \"none\") "
               "}}'}}}"},
    {.field = "extractors.*.header", .value = "content-type", .beside = "-{regex: '.*'}"},
    {.field = "extractors.*.body", .value = "{}", .beside = "-{regex: '.*'}"},
    {.field = "extractors.*.regex", .value = "'.*'", .beside = "{header: content-type}"},
    {.field = "extractors.*.subgroup", .value = "1", .beside = "{header: content-type, regex: '(.*)/(.*)'}"},
    {.field = "extractors.*.mode",
     .value = "REPLACE_ALL",
     .beside = "-{header: content-type, regex: t, replacementText: z}"},
    {.field = "extractors.*.replacementText",
     .value = "z",
     .beside = "-{header: content-type, regex: t, mode: REPLACE_ALL}"},
    {.field = "headersToAppend[].key", .value = "x-set", .beside = "-{value: {text: v}}"},
    {.field = "transformationTemplate.headersToRemove", .value = "[content-type]"},
    {.field = "transformationTemplate.passthrough",
     .value = "{}",
     .beside = "{headers: {x-t: {text: '{{ default(ssn, \"none\") }}'}}}"},
    {.field = "transformationTemplate.parseBodyBehavior",
     .value = "DontParse",
     .beside = "{headers: {x-t: {text: '{{ default(ssn, \"none\") }}'}}}"},
    {.field = "transformationTemplate.mergeExtractorsToBody",
     .value = "{}",
     .beside = "{extractors: {k: {header: content-type, regex: '.*'}}}"},
    {.field = "jsonKeys.*.tmpl.text", .value = R"('"v"')"},
    {.field = "jsonKeys.*.overrideEmpty", .value = "true", .beside = "{tmpl: {text: ''}}"},
    {.field = "responseTransformation.transformationTemplate.ignoreErrorOnParse", .base = "plain"},
    {.field = "dynamicMetadataValues[].metadataNamespace", .value = "ns", .beside = "{key: k, value: {text: v}}"},
    {.field = "dynamicMetadataValues[].key", .value = "k", .beside = "-{value: {text: v}}"},
    {.field = "dynamicMetadataValues[].jsonToProto", .value = "true", .beside = "{key: k, value: {text: '{\"a\":1}'}}"},
    {.field = "transformationTemplate.escapeCharacters",
     .value = "true",
     .beside = "{headers: {x-t: {text: '{{ default(nl, \"\") }}'}}}"},
    {.field = "stagedTransformations.escapeCharacters",
     .beside = "{regular: {requestTransforms: [{requestTransformation: "
               "{transformationTemplate: {headers: {x-t: {text: '{{ default(nl, \"\") }}'}}}}}]}}"},
    {.field = "stagedTransformations.logRequestResponseInfo",
     .beside = "{regular: {requestTransforms: [{requestTransformation: "
               "{transformationTemplate: {headers: {x-t: {text: a}}}}}]}}"},
    {.field = "requestTransforms[].clearRouteCache",
     .value = "true",
     .beside = "{requestTransformation: {transformationTemplate: {passthrough: {}, headers: {':path': {text: /zz}}}}}"},
    {.field = "responseTransforms[].responseCodeDetails", .value = "never"},
    {.field = "responseTransforms[].matchers[].name", .value = "x-none", .beside = "-{}"},
    {.field = "responseTransforms[].matchers[].value", .value = "'404'", .beside = "{name: ':status'}"},
    {.field = "responseTransforms[].matchers[].regex", .value = "true", .beside = "{name: ':status', value: '2..'}"},
    {.field = "responseTransforms[].matchers[].invertMatch", .value = "true", .beside = "{name: ':status'}"},
    {.field = "routes[].options.stagedTransformations.inheritTransformation",
     .value = "true",
     .beside = "{regular: {requestTransforms: [{matcher: {prefix: /never}, requestTransformation: "
               "{transformationTemplate: {passthrough: {}}}}]}}",
     .base = "transformed"},
    {.field = "virtualHost.options.stagedTransformations.inheritTransformation",
     .value = "true",
     .said = "has no effect"},
};

// What a parent holds that has to be made for a field, found like a case.
struct Parent {
  std::string_view path;
  std::string_view holds;
};
constexpr std::string_view kTemplate = R"({headers: {x-t: {text: '{{ default(k, "none") }}'}}})";
constexpr Parent kParents[] = {
    {"tcpHosts[]", "{name: t, destination: {single: {upstream: {name: u}}}}"},
    {"tcpHosts[].sslConfig", "{sniDomains: [a.example]}"},
    {"matcher", "{prefix: /}"},
    {"matchers[]", "{prefix: /}"},
    {"responseTransforms[].matchers[]", "{name: ':status'}"},
    {"header", "{key: x-add}"},
    {"pattern", "{regex: a}"},
    {"actions[]", "{customAction: {regexActions: [{regex: joe}]}}"},
    {"cidrRanges[]", "{addressPrefix: 10.0.0.0}"},
    {"customAction", "{regexActions: [{regex: joe}]}"},
    {"customAction.percent", "{value: 75}"},
    {"jwt", "{providers: {k: {jwks: @{jwks}}}}"},
    {"routes[].options.jwt", "{}"},
    {"beforeExtAuth", "{providers: {k: {jwks: @{jwks}}}}"},
    {"afterExtAuth", "{providers: {k: {jwks: @{jwks}}}}"},
    {"routes[].options.jwtStaged.beforeExtAuth", "{}"},
    {"routes[].options.jwtStaged.afterExtAuth", "{}"},
    {"providers.*", "{jwks: @{jwks}}"},
    {"tokenSource.headers[]", "{header: x-token}"},
    {"claimsToHeaders[]", "{claim: sub, header: x-claim}"},
    {"caresDns", "{resolvers: [{socketAddress: {address: 127.0.0.9, portValue: 53}}]}"},
    {"socketAddress", "{address: 127.0.0.9, portValue: 53}"},
    {"requestTransforms[]", "{requestTransformation: {transformationTemplate: @{template}}}"},
    {"responseTransforms[]", "{responseTransformation: {transformationTemplate: @{template}}}"},
    {"requestTransformation", "{transformationTemplate: @{template}}"},
    {"responseTransformation", "{transformationTemplate: @{template}}"},
    {"transformationTemplate", "@{template}"},
    {"early", "{}"},
    {"regular", "{}"},
    {"headersToAppend[]", "{key: x-app}"},
    {"dynamicMetadataValues[]", "{key: k}"},
    {"upgrades[]", "{websocket: {}}"},
};

bool ends_a_path(std::string_view path, std::string_view end) {
  if (!path.ends_with(end)) return false;
  if (path.size() == end.size() || end.starts_with(' ')) return true;
  const char before = path[path.size() - end.size() - 1];
  return before == '.' || before == ' ';
}

template <class T, size_t n>
const T* longest(const T (&list)[n], std::string_view T::* name, std::string_view path) {
  const T* found = nullptr;
  for (const T& one : list)
    if (ends_a_path(path, one.*name) && (!found || (one.*name).size() > (found->*name).size())) found = &one;
  return found;
}

// --- putting them in -------------------------------------------------------------------------------------------------

struct Placed {
  std::vector<Node> with, without;
  std::string path;  // as messages have it: "spec.virtualHost.routes[0].name"
};

class Setter {
 public:
  explicit Setter(std::string folder) : folder_(std::move(folder)) {}

  Placed place(const Field& field, const Case& how) const {
    const std::vector<Node>& base = documents(base_of(field, how));
    Placed out{base, base, {}};
    const bool only_with = how.beside.starts_with('-');
    const std::string_view beside = only_with ? how.beside.substr(1) : how.beside;
    Node* parent = parent_in(object_in(out.with, field.kind), field, out.path);
    const Node before = *parent;
    if (only_with) *parent = Node::make_map();
    if (!beside.empty())
      for (const NodeMember& member : *yaml(beside).map()) parent->set(member.key, member.value);
    if (!only_with) {
      std::string ignored;
      *parent_in(object_in(out.without, field.kind), field, ignored) = *parent;
    }
    const std::string name = field.path.substr(field.path.rfind('.') + 1);
    const Node* there = parent->find(name);
    parent->set(name, value(field, how, there));
    (out.path += out.path.empty() ? "" : ".") += name;
    return out;
  }

 private:
  std::string filled(std::string_view text) const {
    std::string out(text);
    const std::pair<std::string_view, std::string> values[] = {
        {"@{template}", std::string(kTemplate)},
        {"@{jwks}", std::string(kKey)},
        {"@{key}", base64url_encode(jose::kTestSecret)},
        {"@{otherKey}", base64url_encode(std::string(jose::kTestSecret) + "x")},
        {"@{folder}", folder_},
        {"@{body}", std::string(kBody)}};
    for (const auto& [name, value] : values)
      for (size_t at = out.find(name); at != std::string::npos; at = out.find(name))
        out.replace(at, name.size(), value);
    return out;
  }

  Node yaml(std::string_view text) const {
    auto parsed = parse_documents(filled(text));
    CHECK(parsed && parsed->size() == 1);
    return std::move(parsed->front().node);
  }

  static std::string_view base_of(const Field& field, const Case& how) {
    if (!how.base.empty()) return how.base;
    const std::string_view path = field.path;
    if (path.contains("tcpGateway.")) return "tcp";
    if (path.contains("redirectAction")) return "redirect";
    if (path.contains("routeAction.multi")) return "multi";
    if (path.contains("ynamicForwardProxy") || field.kind == "EgressPolicy") return "dynamic";
    if (path.contains("routeAction") || path.contains("requestHeadersTo") || field.kind == "Upstream") return "single";
    for (const std::string_view name : {"timeout", "idleTimeout", "prefixRewrite", "hostRewrite"})
      if (path.ends_with(fmt::format("routes[].options.{}", name))) return "single";
    return "direct";
  }

  const std::vector<Node>& documents(std::string_view name) const {
    auto& known = documents_[std::string(name)];
    if (known.empty()) known = read(name);
    return known;
  }

  std::vector<Node> read(std::string_view name) const {
    // A Secret shows on a route that adds it.
    static constexpr Base kSecret{
        "secret",
        "matchers: [{prefix: /a}], routeAction: {single: {upstream: {name: u}}}, options: {headerManipulation: "
        "{requestHeadersToAdd: [{headerSecretRef: {name: s, namespace: gloo-system}}]}}"};
    const Base* base = name == "secret" ? &kSecret : std::ranges::find(kBases, name, &Base::name);
    std::string text = std::string(kObjects) + std::string(kService);
    if (name == "tcp") {
      constexpr std::string_view kHttp = "httpGateway: {@{http} options: {dynamicForwardProxy: {}}}";
      text.replace(text.find(kHttp), kHttp.size(), "tcpGateway: {options: {}}");
      text.replace(text.find("@{host}"), 7, ""), text.replace(text.find("@{route}"), 8, kBases[0].route);
      return parsed(text);
    }
    const auto put = [&](std::string_view slot, std::string_view with) {
      text.replace(text.find(slot), slot.size(), with);
    };
    put("@{http}", base->http);
    put("@{host}", base->host);
    put("@{route}", base->route);
    return parsed(text);
  }

  std::vector<Node> parsed(std::string_view text) const {
    auto read = parse_documents(filled(text));
    CHECK(read);
    std::vector<Node> out;
    for (Document& document : *read) out.push_back(std::move(document.node));
    return out;
  }

  // The last of its kind: the VirtualService with the route.
  static Node& object_in(std::vector<Node>& documents, std::string_view kind) {
    Node* found = nullptr;
    for (Node& document : documents)
      if (document.text_at({"kind"}) == kind) found = &document;
    CHECK(found);
    return *found;
  }
  // The map that the field stands in, made where it is not there, and its path.
  Node* parent_in(Node& object, const Field& field, std::string& concrete) const {
    Node* at = &object;
    std::string so_far;
    const auto parts = split(field.path, '.');
    for (size_t i = 0; i + 1 < parts.size(); ++i) {
      std::string_view part = parts[i];
      const bool list = part.ends_with("[]");
      if (list) part.remove_suffix(2);
      (so_far += so_far.empty() ? "" : ".") += parts[i];
      const std::string key = part == "*" ? "k" : std::string(part);
      (concrete += concrete.empty() ? "" : ".") += key;
      Node* next = at->find(key);
      if (!next) next = &at->set(key, list ? Node::make_list() : Node());
      if (list) {
        concrete += "[0]";
        if (next->list()->empty()) next->list()->emplace_back();
        next = &next->list()->front();
      }
      if (next->is_null()) {
        const Parent* parent = longest(kParents, &Parent::path, fmt::format("{} {}", field.kind, so_far));
        *next = parent ? yaml(parent->holds) : Node::make_map();
      }
      at = next;
    }
    return at;
  }

  Node value(const Field& field, const Case& how, const Node* there) const {
    if (!how.value.empty()) return yaml(how.value);
    if (!field.supported) return Node::make_map();
    const Schema& schema = *field.schema;
    switch (schema.shape) {
      case Shape::boolean: return Node(field.default_text != "true");
      case Shape::integer:
      case Shape::number: return there && *there == Node(7) ? Node(8) : Node(7);
      case Shape::duration: return Node("7s");
      case Shape::text: return Node("x-set");
      case Shape::enumeration:
        return Node(schema.enum_names.back() == field.default_text ? schema.enum_names.front()
                                                                   : schema.enum_names.back());
      case Shape::list: return Node(Node::List{Node("x-set")});
      case Shape::map: return Node::make_map({{"x-set", Node("x")}});
      case Shape::object:
      case Shape::any: return Node::make_map();
    }
    return {};
  }

  std::string folder_;
  mutable std::map<std::string, std::vector<Node>> documents_;  // by base, parsed once
};

// --- the test
// ---------------------------------------------------------------------------------------------------------

class FieldEffects : public testing::Test {
 protected:
  FieldEffects() {
    std::filesystem::create_directories(folder_);
    for (const kinds::KindInfo& kind : kinds::all_kinds()) {
      if (!kind.supported) continue;
      schemas_.push_back(std::make_unique<Schema>(kind.describe(options_)));
      walk(std::string(kind.kind), kind.has_spec ? "spec" : "", *schemas_.back(), fields_);
    }
    schemas_.push_back(std::make_unique<Schema>(describe<kinds::Metadata>()));
    walk("VirtualService", "metadata", *schemas_.back(), fields_);
  }
  ~FieldEffects() override { std::filesystem::remove_all(folder_); }

  // Why the field counts as ignored; "" when it does not.
  std::string fault(const Field& field, const Case& how) {
    if (!how.kept.empty()) return {};
    if (!how.shown_by.empty()) return fault_of_test(how.shown_by);
    const Placed placed = setter_.place(field, how);
    const World::Seen& without = seen_without(placed.without);
    if (without.diagnostics.errors() > 0 || !without.errors.empty())
      return "the configuration without it is refused: " + without.diagnostics.to_string() + first(without.errors);
    const World::Seen with = World(options_, folder_).look(placed.with);
    const std::string said = said_at(with.diagnostics, placed.path);
    const std::string_view expected = field.supported ? how.said : "not supported yet";
    if (!expected.empty())
      return said.contains(expected)
                 ? ""
                 : fmt::format("expected \"{}\" at {}; said: {}", expected, placed.path, with.diagnostics.to_string());
    if (with.diagnostics.errors() > 0 || !with.errors.empty())
      return field.kind == "Secret" && with.errors.size() == 1
                 ? ""  // its type is told where it is used
                 : "it is refused: " + with.diagnostics.to_string() + first(with.errors);
    return with.what != without.what ? "" : "nothing is different, and nobody says why";
  }

  const World::Seen& seen_without(const std::vector<Node>& documents) {
    std::string key;
    for (const Node& document : documents) append_json(key, document);
    const auto [known, is_new] = without_.try_emplace(std::move(key));
    if (is_new) known->second = World(options_, folder_).look(documents);
    return known->second;
  }

  static std::string first(const std::vector<std::string>& texts) { return texts.empty() ? "" : texts.front(); }

  static std::string said_at(const Diagnostics& diagnostics, std::string_view path) {
    std::string out;
    for (const Diagnostic& one : diagnostics.all())
      if (one.path == path || path.substr(0, path.rfind('.')) == one.path) out += one.message + "\n";
    return out;
  }

  // "file: words": the words stand in that file of the source.
  static std::string fault_of_test(std::string_view named) {
    const size_t colon = named.find(": ");
    std::filesystem::path root = std::filesystem::read_symlink("/proc/self/exe");
    while (root.has_relative_path() && !std::filesystem::exists(root / "src/control/field_effects_test.cc"))
      root = root.parent_path();
    std::ifstream file(root / named.substr(0, colon));
    const std::string text(std::istreambuf_iterator<char>(file), {});
    return text.contains(named.substr(colon + 2)) ? "" : fmt::format("there is no such test: {}", named);
  }

  const std::vector<OptionField> options_ = option_fields_of(all_filters());
  std::string folder_ = std::filesystem::temp_directory_path() / fmt::format("sluice-fields-{}", ::getpid());
  Setter setter_{folder_};
  std::map<std::string, World::Seen> without_;  // by the documents
  std::vector<std::unique_ptr<Schema>> schemas_;
  std::vector<Field> fields_;
};

TEST_F(FieldEffects, every_field_makes_a_difference_or_says_why_not) {
  static constexpr Case kPlain{};
  ASSERT_GT(fields_.size(), 500U);
  for (const Field& field : fields_) {
    const Case* how = longest(kCases, &Case::field, field.full());
    const std::string why = fault(field, how ? *how : kPlain);
    EXPECT_EQ(why, "") << field.full()
                       << ": this field may be accepted and ignored. If it has an effect, give kCases in " << __FILE__
                       << " what shows it (a value, what stands beside it, or the test that shows it); if it has none, "
                          "refuse it with `unsupported` or say so with a warning.";
  }
}

TEST_F(FieldEffects, has_no_case_for_a_field_that_is_not_there) {
  std::set<const Case*> used;
  for (const Field& field : fields_) used.insert(longest(kCases, &Case::field, field.full()));
  for (const Case& one : kCases) EXPECT_TRUE(used.contains(&one)) << one.field;
}

TEST_F(FieldEffects, has_twins_that_are_alike_and_a_test_for_each) {
  std::map<std::string, std::string> described;
  const auto describe_all = [&](auto& self, const std::string& path, const Schema& schema) -> void {
    described.emplace(path, to_markdown(schema, "x"));
    for (const SchemaField& field : schema.fields) {
      std::string inner_path = path + (path.ends_with(' ') ? "" : ".") + field.name;
      const Schema* inner = &field.schema;
      for (; inner->element; inner = inner->element.get()) inner_path += inner->shape == Shape::list ? "[]" : ".*";
      self(self, inner_path, *inner);
    }
  };
  for (const std::string_view kind : {"Gateway", "MatchableHttpGateway", "MatchableTcpGateway"})
    describe_all(describe_all, fmt::format("{} spec", kind), kinds::kind_named(kind)->describe(options_));
  for (const Twin& twin : kTwins) {
    ASSERT_TRUE(described.contains(std::string(twin.path))) << twin.path;
    EXPECT_EQ(described[std::string(twin.path)], described[std::string(twin.of)]) << twin.path;
    EXPECT_EQ(fault_of_test(twin.shown_by), "");
  }
}

// That the test can fail: a field that nobody reads is found.
TEST_F(FieldEffects, finds_a_field_that_nobody_reads) {
  Field field{"Gateway", "spec.namespacedStatuses", nullptr, "", true};
  Schema any;
  any.shape = Shape::any;
  field.schema = &any;
  EXPECT_EQ(fault(field, {}), "nothing is different, and nobody says why");
}

}  // namespace
}  // namespace sluice
