#include "config/kinds/ssl_config.h"

#include <fmt/format.h>
#include <algorithm>

#include "base/strings.h"
#include "config/kinds/paths.h"

namespace sluice {
namespace {

constexpr EnumName kTlsVersions[] = {{"TLS_AUTO", 0}, {"TLSv1_0", 1}, {"TLSv1_1", 2}, {"TLSv1_2", 3}, {"TLSv1_3", 4}};
constexpr EnumName kOcspPolicies[] = {{"LENIENT_STAPLING", 0}, {"STRICT_STAPLING", 1}, {"MUST_STAPLE", 2}};

// What BoringSSL knows and OpenSSL too, under the same names; those of TLS 1.3 are RFC 8446's.
constexpr std::string_view kCiphers[] = {
    "ECDHE-ECDSA-AES128-GCM-SHA256",
    "ECDHE-RSA-AES128-GCM-SHA256",
    "ECDHE-ECDSA-AES256-GCM-SHA384",
    "ECDHE-RSA-AES256-GCM-SHA384",
    "ECDHE-ECDSA-CHACHA20-POLY1305",
    "ECDHE-RSA-CHACHA20-POLY1305",
    "ECDHE-ECDSA-AES128-SHA256",
    "ECDHE-RSA-AES128-SHA256",
    "ECDHE-ECDSA-AES128-SHA",
    "ECDHE-RSA-AES128-SHA",
    "ECDHE-ECDSA-AES256-SHA",
    "ECDHE-RSA-AES256-SHA",
    "AES128-GCM-SHA256",
    "AES256-GCM-SHA384",
    "AES128-SHA",
    "AES256-SHA",
    "TLS_AES_128_GCM_SHA256",
    "TLS_AES_256_GCM_SHA384",
    "TLS_CHACHA20_POLY1305_SHA256",
};
constexpr std::string_view kCurves[] = {"X25519", "P-256", "P-384", "P-521"};

std::string unknown_name(std::string_view what, std::string_view name, std::span<const std::string_view> known) {
  const auto near = nearest(name, known);
  return fmt::format("{} is no {} that is known here{}", json_quote(printable(name, 60)), what,
                     near ? fmt::format("; did you mean {}?", json_quote(*near)) : "");
}

void check_names(Fields& f, std::string_view field, std::string_view what, const std::vector<std::string>& names,
                 std::span<const std::string_view> known) {
  if (!f.good(field)) return;
  for (size_t i = 0; i < names.size(); ++i)
    if (std::ranges::find(known, names[i]) == known.end()) f.error(field, i, unknown_name(what, names[i], known));
}

// "[A|B]" says that A and B are equally good (BoringSSL); a client then chooses. Here the first is preferred.
void check_ciphers(Fields& f, std::vector<std::string>& names) {
  if (!f.good("cipherSuites")) return;
  std::vector<std::string> flat;
  for (size_t i = 0; i < names.size(); ++i) {
    std::string_view text = names[i];
    if (text.size() > 2 && text.starts_with('[') && text.ends_with(']')) text = text.substr(1, text.size() - 2);
    for (const std::string_view name : split(text, '|')) {
      if (std::ranges::find(kCiphers, name) == std::end(kCiphers))
        f.error("cipherSuites", i, unknown_name("cipher suite", name, kCiphers));
      else if (std::ranges::find(flat, name) == flat.end())
        flat.emplace_back(name);
    }
  }
  names = std::move(flat);
}

// What the list says nothing of has the library's suites, which is not what somebody means who names some.
void check_versions_of_ciphers(Fields& f, const TlsParameters& p) {
  if (p.cipher_suites.empty() || !f.good("cipherSuites")) return;
  const bool only_13 = p.min == TlsVersion::tls1_3;
  const auto is_of_13 = [](std::string_view name) { return name.starts_with("TLS_"); };
  if (!only_13 && std::ranges::all_of(p.cipher_suites, is_of_13))
    f.check(false, "cipherSuites",
            "names none for TLS 1.2, which is spoken too: name some, or set minimumProtocolVersion: TLSv1_3");
  if (only_13 && std::ranges::none_of(p.cipher_suites, is_of_13))
    f.warning("cipherSuites", "has no effect: it names none of TLS 1.3");
}

}  // namespace

std::span<const EnumName> enum_names(TlsVersion) {
  return kTlsVersions;
}

std::span<const EnumName> enum_names(OcspStaplePolicy) {
  return kOcspPolicies;
}

void bind(Fields& f, TlsParameters& p) {
  f.optional("minimumProtocolVersion", p.min, "The oldest version that is spoken; TLS_AUTO is TLS 1.2.");
  f.optional("maximumProtocolVersion", p.max, "The newest version that is spoken; TLS_AUTO is the newest there is.");
  f.optional("cipherSuites", p.cipher_suites,
             "Cipher suites in BoringSSL's spelling, the best first; `[A|B]` is A, then B. Absent: the library's.");
  f.optional("ecdhCurves", p.ecdh_curves,
             "Curves for the exchange of keys, the best first: X25519, P-256, P-384, P-521. Absent: the library's.");
  if (!f.reading()) return;
  const TlsVersion oldest = p.min == TlsVersion::automatic ? TlsVersion::tls1_2 : p.min;
  f.check(p.max == TlsVersion::automatic || p.max >= oldest, "maximumProtocolVersion",
          p.min == TlsVersion::automatic ? "is older than TLS 1.2, which minimumProtocolVersion is when absent"
                                         : "is older than minimumProtocolVersion");
  check_ciphers(f, p.cipher_suites);
  check_versions_of_ciphers(f, p);
  check_names(f, "ecdhCurves", "curve", p.ecdh_curves, kCurves);
}

}  // namespace sluice

