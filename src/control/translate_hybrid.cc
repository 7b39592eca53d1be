// Hybrid gateways: several chains on one port, which the Gateway has itself or other objects bring (gloo-core 2.7).
// Each is built as if it were a Gateway of its own.
#include "config/field_names.h"
#include "control/translating.h"

namespace sluice {

using kinds::ChainMatcher;
using kinds::MatchableHttpGateway;
using kinds::MatchableTcpGateway;

struct Translating::HybridPart {
  Part part;                                  // its spec and defaults are those below
  kinds::Gateway spec;                        // of one that speaks HTTP
  std::optional<kinds::ServerSslConfig> ssl;  // of its matcher
  const ChainMatcher* matcher = nullptr;
  const kinds::TcpGateway* tcp = nullptr;  // null: it speaks HTTP
  std::optional<Error> problem;            // it cannot be served
};

namespace {

std::string name_of(const ChainMatcher& matcher) {
  return "matcher " + (matcher.written.empty() ? "{}" : matcher.written);
}

ChainMatch match_of(const ChainMatcher& matcher, std::vector<std::string> names, std::string name) {
  ChainMatch out{
      .sni_domains = std::move(names), .name = std::move(name), .cipher_suites = matcher.passthrough_cipher_suites};
  for (const kinds::CidrRange& one : matcher.source_prefix_ranges) out.sources.push_back(one.range);
  return out;
}

}  // namespace

// --- which chains there are ---------------------------------------------------------------------------------------

kinds::Gateway Translating::spec_of_part(const kinds::HttpGateway& http, bool tls) const {
  const auto& gateway = *gateway_->as<kinds::Gateway>();
  kinds::Gateway out;
  out.bind_address = gateway.bind_address;
  out.bind_port = gateway.bind_port;
  out.ssl = tls;
  out.proxy_names = gateway.proxy_names;
  out.options = gateway.options;
  out.route_options = gateway.route_options;
  out.http_gateway = http;
  return out;
}

Translating::HybridPart Translating::inline_part(const kinds::MatchedGateway& matched, size_t index) const {
  HybridPart out;
  // A chain whose matcher is another one is another chain: its connections are no longer these.
  out.part.name = name_of(matched.matcher);
  out.part.owner = gateway_->key;
  out.part.hash = gateway_->hash;
  out.part.path = fmt::format("spec.hybridGateway.matchedGateways[{}].", index);
  out.matcher = &matched.matcher;
  out.ssl = matched.matcher.ssl_config;
  if (matched.tcp_gateway)
    out.tcp = &*matched.tcp_gateway;
  else
    out.spec = spec_of_part(*matched.http_gateway, out.ssl.has_value());
  return out;
}

Translating::HybridPart Translating::delegated_part(const ConfigObject& child,
                                                    const kinds::DelegatedHttpGateways& parent) const {
  const auto& own = *child.as<MatchableHttpGateway>();
  HybridPart out;
  out.matcher = &own.matcher;
  out.ssl = own.matcher.ssl_config;
  if (out.ssl && parent.ssl_config)
    out.ssl = parent.prevent_child_overrides ? with_defaults(*parent.ssl_config, *out.ssl)
                                             : with_defaults(*out.ssl, *parent.ssl_config);
  out.spec = spec_of_part(own.http_gateway, out.ssl.has_value());
  if (!parent.settings) return out;
  const Node tree = child.tree();
  const Node* settings = find_field(tree, {"spec", "httpGateway", "options", "httpConnectionManagerSettings"});
  auto merged = parent.prevent_child_overrides ? kinds::merge_settings(&*parent.settings, settings)
                                               : kinds::merge_settings(settings, &*parent.settings);
  if (merged)
    out.spec.http_gateway.options.http_connection_manager_settings = *std::move(merged);
  else
    out.problem = invalid(fmt::format("httpConnectionManagerSettings of it and of {}: {}", gateway_->key.to_string(),
                                      merged.error().message))
                      .error();
  return out;
}

Translating::HybridPart Translating::delegated_part(const ConfigObject& child) const {
  const auto& own = *child.as<MatchableTcpGateway>();
  HybridPart out;
  out.matcher = &own.matcher;
  out.ssl = own.matcher.ssl_config;
  out.tcp = &own.tcp_gateway;
  return out;
}

std::vector<const ConfigObject*> Translating::delegated(const kinds::DelegatedGateways& from, std::string_view kind,
                                                        std::string_view field) {
  std::vector<const ConfigObject*> out;
  if (from.ref) {
    const ConfigObject* object = find(kind, from.ref->ns, from.ref->name);
    if (object)
      out.push_back(object);
    else
      report(gateway_->key)
          .warning(fmt::format("spec.hybridGateway.{}.ref: *v1.{} {{ {}.{} }} {}", field, kind, from.ref->ns,
                               from.ref->name, why_missing(kind, from.ref->ns, from.ref->name, "not found")));
    return out;
  }
  for (const ConfigObjectPtr& object : world_.all(kind))
    if (from.selector->fits(object->metadata)) out.push_back(object.get());
  return out;
}

std::deque<Translating::HybridPart> Translating::parts_of(const kinds::HybridGateway& hybrid) {
  std::deque<HybridPart> out;
  const auto& matched = hybrid.matched_gateways;
  for (size_t i = 0; i < matched.size(); ++i) out.push_back(inline_part(matched[i], i));
  const auto bring = [&](const ConfigObject& child, HybridPart part) {
    taken_in_.insert(child.key);
    part.part.name = fmt::format("{} {} {}", child.key.to_string(), gateway_->key.name, name_of(*part.matcher));
    part.part.owner = child.key;
    part.part.hash = gateway_->hash * 31 + child.hash;
    out.push_back(std::move(part));
  };
  if (matched.empty() && hybrid.delegated_http_gateways) {
    const auto& from = *hybrid.delegated_http_gateways;
    for (const ConfigObject* child : delegated(from, "MatchableHttpGateway", "delegatedHttpGateways")) {
      const bool tls = child->as<MatchableHttpGateway>()->matcher.ssl_config.has_value();
      if (tls == from.ssl_config.has_value())
        bring(*child, delegated_part(*child, from));
      else if (from.ref)
        report(gateway_->key)
            .warning(
                fmt::format("spec.hybridGateway.delegatedHttpGateways.ref: the matcher of {} has {} sslConfig, and "
                            "here is {}: it is not served",
                            short_name(child->key), tls ? "an" : "no", tls ? "none" : "one"));
    }
  }
  if (matched.empty() && hybrid.delegated_tcp_gateways)
    for (const ConfigObject* child :
         delegated(*hybrid.delegated_tcp_gateways, "MatchableTcpGateway", "delegatedTcpGateways"))
      bring(*child, delegated_part(*child));
  for (HybridPart& one : out) {
    one.part.key = {"Gateway", gateway_->key.ns, gateway_->key.name + "/" + one.part.name};
    if (one.tcp) one.spec = spec_of_part({}, false);
    one.part.spec = &one.spec;
    if (one.ssl) one.part.ssl_defaults = &*one.ssl;
  }
  return out;
}

// --- what they become ---------------------------------------------------------------------------------------------

ChainLimit Translating::limit_of_part(const kinds::ConnectionLimit& limit) {
  if (!limit.max_active_connections) return {};
  return {.open = kept_.get<OpenConnections>("connections of " + part_.key.to_string(),
                                             [] { return std::make_shared<OpenConnections>(); }),
          .most = *limit.max_active_connections,
          .delay_before_close = limit.delay_before_close};
}

// Whose TLS cannot be had, or whose own problem is told, keeps its connections, which end (decision 0101).
void Translating::add_http_part(const HybridPart& part, SnapshotListener& listener, PortChains& chains) {
  Status built = enter_part(part.part);
  if (built && part.problem) built = std::unexpected(*part.problem);
  const std::vector<ConfigObjectPtr> services = select_services();
  std::vector<std::string> names;
  if (services.empty()) {
    warn_of_no_services();
    // Whom its matcher means is nobody else's; whom its services would have meant nobody knows.
    if (part.ssl) names = part.ssl->sni_domains;
    if (part.ssl ? names.empty() : part.matcher->source_prefix_ranges.empty()) return;
  }
  SnapshotHttp& http = listener.http.emplace_back();
  if (built && !services.empty()) built = build_http(services, listener, http);
  if (spec_->ssl)
    for (const ConfigObjectPtr& service : services) {
      const auto& own = names_of(*service);
      names.insert(names.end(), own.begin(), own.end());
    }
  std::ranges::sort(names);
  names.erase(std::ranges::unique(names).begin(), names.end());
  if (!built)
    report(part_.owner).clash(fmt::format("Listener Error: ProcessingError. Reason: {}", built.error().message));
  PortChain& chain = listener.port.chains.emplace_back(PortChain{.name = part_.name});
  chain.limit = limit_of_part(spec_->http_gateway.options.connection_limit);
  chains.matches.push_back(match_of(*part.matcher, std::move(names), part_.name));
  chains.owners.push_back(part_.owner);
  if (built && http.router)
    chain.http = &http.config;
  else
    listener.http.pop_back();
}

void Translating::add_tcp_part(const HybridPart& part, SnapshotListener& listener, PortChains& chains) {
  if (auto entered = enter_part(part.part); !entered) return;  // nothing of it can fail
  const ChainLimit limit = limit_of_part(part.tcp->options.connection_limit);
  for (const kinds::TcpHost& own : part.tcp->tcp_hosts) {
    kinds::TcpHost host = own;
    if (part.ssl) host.ssl_config = with_defaults(host.ssl_config.value_or(kinds::ServerSslConfig()), *part.ssl);
    const auto added = add_tcp_host(host, part.tcp->options, listener);
    if (!added)
      report(part_.owner).clash(fmt::format("Listener Error: ProcessingError. Reason: {}", added.error().message));
    listener.port.chains.back().limit = limit;
    chains.matches.push_back(match_of(
        *part.matcher, host.ssl_config ? host.ssl_config->sni_domains : std::vector<std::string>(), chain_name(host)));
    chains.owners.push_back(part_.owner);
  }
}

// As with the certificates of one Gateway: who is there first keeps what two want, and both are told.
void Translating::tell_of_shared_connections(std::span<const ChainTable::Conflict> conflicts,
                                             const PortChains& chains) {
  size_t told = 0;
  for (const ChainTable::Conflict& one : conflicts) {
    const std::string text = fmt::format("Listener Error: SSLConfigError. Reason: {}; the first keeps them",
                                         ChainTable::text_of(one, chains.matches));
    if (told++ < kToldMax) report(gateway_->key).clash(text);
    if (chains.owners[one.loses] != gateway_->key) report(chains.owners[one.loses]).clash(text);
  }
  if (told > kToldMax)
    report(gateway_->key)
        .clash(fmt::format("Listener Error: SSLConfigError. Reason: and {} more of such connections", told - kToldMax));
}

Status Translating::build_hybrid_listener(const kinds::HybridGateway& hybrid, SnapshotListener& listener) {
  TRY(open_access_log(listener));
  apply_port_settings({}, listener);
  PortChains chains;
  const std::deque<HybridPart> parts = parts_of(hybrid);
  for (const HybridPart& part : parts) {
    if (part.tcp)
      add_tcp_part(part, listener, chains);
    else
      add_http_part(part, listener, chains);
  }
  std::vector<ChainTable::Conflict> conflicts;
  listener.port.table = std::make_shared<const ChainTable>(ChainTable::create(chains.matches, conflicts));
  tell_of_shared_connections(conflicts, chains);
  listener.port.listener = &listener.config;
  if (trial_) listener.port.chains.clear();
  if (trial_ || !listener.http.empty() || !listener.tcp.empty()) return {};
  listener.port.chains.clear();
  const std::string text = "hybridGateway has no chain that can be served, so no port is opened";
  if (hybrid.matched_gateways.empty())
    report(gateway_->key).warning(text);
  else
    report(gateway_->key).clash("Listener Error: ProcessingError. Reason: " + text);
  return {};
}

void Translating::check_not_taken_in() {
  for (const std::string_view kind : {"MatchableHttpGateway", "MatchableTcpGateway"})
    for (const ConfigObjectPtr& object : world_.all(kind))
      if ((!only_ || only_ == object.get()) && !taken_in_.contains(object->key))
        report(object->key).warning("no hybridGateway takes it in, so it is not served");
}

}  // namespace sluice
