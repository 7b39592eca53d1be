#include "config/kinds/proxy_protocol.h"

namespace sluice::kinds {

void bind(Fields& f, TlvMetadata& m) {
  f.optional("metadataNamespace", m.metadata_namespace,
             "Namespace of the metadata; `envoy.filters.listener.proxy_protocol` when empty.");
  f.required("key", m.key, "Key of the metadata; `%DYNAMIC_METADATA(namespace:key)%` shows the value.");
  if (f.present("key")) f.check(!m.key.empty(), "key", "must not be empty");
  if (m.metadata_namespace.empty()) m.metadata_namespace = "envoy.filters.listener.proxy_protocol";
}

void bind(Fields& f, ProxyProtocolRule& r) {
  f.optional("tlvType", r.tlv_type, "Type of the TLV, as in `0xEA` = 234 for the VPC endpoint of AWS.");
  f.required("onTlvPresent", r.on_tlv_present, "What its value becomes.");
  f.in_range("tlvType", r.tlv_type, 0, 255);
}

void bind(Fields& f, ProxyProtocol& p) {
  f.optional("rules", p.rules, "TLVs of version 2 that become metadata of the connection.");
  f.optional("allowRequestsWithoutProxyProtocol", p.allow_requests_without_proxy_protocol,
             "Serve connections without a header too, as who is at their other end; otherwise they are closed.");
}

}  // namespace sluice::kinds
