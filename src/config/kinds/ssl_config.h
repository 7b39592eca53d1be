// sslConfig: TLS with clients (VirtualService, tcpHosts, matchers; reference gloo-core.md 3.7) and with upstreams
// (6.3).
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/time.h"
#include "config/bind.h"
#include "net/tls/options.h"

namespace sluice {

std::span<const EnumName> enum_names(TlsVersion);
std::span<const EnumName> enum_names(OcspStaplePolicy);
void bind(Fields& f, TlsParameters& parameters);

}  // namespace sluice

namespace sluice::kinds {

// Files of the machine that this program runs on; "" for none.
struct SslFiles {
  std::string tls_cert;
  std::string tls_key;
  std::string root_ca;
  std::string ocsp_staple;
  bool operator==(const SslFiles&) const = default;
};
void bind(Fields& f, SslFiles& files);

// Where certificates and keys come from: at most one is set.
struct SslSource {
  std::optional<ObjectRef> secret_ref;  // the namespace is taken literally
  std::optional<SslFiles> ssl_files;
  bool any() const { return secret_ref || ssl_files; }
  bool operator==(const SslSource&) const = default;
};

struct ServerSslConfig {
  SslSource source;
  std::vector<std::string> sni_domains;  // lower case, without "*" itself; empty: every name, and none
  std::vector<std::string> verify_subject_alt_name;
  TlsParameters parameters;
  std::vector<std::string> alpn_protocols{"h2", "http/1.1"};
  bool one_way_tls = false;
  bool disable_tls_session_resumption = false;
  std::optional<Nanos> transport_socket_connect_timeout;  // of a handshake; nothing: the listener's
  OcspStaplePolicy ocsp_staple_policy = OcspStaplePolicy::lenient_stapling;
  uint64_t hash = 0;  // of all of it, as written: equal ones are equal configurations
  // Names of the fields that the document sets; of where certificates come from "secretRef" or "sslFiles".
  std::vector<std::string_view> set;
  bool sets(std::string_view field) const;
};
void bind(Fields& f, ServerSslConfig& config);
// What `config` does not set is as in `defaults` (gloo-core.md 2.7); where certificates come from is one setting.
ServerSslConfig with_defaults(ServerSslConfig config, const ServerSslConfig& defaults);
// The hash that it then has.
constexpr uint64_t hash_with_defaults(uint64_t config, uint64_t defaults) {
  return config * 31 + defaults;
}

struct UpstreamSslConfig {
  SslSource source;
  std::string sni;
  std::vector<std::string> verify_subject_alt_name;
  TlsParameters parameters;
  std::vector<std::string> alpn_protocols;  // empty: what the protocol needs
  bool allow_renegotiation = false;
  bool one_way_tls = false;
  uint64_t hash = 0;  // as ServerSslConfig's
};
void bind(Fields& f, UpstreamSslConfig& config);

// "a.example", "*.example", "*"; what is wrong with it, "" when nothing is.
std::string sni_domain_error(std::string_view domain);

}  // namespace sluice::kinds
