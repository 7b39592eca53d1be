// From tcpHosts to the chains of a port: whose TLS ends there, by which certificate, and what the status says.
#include "control/certificates.h"
#include "control/store/test_folder.h"
#include "control/tls_testing.h"

namespace sluice {
namespace {

const std::string kUpstream = object("Upstream", "u", "{static: {hosts: [{addr: 127.0.0.1, port: 9}]}}") +
                              object("Upstream", "v", "{static: {hosts: [{addr: 127.0.0.1, port: 10}]}}");

std::string host(std::string_view name, std::string_view ssl = "", std::string_view to = "u") {
  return fmt::format("{{name: {}, {}destination: {{single: {{upstream: {{name: {}}}}}}}}}", name,
                     ssl.empty() ? "" : fmt::format("sslConfig: {}, ", ssl), to);
}

std::string tcp(std::initializer_list<std::string> hosts, std::string_view more = "") {
  return object("Gateway", "tls",
                fmt::format("{{bindAddress: 127.0.0.1, bindPort: 8443, tcpGateway: {{tcpHosts: [{}]}}{}}}",
                            fmt::join(hosts, ", "), more));
}

class TranslateTcp : public TranslateCase {
 protected:
  // For a client that asks for that name: its tcpHost, and the certificate it is shown.
  std::string served(std::string_view name) const {
    if (!listener()) return "no listener";
    const PortConfig& port = listener()->port;
    const auto chain = port.table->find(name, *IpAddress::parse("192.0.2.1"));
    if (!chain) return "nobody";
    const TcpConfig* tcp = port.chains[*chain].tcp;
    if (!tcp) return port.chains[*chain].name + " ends";
    if (!tcp->tls) return port.chains[*chain].name + " as it is";
    const auto context = tcp->tls->find(name);
    return port.chains[*chain].name + " " +
           (context ? tcp->tls->chains()[*context].context->certificate().dns_names.at(0) : "no certificate");
  }

