// Gateway `options.proxyProtocol`: connections begin with a header of the PROXY protocol (reference gloo-core.md 2.3).
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "config/bind.h"

namespace sluice::kinds {

struct TlvMetadata {
  std::string metadata_namespace;  // never empty once read: Envoy's is put in
  std::string key;
};
void bind(Fields& f, TlvMetadata& metadata);

struct ProxyProtocolRule {
  uint32_t tlv_type = 0;  // 0 .. 255
  TlvMetadata on_tlv_present;
};
void bind(Fields& f, ProxyProtocolRule& rule);

struct ProxyProtocol {
  std::vector<ProxyProtocolRule> rules;
  bool allow_requests_without_proxy_protocol = false;
};
void bind(Fields& f, ProxyProtocol& protocol);

}  // namespace sluice::kinds
