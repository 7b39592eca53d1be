#include "net/tls/testing.h"

#include <openssl/ocsp.h>

#include "base/check.h"
#include "io/testing.h"
#include "net/tls/certificate.h"

namespace sluice {

using namespace tls;

TlsKeyPair TestAuthority::make(const Wish& wish) const {
  return authority_.make(wish);
}

std::string TestAuthority::staple_for(const TlsKeyPair& pair, bool revoked, int days_to, const char* digest) const {
  const auto chain = read_certificates(pair.certificates);
  const auto own = read_certificates(authority_.certificate());
  const auto key = read_private_key(authority_.private_key());
  CHECK(chain && own && key);
  OCSP_BASICRESP* basic = OCSP_BASICRESP_new();
  OCSP_CERTID* id = OCSP_cert_to_id(EVP_get_digestbyname(digest), chain->front().get(), own->front().get());
  ASN1_TIME* from = X509_time_adj_ex(nullptr, days_to - 2, 0, nullptr);
  ASN1_TIME* until = X509_time_adj_ex(nullptr, days_to, 0, nullptr);
  OCSP_basic_add1_status(basic, id, revoked ? V_OCSP_CERTSTATUS_REVOKED : V_OCSP_CERTSTATUS_GOOD, 0,
                         revoked ? from : nullptr, from, until);
  CHECK(OCSP_basic_sign(basic, own->front().get(), key->get(), EVP_sha256(), nullptr, 0) == 1);
  OCSP_RESPONSE* response = OCSP_response_create(OCSP_RESPONSE_STATUS_SUCCESSFUL, basic);
  unsigned char* der = nullptr;
  const int size = i2d_OCSP_RESPONSE(response, &der);
  std::string out(reinterpret_cast<char*>(der), static_cast<size_t>(size));
  OPENSSL_free(der);
  OCSP_RESPONSE_free(response);
  ASN1_TIME_free(from);
  ASN1_TIME_free(until);
  OCSP_CERTID_free(id);
  OCSP_BASICRESP_free(basic);
  return out;
}

std::shared_ptr<const TlsServerChains> one_chain(const TlsServerOptions& options, TlsServerShared& shared) {
  auto context = TlsServerContext::create(options, shared);
  CHECK(context.has_value());
  auto chains = TlsServerChains::create({{.sni_domains = {}, .context = *std::move(context)}});
  CHECK(chains.has_value());
  return *std::move(chains);
}

StreamPair tls_over(StreamPair below, std::shared_ptr<const TlsServerChains> chains,
                    std::shared_ptr<const TlsClientContext> context, const TlsPeer& peer, TlsSessions* sessions) {
  return {.downstream = tls_accept(std::move(below.downstream), std::move(chains)),
          .upstream = tls_connect(std::move(below.upstream), std::move(context), peer, sessions)};
}

Task<void> shake_hands(Stream& stream, std::optional<Status>& out, Nanos patience) {
  auto shaking = stream.established(stream.loop().now() + patience);
  out.emplace(co_await shaking);
  co_return Status{};
}

namespace {

Task<void> shake_or_give_up(Stream& stream, std::optional<Status>& out) {
  auto shaking = shake_hands(stream, out);
  CO_TRY(co_await shaking);
  if (!*out) stream.abort();  // or the other end would wait
  co_return Status{};
}

}  // namespace

Handshakes shake_hands(Loop& loop, StreamPair& pair) {
  std::optional<Status> downstream, upstream;
  TaskGroup tasks;
  tasks.spawn(shake_or_give_up(*pair.downstream, downstream));
  tasks.spawn(shake_or_give_up(*pair.upstream, upstream));
  CHECK(turn_until(loop, [&] { return downstream && upstream; }));
  return {*std::move(downstream), *std::move(upstream)};
}

}  // namespace sluice
