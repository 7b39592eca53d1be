#include "net/tls/testing.h"

#include <openssl/ec.h>
#include <openssl/ocsp.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/x509v3.h>

#include "base/check.h"
#include "base/ip.h"
#include "io/testing.h"
#include "net/tls/certificate.h"

namespace sluice {

using namespace tls;

namespace {

std::string written(BIO* out) {
  char* bytes = nullptr;
  const long size = BIO_get_mem_data(out, &bytes);
  return {bytes, static_cast<size_t>(size)};
}

std::string key_pem(EVP_PKEY* key) {
  const BioPtr out(BIO_new(BIO_s_mem()));
  PEM_write_bio_PrivateKey(out.get(), key, nullptr, nullptr, 0, nullptr, nullptr);
  return written(out.get());
}

void add_extension(X509* to, X509* issuer, int nid, const std::string& value) {
  X509V3_CTX context;
  X509V3_set_ctx(&context, issuer, to, nullptr, nullptr, 0);
  X509_EXTENSION* extension = X509V3_EXT_conf_nid(nullptr, &context, nid, value.c_str());
  CHECK(extension != nullptr);
  X509_add_ext(to, extension, -1);
  X509_EXTENSION_free(extension);
}

CertificatePtr make_certificate(EVP_PKEY* key, std::string_view name, int days_from, int days_to) {
  CertificatePtr out(X509_new());
  X509_set_version(out.get(), X509_VERSION_3);
  uint64_t serial = 0;
  RAND_bytes(reinterpret_cast<unsigned char*>(&serial), sizeof serial);
  ASN1_INTEGER_set_uint64(X509_get_serialNumber(out.get()), serial >> 1);
  X509_time_adj_ex(X509_getm_notBefore(out.get()), days_from, 0, nullptr);
  X509_time_adj_ex(X509_getm_notAfter(out.get()), days_to, 0, nullptr);
  X509_NAME_add_entry_by_txt(X509_get_subject_name(out.get()), "CN", MBSTRING_UTF8,
                             reinterpret_cast<const unsigned char*>(name.data()), static_cast<int>(name.size()), -1, 0);
  X509_set_pubkey(out.get(), key);
  return out;
}

std::string as_alternative_names(const std::vector<std::string>& names) {
  std::string out;
  for (const std::string& name : names)
    out += (out.empty() ? "" : ",") +
           std::string(IpAddress::parse(name)                  ? "IP:"
                       : name.find("://") != std::string::npos ? "URI:"
                                                               : "DNS:") +
           name;
  return out;
}

}  // namespace

struct TestAuthority::Impl {
  KeyPtr key{EVP_EC_gen("P-256")};
  CertificatePtr certificate;
};

TestAuthority::TestAuthority(std::string_view name) : impl_(std::make_unique<Impl>()) {
  impl_->certificate = make_certificate(impl_->key.get(), name, -1, 3650);
  X509* own = impl_->certificate.get();
  X509_set_issuer_name(own, X509_get_subject_name(own));
  add_extension(own, own, NID_basic_constraints, "critical,CA:TRUE");
  add_extension(own, own, NID_key_usage, "critical,keyCertSign,cRLSign,digitalSignature");
  CHECK(X509_sign(own, impl_->key.get(), EVP_sha256()) > 0);
  pem_ = to_pem(*own);
}
TestAuthority::~TestAuthority() = default;

TlsKeyPair TestAuthority::make(const Wish& wish) const {
  const KeyPtr key(EVP_EC_gen("P-256"));
  const CertificatePtr made = make_certificate(key.get(), wish.names.front(), wish.days_from, wish.days_to);
  X509_set_issuer_name(made.get(), X509_get_subject_name(impl_->certificate.get()));
  add_extension(made.get(), impl_->certificate.get(), NID_subject_alt_name, as_alternative_names(wish.names));
  add_extension(made.get(), impl_->certificate.get(), NID_ext_key_usage, wish.client ? "clientAuth" : "serverAuth");
  CHECK(X509_sign(made.get(), impl_->key.get(), EVP_sha256()) > 0);
  return {.certificates = to_pem(*made), .private_key = key_pem(key.get())};
}

std::string TestAuthority::staple_for(const TlsKeyPair& pair, bool revoked, int days_to) const {
  const auto chain = read_certificates(pair.certificates);
  CHECK(chain.has_value());
  OCSP_BASICRESP* basic = OCSP_BASICRESP_new();
  OCSP_CERTID* id = OCSP_cert_to_id(nullptr, chain->front().get(), impl_->certificate.get());
  ASN1_TIME* from = X509_time_adj_ex(nullptr, days_to - 2, 0, nullptr);
  ASN1_TIME* until = X509_time_adj_ex(nullptr, days_to, 0, nullptr);
  OCSP_basic_add1_status(basic, id, revoked ? V_OCSP_CERTSTATUS_REVOKED : V_OCSP_CERTSTATUS_GOOD, 0,
                         revoked ? from : nullptr, from, until);
  CHECK(OCSP_basic_sign(basic, impl_->certificate.get(), impl_->key.get(), EVP_sha256(), nullptr, 0) == 1);
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
