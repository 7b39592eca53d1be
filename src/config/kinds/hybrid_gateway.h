// Gateway `hybridGateway`: several chains on one port, each for some of its connections; and the kinds by which other
// objects bring chains (reference gloo-core.md 2.7).
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "config/kinds/http_gateway.h"
#include "config/kinds/metadata.h"
#include "config/kinds/tcp_gateway.h"

namespace sluice::kinds {

// Which connections a chain takes.
struct ChainMatcher {
  std::optional<ServerSslConfig> ssl_config;        // they come by TLS; it has the defaults for those behind it
  std::vector<CidrRange> source_prefix_ranges;      // empty: from anywhere
  std::vector<uint16_t> passthrough_cipher_suites;  // they offer none but these (RFC 8446 B.4); empty: any
  std::string written;                              // equal texts: the same connections, met in the same way
};
void bind(Fields& f, ChainMatcher& matcher);

// One of the gateways is set.
struct MatchedGateway {
  ChainMatcher matcher;  // without anything: all connections that no other takes
  std::optional<HttpGateway> http_gateway;
  std::optional<TcpGateway> tcp_gateway;
};
void bind(Fields& f, MatchedGateway& gateway);

// All must fit.
struct GatewaySelector {
  std::vector<std::string> namespaces;  // empty or "*": all
  std::map<std::string, std::string> labels;
  std::vector<LabelExpression> expressions;

  bool fits(const Metadata& metadata) const;
};
void bind(Fields& f, GatewaySelector& selector);

// Which objects bring chains; one of both is set.
struct DelegatedGateways {
  std::optional<ObjectRef> ref;  // the namespace is taken literally
  std::optional<GatewaySelector> selector;
};

struct DelegatedHttpGateways : DelegatedGateways {
  std::optional<Node> settings;               // httpConnectionManagerSettings, as written
  std::optional<ServerSslConfig> ssl_config;  // set: those whose matcher has one, too; else those whose has none
  bool prevent_child_overrides = false;       // these two go before what the objects say, not behind it
};
void bind(Fields& f, DelegatedHttpGateways& gateways);

struct DelegatedTcpGateways : DelegatedGateways {};
void bind(Fields& f, DelegatedTcpGateways& gateways);

struct HybridGateway {
  std::vector<MatchedGateway> matched_gateways;  // if any, the others do not count
  std::optional<DelegatedHttpGateways> delegated_http_gateways;
  std::optional<DelegatedTcpGateways> delegated_tcp_gateways;
};
void bind(Fields& f, HybridGateway& gateway);

struct MatchableHttpGateway {
  ChainMatcher matcher;
  HttpGateway http_gateway;
};
void bind(Fields& f, MatchableHttpGateway& gateway);

struct MatchableTcpGateway {
  ChainMatcher matcher;
  TcpGateway tcp_gateway;
};
void bind(Fields& f, MatchableTcpGateway& gateway);

// httpConnectionManagerSettings of two levels, either of which may be null: each field as `first` has it, else as
// `second` does. Both are known to be good; an Error where they cannot be had together.
Result<HttpConnectionManagerSettings> merge_settings(const Node* first, const Node* second);

}  // namespace sluice::kinds
