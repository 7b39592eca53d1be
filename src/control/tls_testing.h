// Objects of TLS for tests of translation: certificates, and services that have some.
#pragma once

#include "base/encoding.h"
#include "control/translate_testing.h"
#include "net/tls/testing.h"

namespace sluice {

inline const TestAuthority& authority() {
  static const TestAuthority kAuthority;
  return kAuthority;
}

inline std::string secret(std::string_view name, const TlsKeyPair& pair, std::string_view ca = "") {
  return object(
      "Secret", name,
      fmt::format("type: kubernetes.io/tls\ndata: {{tls.crt: '{}', tls.key: '{}'{}}}", base64_encode(pair.certificates),
                  base64_encode(pair.private_key), ca.empty() ? "" : fmt::format(", ca.crt: {}", base64_encode(ca))));
}

inline std::string secret(std::string_view name, std::initializer_list<std::string> names) {
  return secret(name, authority().make(names));
}

// One route that answers by itself; `ssl` is its sslConfig, "" for none.
inline std::string service(std::string_view name, std::string_view ssl, std::string_view meta = "") {
  return object("VirtualService", name,
                fmt::format("{{{}virtualHost: {{domains: ['{}.test'], routes: [{{matchers: [{{prefix: /}}], "
                            "directResponseAction: {{status: 200}}}}]}}}}",
                            ssl.empty() ? "" : fmt::format("sslConfig: {}, ", ssl), name),
                meta);
}

inline std::string with_secret(std::string_view name, std::string_view more = "") {
  return fmt::format("{{secretRef: {{name: {}, namespace: gloo-system}}{}}}", name, more);
}

}  // namespace sluice
