#include "config/kinds/ssl_config.h"

#include "config/kinds/testing.h"

namespace sluice::kinds {
namespace {

constexpr std::string_view kSecret = "secretRef: {name: s, namespace: ns}";

ServerSslConfig server(std::string_view ssl) {
  return *good<VirtualService>("virtualservice", fmt::format("{{sslConfig: {}, virtualHost: {{}}}}", ssl)).ssl_config;
}

UpstreamSslConfig client(std::string_view ssl) {
  const std::string hosts = "static: {hosts: [{addr: 127.0.0.1, port: 1}]}";
  return *good<Upstream>("upstream", fmt::format("{{sslConfig: {}, {}}}", ssl, hosts)).ssl_config;
}

TEST(SslConfig, has_gloos_defaults) {
  const ServerSslConfig s = server("{}");
  EXPECT_FALSE(s.source.any());
  EXPECT_TRUE(s.sni_domains.empty());
  EXPECT_EQ(s.alpn_protocols, (std::vector<std::string>{"h2", "http/1.1"}));
  EXPECT_EQ(s.parameters, TlsParameters());
  EXPECT_FALSE(s.one_way_tls || s.disable_tls_session_resumption || s.transport_socket_connect_timeout);
  EXPECT_EQ(s.ocsp_staple_policy, OcspStaplePolicy::lenient_stapling);
  const UpstreamSslConfig c = client("{}");
  EXPECT_TRUE(c.alpn_protocols.empty() && c.sni.empty());
  EXPECT_FALSE(c.allow_renegotiation || c.one_way_tls || c.source.any());
}

TEST(SslConfig, of_a_server_is_read) {
  const ServerSslConfig s = server(
      "{secretRef: {name: s, namespace: ns}, sniDomains: [B.test, '*.a.test', B.test], verifySubjectAltName: [c.test], "
      "alpnProtocols: [http/1.1], disableTlsSessionResumption: true, transportSocketConnectTimeout: 3s, "
      "ocspStaplePolicy: MUST_STAPLE, parameters: {minimumProtocolVersion: TLSv1_2, maximumProtocolVersion: TLSv1_3, "
      "cipherSuites: ['[ECDHE-RSA-AES128-GCM-SHA256|ECDHE-RSA-CHACHA20-POLY1305]', AES128-SHA, "
      "ECDHE-RSA-AES128-GCM-SHA256], ecdhCurves: [X25519, P-256]}}");
  EXPECT_EQ(s.source.secret_ref, (ObjectRef{"s", "ns"}));
  EXPECT_EQ(s.sni_domains, (std::vector<std::string>{"*.a.test", "b.test"}));
  EXPECT_EQ(s.verify_subject_alt_name, std::vector<std::string>{"c.test"});
  EXPECT_EQ(s.alpn_protocols, std::vector<std::string>{"http/1.1"});
  EXPECT_TRUE(s.disable_tls_session_resumption);
  EXPECT_EQ(s.transport_socket_connect_timeout, 3s);
  EXPECT_EQ(s.ocsp_staple_policy, OcspStaplePolicy::must_staple);
  EXPECT_EQ(s.parameters.min, TlsVersion::tls1_2);
  EXPECT_EQ(s.parameters.max, TlsVersion::tls1_3);
  EXPECT_EQ(s.parameters.cipher_suites,
            (std::vector<std::string>{"ECDHE-RSA-AES128-GCM-SHA256", "ECDHE-RSA-CHACHA20-POLY1305", "AES128-SHA"}));
  EXPECT_EQ(s.parameters.ecdh_curves, (std::vector<std::string>{"X25519", "P-256"}));
}

TEST(SslConfig, agrees_on_no_protocol_with_allow_empty_and_takes_an_empty_list_for_none) {
  EXPECT_TRUE(server("{alpnProtocols: [allow_empty]}").alpn_protocols.empty());
  EXPECT_EQ(server("{alpnProtocols: []}").alpn_protocols.size(), 2U);
}

TEST(SslConfig, is_for_every_name_with_a_star) {
  EXPECT_TRUE(server("{sniDomains: [a.test, '*']}").sni_domains.empty());
}

TEST(SslConfig, reads_files) {
  EXPECT_EQ(server("{sslFiles: {tlsCert: /a, tlsKey: /b, rootCa: /c, ocspStaple: /d}}").source.ssl_files,
            (SslFiles{"/a", "/b", "/c", "/d"}));
}

TEST(SslConfig, of_a_client_is_read) {
  const UpstreamSslConfig c = client(
      "{secretRef: {name: s, namespace: ns}, sni: a.test, verifySubjectAltName: [b.test], alpnProtocols: [h2], "
      "allowRenegotiation: true, oneWayTls: true, parameters: {ecdhCurves: [P-384]}}");
  EXPECT_EQ(c.sni, "a.test");
  EXPECT_EQ(c.verify_subject_alt_name, std::vector<std::string>{"b.test"});
  EXPECT_EQ(c.alpn_protocols, std::vector<std::string>{"h2"});
  EXPECT_TRUE(c.allow_renegotiation && c.one_way_tls);
  EXPECT_EQ(c.parameters.ecdh_curves, std::vector<std::string>{"P-384"});
}

TEST(SslConfig, with_a_mistake_is_refused) {
  const auto ssl = [](std::string_view config) { return fmt::format("{{sslConfig: {}, virtualHost: {{}}}}", config); };
  expect_bad(
      "virtualservice",
      {
          {ssl("{secretRef: {namespace: ns}}"), "sslConfig.secretRef.name: is required"},
          {ssl(fmt::format("{{{}, sslFiles: {{}}}}", kSecret)), "sslConfig"},
          {ssl("{sds: {}}"), "sslConfig.sds: cannot be had here: certificates come from Secrets or files"},
          {ssl("{sslFiles: {tlsCert: a}}"), "sslConfig.sslFiles.tlsCert: must be an absolute path"},
          {ssl("{sniDomains: ['']}"), "sslConfig.sniDomains[0]: \"\" is no name that a client may ask for"},
          {ssl("{sniDomains: [a.test, 'a.*']}"), "sslConfig.sniDomains[1]: \"a.*\" is no name"},
          {ssl("{sniDomains: ['*.*.a']}"), "sslConfig.sniDomains[0]: \"*.*.a\" is no name"},
          {ssl("{sniDomains: [127.0.0.1]}"), "sslConfig.sniDomains[0]: \"127.0.0.1\" is no name"},
          {ssl("{sniDomains: ['a.test:443']}"), "sslConfig.sniDomains[0]: \"a.test:443\" is no name"},
          {ssl("{verifySubjectAltName: ['']}"), "sslConfig.verifySubjectAltName[0]: must not be empty"},
          {ssl("{verifySubjectAltName: [a], oneWayTls: true}"),
           "sslConfig.verifySubjectAltName: warning: has no effect beside oneWayTls"},
          {ssl("{alpnProtocols: ['']}"), "sslConfig.alpnProtocols[0]: expected the name of a protocol"},
          {ssl("{transportSocketConnectTimeout: 0s}"), "sslConfig.transportSocketConnectTimeout: must be"},
          {ssl("{ocspStaplePolicy: NEVER}"), "sslConfig.ocspStaplePolicy: "},
          {ssl("{parameters: {minimumProtocolVersion: SSLv3}}"), "sslConfig.parameters.minimumProtocolVersion: "},
          {ssl("{parameters: {minimumProtocolVersion: TLSv1_3, maximumProtocolVersion: TLSv1_2}}"),
           "sslConfig.parameters.maximumProtocolVersion: is older than minimumProtocolVersion"},
          {ssl("{parameters: {maximumProtocolVersion: TLSv1_1}}"),
           "sslConfig.parameters.maximumProtocolVersion: is older than TLS 1.2, which minimumProtocolVersion is"},
          {ssl("{parameters: {cipherSuites: [ECDHE-RSA-AES128-GCM-SHA265]}}"),
           "sslConfig.parameters.cipherSuites[0]: \"ECDHE-RSA-AES128-GCM-SHA265\" is no cipher suite that is known "
           "here; "
           "did you mean \"ECDHE-RSA-AES128-GCM-SHA256\"?"},
          {ssl("{parameters: {cipherSuites: ['[AES128-SHA|]']}}"), "sslConfig.parameters.cipherSuites[0]: \"\" is no"},
          {ssl("{parameters: {cipherSuites: [ALL]}}"), "sslConfig.parameters.cipherSuites[0]: \"ALL\" is no cipher"},
          {ssl("{parameters: {cipherSuites: [TLS_AES_128_GCM_SHA256]}}"),
           "sslConfig.parameters.cipherSuites: names none for TLS 1.2, which is spoken too: name some, or set "
           "minimumProtocolVersion: TLSv1_3"},
          {ssl("{parameters: {cipherSuites: [TLS_AES_128_GCM_SHA256], maximumProtocolVersion: TLSv1_2}}"),
           "sslConfig.parameters.cipherSuites: names none for TLS 1.2"},
          {ssl("{parameters: {cipherSuites: [AES128-SHA], minimumProtocolVersion: TLSv1_3}}"),
           "sslConfig.parameters.cipherSuites: warning: has no effect: it names none of TLS 1.3"},
          {ssl("{parameters: {ecdhCurves: [X25591]}}"),
           "sslConfig.parameters.ecdhCurves[0]: \"X25591\" is no curve that is known here; did you mean \"X25519\"?"},
      });
  const auto upstream = [](std::string_view config) {
    return fmt::format("{{sslConfig: {}, static: {{hosts: [{{addr: a, port: 1}}]}}}}", config);
  };
  expect_bad("upstream",
             {
                 {upstream("{sni: 'a b'}"), "sslConfig.sni: expected a DNS name"},
                 {upstream("{sslFiles: {rootCa: /a, ocspStaple: /b}}"),
                  "sslConfig.sslFiles: warning: ocspStaple has no effect"},
                 {upstream("{sniDomains: [a]}"), "sslConfig.sniDomains: unknown field"},
                 {upstream("{verifySubjectAltName: [a]}"),
                  "sslConfig.verifySubjectAltName: a root_ca must be provided if verify_subject_alt_name is not empty"},
                 {"{sslConfig: {}, static: {useTls: false, hosts: [{addr: a, port: 1}]}}",
                  "static: warning: useTls: false has no effect beside sslConfig"},
                 {"{static: {hosts: [{addr: a, port: 1, sniAddr: 'a b'}]}}", "static.hosts[0].sniAddr: expected"},
             });
}

}  // namespace
}  // namespace sluice::kinds