namespace sluice::kinds {
namespace {

constexpr std::string_view kNoneAgreedOn = "allow_empty";

void bind_source(Fields& f, SslSource& s) {
  f.optional("secretRef", s.secret_ref,
             "The Secret (`kubernetes.io/tls`) with certificate and key, CA, or all of them; the namespace is taken "
             "literally.");
  f.optional("sslFiles", s.ssl_files, "Files with certificate and key; read again when they change.");
  f.refused("sds", "certificates come from Secrets or files: there is no SDS server to ask");
  f.one_of({"secretRef", "sslFiles", "sds"});
}

void check_alternative_names(Fields& f, const std::vector<std::string>& names) {
  if (!f.good("verifySubjectAltName")) return;
  for (size_t i = 0; i < names.size(); ++i)
    if (names[i].empty()) f.error("verifySubjectAltName", i, "must not be empty");
}

// RFC 7301 3.1
void check_alpn(Fields& f, std::vector<std::string>& names) {
  if (!f.good("alpnProtocols")) return;
  for (size_t i = 0; i < names.size(); ++i)
    if (names[i].empty() || names[i].size() > 255)
      f.error("alpnProtocols", i, "expected the name of a protocol, of 1 to 255 bytes, such as \"h2\"");
}

void read_sni_domains(Fields& f, std::vector<std::string>& domains) {
  if (!f.good("sniDomains")) return;
  bool every_name = false;
  for (size_t i = 0; i < domains.size(); ++i) {
    domains[i] = to_lower(domains[i]);
    if (auto why = sni_domain_error(domains[i]); !why.empty()) f.error("sniDomains", i, std::move(why));
    every_name |= domains[i] == "*";
  }
  if (every_name) domains.clear();
  std::ranges::sort(domains);
  domains.erase(std::ranges::unique(domains).begin(), domains.end());
}

uint64_t hash_of_written(const Fields& f) {
  return std::hash<std::string>{}(f.written());
}

// A list without anything is as good as none (proto).
std::vector<std::string_view> set_fields(const Fields& f) {
  std::vector<std::string_view> out;
  for (const std::string_view name :
       {"secretRef", "sslFiles", "sniDomains", "verifySubjectAltName", "parameters", "alpnProtocols", "oneWayTls",
        "disableTlsSessionResumption", "transportSocketConnectTimeout", "ocspStaplePolicy"}) {
    const Node* node = f.node(name);
    if (node && !(node->list() && node->list()->empty())) out.push_back(name);
  }
  return out;
}

}  // namespace

std::string sni_domain_error(std::string_view domain) {
  if (domain == "*") return {};
  std::string_view host = domain;
  if (host.starts_with("*.")) host.remove_prefix(2);
  if (is_host_name(host) && !is_ip_literal(host)) return {};
  return fmt::format("{} is no name that a client may ask for: write a host, \"*.\" and a host, or \"*\"",
                     json_quote(printable(domain, 100)));
}

void bind(Fields& f, SslFiles& s) {
  f.optional("tlsCert", s.tls_cert, "File with the certificate and those of its issuers, PEM, its own first.");
  f.optional("tlsKey", s.tls_key, "File with the private key, PEM.");
  f.optional("rootCa", s.root_ca, "File with the certificates that the other side's is verified with, PEM.");
  f.optional("ocspStaple", s.ocsp_staple, "File with the answer of the issuer's OCSP server, DER.");
  for (const auto& [name, path] : {std::pair("tlsCert", &s.tls_cert), std::pair("tlsKey", &s.tls_key),
                                   std::pair("rootCa", &s.root_ca), std::pair("ocspStaple", &s.ocsp_staple)})
    if (!path->empty()) f.check(path->starts_with('/'), name, "must be an absolute path");
}

void bind(Fields& f, ServerSslConfig& c) {
  std::optional<std::vector<std::string>> alpn;
  bind_source(f, c.source);
  f.optional("sniDomains", c.sni_domains,
             "Names that clients ask for (SNI), exact or `*.x`, for which it is; empty: every name, and none.");
  f.optional("verifySubjectAltName", c.verify_subject_alt_name,
             "Of these names one must be in the client's certificate, exactly.");
  f.optional("parameters", c.parameters, "Versions, ciphers and curves.");
  f.optional("alpnProtocols", alpn,
             "Protocols to agree on, the best first; `h2` and `http/1.1` when absent; `[allow_empty]`: none.");
  f.optional("oneWayTls", c.one_way_tls,
             "Ask for no client certificate, also where there is a CA (`rootCa`, `ca.crt`), which else requires one.");
  f.optional("disableTlsSessionResumption", c.disable_tls_session_resumption, "Give no session tickets.");
  f.optional("transportSocketConnectTimeout", c.transport_socket_connect_timeout, "Longest time of a handshake.");
  f.optional("ocspStaplePolicy", c.ocsp_staple_policy,
             "What happens without a good OCSP answer: nothing, nothing unless one that is too old is there, or no "
             "handshake.");
  f.positive("transportSocketConnectTimeout", c.transport_socket_connect_timeout);
  if (!f.reading()) return;
  read_sni_domains(f, c.sni_domains);
  check_alternative_names(f, c.verify_subject_alt_name);
  if (c.one_way_tls && !c.verify_subject_alt_name.empty())
    f.warning("verifySubjectAltName", "has no effect beside oneWayTls: no client certificate is asked for");
  if (alpn) {
    c.alpn_protocols = std::move(*alpn);
    if (c.alpn_protocols.empty()) c.alpn_protocols = ServerSslConfig().alpn_protocols;  // proto: the same as absent
    check_alpn(f, c.alpn_protocols);
    if (c.alpn_protocols == std::vector<std::string>{std::string(kNoneAgreedOn)}) c.alpn_protocols.clear();
  }
  c.hash = hash_of_written(f);
  c.set = set_fields(f);
}

bool ServerSslConfig::sets(std::string_view field) const {
  return std::ranges::find(set, field) != set.end();
}

ServerSslConfig with_defaults(ServerSslConfig config, const ServerSslConfig& defaults) {
  const auto take = [&](std::string_view field, auto member) {
    if (config.sets(field) || !defaults.sets(field)) return;
    config.*member = defaults.*member;
    config.set.push_back(field);
  };
  if (!config.source.any() && defaults.source.any()) {
    config.source = defaults.source;
    config.set.push_back(config.source.secret_ref ? "secretRef" : "sslFiles");
  }
  take("sniDomains", &ServerSslConfig::sni_domains);
  take("verifySubjectAltName", &ServerSslConfig::verify_subject_alt_name);
  take("parameters", &ServerSslConfig::parameters);
  take("alpnProtocols", &ServerSslConfig::alpn_protocols);
  take("oneWayTls", &ServerSslConfig::one_way_tls);
  take("disableTlsSessionResumption", &ServerSslConfig::disable_tls_session_resumption);
  take("transportSocketConnectTimeout", &ServerSslConfig::transport_socket_connect_timeout);
  take("ocspStaplePolicy", &ServerSslConfig::ocsp_staple_policy);
  config.hash = hash_with_defaults(config.hash, defaults.hash);
  return config;
}

void bind(Fields& f, UpstreamSslConfig& c) {
  bind_source(f, c.source);
  f.optional("sni", c.sni, "Name to ask for; a host's own `sniAddr` or name goes before it.");
  f.optional("verifySubjectAltName", c.verify_subject_alt_name,
             "Of these names one must be in the upstream's certificate, exactly; needs a CA.");
  f.optional("parameters", c.parameters, "Versions, ciphers and curves.");
  f.optional("alpnProtocols", c.alpn_protocols, "Protocols to offer; absent: what the upstream is spoken to by.");
  f.optional("allowRenegotiation", c.allow_renegotiation, "Let the upstream begin another handshake (TLS 1.2).");
  f.optional("oneWayTls", c.one_way_tls, "Do not show the Secret's certificate; its CA verifies all the same.");
  if (!f.reading()) return;
  c.hash = hash_of_written(f);
  if (c.source.ssl_files && !c.source.ssl_files->ocsp_staple.empty())
    f.warning("sslFiles", "ocspStaple has no effect: clients show no answers of OCSP servers");
  if (!c.sni.empty()) f.check(is_host_name(c.sni), "sni", "expected a DNS name");
  check_alternative_names(f, c.verify_subject_alt_name);
  check_alpn(f, c.alpn_protocols);
  if (!c.verify_subject_alt_name.empty() && f.good("verifySubjectAltName") && !c.source.any())
    f.check(false, "verifySubjectAltName", "a root_ca must be provided if verify_subject_alt_name is not empty");
}

}  // namespace sluice::kinds
