#include "config/kinds/hybrid_gateway.h"

#include <fmt/format.h>
#include <algorithm>

#include "base/strings.h"
#include "config/field_names.h"
#include "net/cipher_suites.h"

namespace sluice::kinds {
namespace {

void read_cipher_suites(Fields& f, std::vector<uint16_t>& suites) {
  std::vector<std::string> names;
  f.optional("passthroughCipherSuites", names,
             "Only clients of TLS that offer none but these, in BoringSSL's spelling; their TLS is passed on by a "
             "tcpGateway.");
  if (!f.good("passthroughCipherSuites")) return;
  for (size_t i = 0; i < names.size(); ++i) {
    if (const auto suite = cipher_suite_named(names[i])) {
      suites.push_back(*suite);
      continue;
    }
    const auto known = cipher_suite_names();
    const auto near = nearest(names[i], known);
    f.error("passthroughCipherSuites", i,
            fmt::format("{} is no cipher suite that is known here{}", json_quote(printable(names[i], 60)),
                        near ? fmt::format("; did you mean {}?", json_quote(*near)) : ""));
  }
}

bool has_source(const std::optional<ServerSslConfig>& ssl) {
  return ssl && ssl->source.any();
}

// What both say together of TLS.
void check_tcp(Fields& f, const ChainMatcher& matcher, const TcpGateway& gateway) {
  if (!matcher.passthrough_cipher_suites.empty()) {
    if (has_source(matcher.ssl_config) || std::ranges::any_of(gateway.tcp_hosts, has_source, &TcpHost::ssl_config))
      f.error("matcher", "passthroughCipherSuites cannot be had beside certificates: such clients' TLS is passed on");
    return;
  }
  const auto says_nothing = [](const TcpHost& host) { return !host.ssl_config; };
  if (matcher.ssl_config && !has_source(matcher.ssl_config) && !matcher.ssl_config->sets("sniDomains") &&
      std::ranges::any_of(gateway.tcp_hosts, says_nothing))
    f.error("matcher",
            "sslConfig has neither certificates, by which TLS ends here, nor sniDomains, by which it is passed on, and "
            "neither has each tcpHost");
}

void check_http(Fields& f, const ChainMatcher& matcher) {
  if (!matcher.passthrough_cipher_suites.empty())
    f.error("matcher", "passthroughCipherSuites is for a tcpGateway: TLS that is passed on has no requests");
}

void bind_selection(Fields& f, DelegatedGateways& g) {
  f.optional("ref", g.ref, "The object; the namespace is taken literally.");
  f.optional("selector", g.selector, "Which objects, by their labels.");
  f.exactly_one({"ref", "selector"});
}

Node merged(const Node* first, const Node* second) {
  Node out = Node::make_map();
  for (const Node* one : {first, second})
    if (one && one->map())
      for (const NodeMember& member : *one->map())
        if (const std::string name = camel_case(member.key); !member.value.is_null() && !out.find(name))
          out.set(name, member.value);
  return out;
}

}  // namespace

void bind(Fields& f, ChainMatcher& m) {
  f.optional(
      "sslConfig", m.ssl_config,
      "Its clients come by TLS. Whatever an sslConfig of a VirtualService or a tcpHost behind it does not set is "
      "as here; absent: VirtualServices without sslConfig.");
  f.optional("sourcePrefixRanges", m.source_prefix_ranges, "Only clients with these addresses.");
  read_cipher_suites(f, m.passthrough_cipher_suites);
  m.written = f.written();
}

void bind(Fields& f, MatchedGateway& g) {
  f.optional("matcher", g.matcher, "Which connections it takes; absent: all that no other takes.");
  f.optional("httpGateway", g.http_gateway, "They speak HTTP.");
  f.optional("tcpGateway", g.tcp_gateway, "They are passed on.");
  f.exactly_one({"httpGateway", "tcpGateway"});
  if (g.http_gateway) check_http(f, g.matcher);
  if (g.tcp_gateway) check_tcp(f, g.matcher, *g.tcp_gateway);
}

bool GatewaySelector::fits(const Metadata& metadata) const {
  const bool in_namespace = namespaces.empty() || std::ranges::find(namespaces, "*") != namespaces.end() ||
                            std::ranges::find(namespaces, metadata.ns) != namespaces.end();
  const auto has_label = [&](const auto& label) {
    const auto found = metadata.labels.find(label.first);
    return found != metadata.labels.end() && found->second == label.second;
  };
  return in_namespace && std::ranges::all_of(labels, has_label) &&
         std::ranges::all_of(expressions, [&](const LabelExpression& one) { return one.fits(metadata.labels); });
}

void bind(Fields& f, GatewaySelector& s) {
  f.optional("namespaces", s.namespaces, "Where they may be; empty or `*`: everywhere.");
  f.optional("labels", s.labels, "Labels that they have.");
  f.optional("expressions", s.expressions, "Expressions that hold of their labels.");
}

void bind(Fields& f, DelegatedHttpGateways& g) {
  HttpConnectionManagerSettings checked;
  bind_selection(f, g);
  f.optional("httpConnectionManagerSettings", checked, "Settings for those objects that do not set them.");
  f.optional("sslConfig", g.ssl_config,
             "Objects whose matcher has an sslConfig, with defaults for it; absent: those whose matcher has none.");
  f.optional("preventChildOverrides", g.prevent_child_overrides,
             "What is set here counts in place of what the objects set.");
  if (const Node* settings = f.node("httpConnectionManagerSettings")) g.settings = *settings;
}

void bind(Fields& f, DelegatedTcpGateways& g) {
  bind_selection(f, g);
}

void bind(Fields& f, HybridGateway& g) {
  f.optional("matchedGateways", g.matched_gateways, "The chains.");
  f.optional("delegatedHttpGateways", g.delegated_http_gateways, "Chains that MatchableHttpGateways bring.");
  f.optional("delegatedTcpGateways", g.delegated_tcp_gateways, "Chains that MatchableTcpGateways bring.");
  const auto& matched = g.matched_gateways;
  for (size_t i = 0; i < matched.size(); ++i)
    for (size_t before = 0; before < i; ++before)
      if (matched[i].matcher.written == matched[before].matcher.written)
        f.error("matchedGateways", i, fmt::format("has the same matcher as matchedGateways[{}]", before));
  if (!f.reading()) return;
  for (const std::string_view name : {"delegatedHttpGateways", "delegatedTcpGateways"})
    if (!matched.empty() && f.present(name)) f.warning(name, "has no effect beside matchedGateways");
  if (matched.empty() && !g.delegated_http_gateways && !g.delegated_tcp_gateways && f.good("matchedGateways"))
    f.error("matchedGateways", "is required where no gateways are delegated");
}

void bind(Fields& f, MatchableHttpGateway& g) {
  f.optional("matcher", g.matcher, "Which connections it takes; absent: all that no other takes.");
  f.required("httpGateway", g.http_gateway, "They speak HTTP.");
  f.ignored("namespacedStatuses", "Kept by Gloo.");
  check_http(f, g.matcher);
}

void bind(Fields& f, MatchableTcpGateway& g) {
  f.optional("matcher", g.matcher, "Which connections it takes; absent: all that no other takes.");
  f.required("tcpGateway", g.tcp_gateway, "They are passed on.");
  f.ignored("namespacedStatuses", "Kept by Gloo.");
  check_tcp(f, g.matcher, g.tcp_gateway);
}

Result<HttpConnectionManagerSettings> merge_settings(const Node* first, const Node* second) {
  const Node both = merged(first, second);
  HttpConnectionManagerSettings out;
  Diagnostics diagnostics;
  ReadContext context{.file = {}, .object = {}, .diagnostics = &diagnostics, .option_fields = {}};
  Reader reader(context);
  read_value(kValueType<HttpConnectionManagerSettings>, both, &out, reader);
  if (diagnostics.errors() == 0) return out;
  for (const Diagnostic& one : diagnostics.all())
    if (one.severity == Severity::error) return invalid(fmt::format("{}: {}", one.path, one.sentence()));
  return invalid("they cannot be had together");
}

}  // namespace sluice::kinds
