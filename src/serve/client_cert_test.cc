#include "serve/client_cert.h"

#include <gtest/gtest.h>

#include "io/loop.h"
#include "net/tls_info.h"

namespace sluice {
namespace {

class ClientCert : public testing::Test {
 protected:
  ClientCert() {
    auto peer = std::make_shared<PeerCertificate>();
    peer->info.subject = "CN=client,O=\\\"Us\\\"";
    peer->info.fingerprint_sha256 = "abcd";
    peer->info.dns_names = {"c.test", "d.test"};
    peer->info.uri_names = {"spiffe://c"};
    peer->pem = "-----BEGIN X-----\na+/=\n";
    peer->chain_pem = peer->pem + "b\n";
    auto own = std::make_shared<CertificateInfo>();
    own->uri_names = {"spiffe://us"};
    tls_.peer = peer;
    tls_.own = own;
    peer_ = std::move(peer);
  }
  // What is left in the header, "none" for nothing.
  std::string sent(ClientCertConfig config, bool with_certificate = true, std::string_view came = "By=them") {
    TlsInfo tls = tls_;
    if (!with_certificate) tls.peer = nullptr;
    StreamInfo info;
    info.tls = &tls;
    Arena arena;
    Request request(arena, loop_, info);
    if (!came.empty()) request.headers.add("x-forwarded-client-cert", came);
    set_forwarded_client_cert(config, request);
    return std::string(request.headers.joined("x-forwarded-client-cert").value_or("none"));
  }

  Loop loop_;
  TlsInfo tls_;
  std::shared_ptr<PeerCertificate> peer_;
};
using enum ForwardClientCert;

TEST_F(ClientCert, is_taken_out_passed_on_added_to_or_replaced_as_configured) {
  EXPECT_EQ(sent({.forward = sanitize}), "none");
  EXPECT_EQ(sent({.forward = forward_only}), "By=them");
  EXPECT_EQ(sent({.forward = append_forward}), "By=them,By=spiffe://us;Hash=abcd");
  EXPECT_EQ(sent({.forward = append_forward}, true, ""), "By=spiffe://us;Hash=abcd");
  EXPECT_EQ(sent({.forward = sanitize_set}), "By=spiffe://us;Hash=abcd");
  EXPECT_EQ(sent({.forward = always_forward_only}), "By=them");
}

TEST_F(ClientCert, of_a_client_that_showed_none_is_believed_only_when_always_forwarded) {
  for (const ForwardClientCert forward : {sanitize, forward_only, append_forward, sanitize_set})
    EXPECT_EQ(sent({.forward = forward, .subject = true}, false), "none");
  EXPECT_EQ(sent({.forward = always_forward_only}, false), "By=them");
}

TEST_F(ClientCert, says_what_is_asked_for_in_Envoys_order) {
  EXPECT_EQ(
      sent({.forward = sanitize_set, .subject = true, .cert = true, .chain = true, .dns = true, .uri = true}),
      "By=spiffe://us;Hash=abcd;Cert=\"-----BEGIN%20X-----%0Aa%2B%2F%3D%0A\";Chain=\"-----BEGIN%20X-----%0Aa%2B%2F"
      "%3D%0Ab%0A\";Subject=\"CN=client,O=\\\"Us\\\"\";URI=spiffe://c;DNS=c.test;DNS=d.test");
  peer_->info.uri_names.clear();
  EXPECT_EQ(sent({.forward = sanitize_set, .uri = true}), "By=spiffe://us;Hash=abcd;URI=");
}

TEST_F(ClientCert, lets_no_name_pass_for_another_element_or_another_header) {
  peer_->info.dns_names = {"a;URI=spiffe://admin", "b\r\nx-admin: 1", "c\"d"};
  peer_->info.subject = "CN=x\r\nx-admin: 1";
  EXPECT_EQ(
      sent({.forward = sanitize_set, .subject = true, .dns = true}),
      "By=spiffe://us;Hash=abcd;Subject=\"CN=x%0D%0Ax-admin: 1\";DNS=\"a;URI=spiffe://admin\";DNS=\"b%0D%0Ax-admin: "
      "1\";DNS=\"c\\\"d\"");
}

}  // namespace
}  // namespace sluice