  const std::string secrets_ = secret("a", {"a.test"}) + secret("b", {"b.test"}) + kUpstream;
};

TEST_F(TranslateTcp, ends_TLS_where_a_host_has_certificates_and_passes_it_on_where_it_has_names_alone) {
  apply(tcp({host("one", with_secret("a", ", sniDomains: [a.test]")),
             host("two", with_secret("b", ", sniDomains: ['*.b.test', b.test]")),
             host("passed", "{sniDomains: [c.test]}"), host("rest")}) +
        secrets_);
  EXPECT_EQ(told("Gateway", "tls"), "Accepted");
  EXPECT_EQ(served("a.test"), "one a.test");
  EXPECT_EQ(served("x.b.test"), "two b.test");
  EXPECT_EQ(served("c.test"), "passed as it is");
  EXPECT_EQ(served("d.test"), "rest as it is");
  EXPECT_EQ(served(""), "rest as it is");
}

TEST_F(TranslateTcp, shows_one_certificate_to_all_where_there_are_no_names) {
  for (const std::string_view more : {"", ", sniDomains: ['*']"}) {
    apply(tcp({host("one", with_secret("a", more))}) + secrets_);
    EXPECT_EQ(served("x.test"), "one a.test");
    EXPECT_EQ(served(""), "one a.test");
    EXPECT_FALSE(listener()->port.table->needs_client_hello()) << "the handshake reads the name";
    EXPECT_FALSE(listener()->port.reads_server_name);
  }
  apply(tcp({host("passed", "{sniDomains: ['*']}")}) + secrets_);
  EXPECT_EQ(served("x.test"), "passed as it is");
}

TEST_F(TranslateTcp, gives_the_options_of_a_host_to_its_chain) {
  apply(tcp({host("one", with_secret("a", ", parameters: {minimumProtocolVersion: TLSv1_3}, alpnProtocols: [mqtt]"))}) +
        secret("a", authority().make({"a.test"}), authority().pem()) + kUpstream);
  EXPECT_EQ(told("Gateway", "tls"), "Accepted");
  ASSERT_TRUE(listener());
  EXPECT_TRUE(listener()->tcp[0].certificate->asks_for_client_certificate);
  const auto* context = listener()->tcp[0].config.tls->chains()[0].context.get();
  apply(tcp({host("one", with_secret("a", ", alpnProtocols: [mqtt], oneWayTls: true"))}) +
        secret("a", authority().make({"a.test"}), authority().pem()) + kUpstream);
  EXPECT_FALSE(listener()->tcp[0].certificate->asks_for_client_certificate);
  EXPECT_NE(listener()->tcp[0].config.tls->chains()[0].context.get(), context);
}

TEST_F(TranslateTcp, ends_the_connections_of_a_host_that_lacks_something_and_gives_them_to_nobody_else) {
  apply(tcp({host("one", with_secret("gone", ", sniDomains: [a.test]")), host("two", "{sniDomains: [b.test]}", "gone"),
             host("rest")}) +
        secrets_);
  EXPECT_EQ(served("a.test"), "one ends");
  EXPECT_EQ(served("b.test"), "two ends");
  EXPECT_EQ(served(""), "rest as it is");
  EXPECT_EQ(told("Gateway", "tls"),
            "Warning warning: \n  Listener Warning: SSLConfigWarning. Reason: tcpHost one: SSL secret not found: list "
            "did not find secret gloo-system.gone; no certificate is shown for it; tcpHost one is not served\n"
            "TcpHost Warning: InvalidDestinationWarning. Reason: *v1.Upstream { gloo-system.gone } not found; tcpHost "
            "two is not served");
}

TEST_F(TranslateTcp, opens_no_port_where_no_host_can_be_served) {
  apply(tcp({host("one", with_secret("gone"))}) + secrets_);
  EXPECT_EQ(served("a.test"), "no listener");
  EXPECT_TRUE(told("Gateway", "tls").contains("no tcpHost of it can be served, so no port is opened"));
}

TEST_F(TranslateTcp, goes_on_with_the_last_good_certificate_of_a_secret_that_became_bad) {
  const std::string gateway = tcp({host("one", with_secret("a"))});
  apply(gateway + secrets_);
  TlsKeyPair pair = authority().make({"a.test"});
  pair.private_key = authority().make({"b.test"}).private_key;
  apply(gateway + secret("a", pair) + kUpstream);
  EXPECT_EQ(served("a.test"), "one a.test");
  const std::string status = told("Gateway", "tls");
  EXPECT_TRUE(status.starts_with("Rejected ") &&
              status.contains("Listener Error: SSLConfigError. Reason: tcpHost one: Secret gloo-system/a: ") &&
              status.contains("the certificate that was shown before stays in force"))
      << status;
  EXPECT_FALSE(status.contains("is not served")) << status;
}

TEST_F(TranslateTcp, shows_no_other_destination_behind_the_certificate_of_another_sslConfig) {
  const std::string beside = secrets_ + object("Upstream", "v", "{static: {hosts: [{addr: 127.0.0.1, port: 2}]}}");
  apply(tcp({host("one", with_secret("a"))}) + beside);
  apply(tcp({host("one", with_secret("gone"))}) + beside);
  EXPECT_EQ(served("a.test"), "one a.test") << "the same destination as before, as before";
  apply(tcp({host("one", with_secret("gone"), "v")}) + beside);
  EXPECT_EQ(served("a.test"), "no listener");
  EXPECT_TRUE(told("Gateway", "tls").contains("tcpHost one is not served")) << told("Gateway", "tls");
}

TEST_F(TranslateTcp, makes_another_certificate_for_a_changed_secret) {
  const std::string gateway = tcp({host("one", with_secret("a"))});
  apply(gateway + secret("a", {"a.test"}) + kUpstream);
  const auto before = listener()->tcp[0].certificate;
  apply(gateway + secret("a", {"new.test"}) + kUpstream);
  EXPECT_EQ(served("a.test"), "one new.test");
  EXPECT_NE(listener()->tcp[0].certificate, before);
}

TEST_F(TranslateTcp, reads_files_again_when_they_change) {
  TestFolder folder;
  const auto write = [&](std::string_view name) {
    const TlsKeyPair pair = authority().make({std::string(name)});
    folder.write("c.pem", pair.certificates);
    folder.write("k.pem", pair.private_key);
  };
  write("a.test");
  apply(tcp({host("one", fmt::format("{{sslFiles: {{tlsCert: '{0}/c.pem', tlsKey: '{0}/k.pem'}}}}", folder.path()))}) +
        kUpstream);
  EXPECT_EQ(served(""), "one a.test");
  write("longer.test");
  look_again();
  EXPECT_EQ(served(""), "one longer.test");
}

TEST_F(TranslateTcp, rejects_two_hosts_that_take_the_same_connections) {
  apply(tcp({host("one", with_secret("a", ", sniDomains: [a.test]")), host("two", "{sniDomains: [b.test, A.test]}")}) +
        secrets_);
  EXPECT_EQ(
      told("Gateway", "tls"),
      "Rejected 1 error occurred:\n\t* Listener Error: SSLConfigError. Reason: Tried to apply multiple filter "
      "chains with the same FilterChainMatch {server_names:\"a.test\"}: tcpHost one and tcpHost two take the same "
      "connections\n\n");
}

TEST_F(TranslateTcp, says_what_has_no_effect_where_TLS_is_passed_on_or_there_are_no_requests) {
  apply(tcp({host("passed", "{sniDomains: [a.test], oneWayTls: true, alpnProtocols: [h2]}")}) + kUpstream);
  EXPECT_EQ(
      told("Gateway", "tls"),
      "Warning warning: \n  tcpHost passed: sslConfig.alpnProtocols has no effect: without certificates TLS is passed "
      "on\ntcpHost passed: sslConfig.oneWayTls has no effect: without certificates TLS is passed on");
}

TEST_F(TranslateTcp, asks_the_proxies_that_are_its_destinations_to_go_on) {
  const auto with = [&](std::string_view headers, std::string_view upstream = "u", std::string_view more = "") {
    apply(object("Gateway", "tls",
                 fmt::format("{{bindAddress: 127.0.0.1, bindPort: 8443, tcpGateway: {{tcpHosts: [{}], options: "
                             "{{tcpProxySettings: {{accessLogFlushInterval: 7s, tunnelingConfig: {{hostname: "
                             "'%REQUESTED_SERVER_NAME%:443', headersToAdd: [{}]}}}}}}}}}}",
                             host("one", "{sniDomains: ['*']}", upstream), headers)) +
          secrets_ + object("Upstream", "h2", "{useHttp2: true, static: {hosts: [{addr: 127.0.0.1, port: 9}]}}") +
          std::string(more));
  };
  with(
      "{header: {key: X-A, value: '1'}}, {header: {key: x-b, value: '2'}}, {header: {key: x-a, value: '%PROTOCOL%'}, "
      "append: "
      "false}, {headerSecretRef: {name: h, namespace: gloo-system}}",
      "u", object("Secret", "h", "type: Opaque\ndata: {proxy-authorization: 'QmFzaWMgNTAl'}"));
  EXPECT_EQ(told("Gateway", "tls"), "Accepted");
  const TcpConfig& config = listener()->tcp[0].config;
  EXPECT_EQ(config.log_interval, 7s);
  std::string headers;
  StreamInfo info;
  for (const TcpTunnel::Header& header : config.tunnel->headers) {
    headers += header.name + ": ";
    header.value.append(headers, {.info = info, .now = {}});
    headers += "\n";
  }
  EXPECT_EQ(headers, "x-b: 2\nx-a: HTTP/1.1\nproxy-authorization: Basic 50%\n");
  with("{headerSecretRef: {name: gone, namespace: gloo-system}}");
  EXPECT_EQ(served("a.test"), "no listener") << "never without it";
  EXPECT_TRUE(
      told("Gateway", "tls").contains("spec.tcpGateway.options.tcpProxySettings.tunnelingConfig.headersToAdd[0]: "))
      << told("Gateway", "tls");
  with("{headerSecretRef: {name: h, namespace: gloo-system}}", "u",
       object("Secret", "h", "type: Opaque\ndata: {host: 'YQ=='}"));
  EXPECT_TRUE(told("Gateway", "tls")
                  .contains("headersToAdd[0]: secret gloo-system.h: header \"host\": host headers may not be modified"))
      << told("Gateway", "tls");
  with("{header: {key: x-a, value: '%NONE%'}}");
  EXPECT_TRUE(told("Gateway", "tls").contains("tunnelingConfig.headersToAdd[0]: unknown operator"))
      << told("Gateway", "tls");
  with("", "h2");
  EXPECT_EQ(told("Gateway", "tls"), "Accepted");
}

TEST_F(TranslateTcp, lists_the_certificates_of_hosts) {
  apply(tcp({host("one", with_secret("a", ", sniDomains: [a.test]")), host("rest")}) + secrets_);
  const auto rows = certificate_rows(*now_.snapshot, wall_now());
  ASSERT_EQ(rows.size(), 1U);
  EXPECT_EQ(rows[0].from, "Secret gloo-system/a");
  ASSERT_EQ(rows[0].used_by.size(), 1U);
  EXPECT_EQ(rows[0].used_by[0].gateway, "gloo-system/tls");
  EXPECT_EQ(rows[0].used_by[0].sni_domains, std::vector<std::string>{"a.test"});
  const auto families = metrics_.collect();
  EXPECT_TRUE(std::ranges::any_of(families, [](const Metrics::Family& family) {
    return family.name == "sluice_certificate_expiry_seconds" && !family.samples.empty() &&
           family.samples.front().value > 0;
  }));
  const std::string json = certificates_json(rows);
  EXPECT_TRUE(json.contains("\"tcpHost\": \"one\"") && !json.contains("virtualServices")) << json;
}

TEST_F(TranslateTcp, tries_out_a_host_with_certificates_without_opening_anything) {
  apply(secrets_);
  const auto before = metrics_.series();
  const std::string status = tried(tcp({host("one", with_secret("gone"))}), "Gateway", "tls");
  EXPECT_TRUE(status.contains("SSL secret not found")) << status;
  EXPECT_EQ(metrics_.series(), before);
}

}  // namespace
}  // namespace sluice
