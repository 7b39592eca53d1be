// What every object carries besides its spec.
#pragma once

#include <map>
#include <string>
#include <string_view>

#include "config/bind.h"

namespace sluice::kinds {

inline constexpr std::string_view kDefaultNamespace = "gloo-system";
// Gateway annotation: each chain of certificates serves its own VirtualServices alone (gloo-core 2.8).
inline constexpr std::string_view kIsolateAnnotation = "gateway.solo.io/isolate_vhost";

// Kubernetes' rules hold for names (DNS-1123 subdomain), namespaces (DNS-1123 label), labels and annotations.
// Fields that an API server derives (uid, resourceVersion, generation, managedFields, ...) are read and not kept.
struct Metadata {
  std::string name;
  std::string ns{kDefaultNamespace};
  std::map<std::string, std::string> labels;
  std::map<std::string, std::string> annotations;
  std::string creation_timestamp;  // as written, RFC 3339; "" when absent
};
void bind(Fields& f, Metadata& metadata);

// Why the text is no such name; "" when it is one.
std::string dns_label_error(std::string_view text);      // DNS-1123 label, at most 63 bytes
std::string dns_subdomain_error(std::string_view text);  // DNS-1123 subdomain, at most 253 bytes

// Why the text is no key, or no value, of a label; "" when it is one.
std::string label_key_error(std::string_view text);
std::string label_value_error(std::string_view text);

}  // namespace sluice::kinds
