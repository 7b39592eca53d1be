#include "net/tls/authority.h"

#include <openssl/ec.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/x509v3.h>

#include "base/check.h"
#include "base/ip.h"
#include "net/tls/certificate.h"

namespace sluice {

using namespace tls;

namespace {

constexpr size_t kCommonNameBytesMax = 64;  // RFC 5280, ub-common-name

std::string key_pem(EVP_PKEY* key) {
  const BioPtr out(BIO_new(BIO_s_mem()));
  PEM_write_bio_PrivateKey(out.get(), key, nullptr, nullptr, 0, nullptr, nullptr);
  char* bytes = nullptr;
  const long size = BIO_get_mem_data(out.get(), &bytes);
  return {bytes, static_cast<size_t>(size)};
}

void add_extension(X509* to, X509* issuer, int nid, const std::string& value) {
  X509V3_CTX context;
  X509V3_set_ctx(&context, issuer, to, nullptr, nullptr, 0);
  X509_EXTENSION* extension = X509V3_EXT_conf_nid(nullptr, &context, nid, value.c_str());
  CHECK(extension != nullptr);
  X509_add_ext(to, extension, -1);
  X509_EXTENSION_free(extension);
}

// Neither signed nor extended yet.
CertificatePtr begin_certificate(EVP_PKEY* key, std::string_view name, int days_from, int days_to) {
  CertificatePtr out(X509_new());
  X509_set_version(out.get(), X509_VERSION_3);
  uint64_t serial = 0;
  CHECK(RAND_bytes(reinterpret_cast<unsigned char*>(&serial), sizeof serial) == 1);
  ASN1_INTEGER_set_uint64(X509_get_serialNumber(out.get()), serial >> 1);
  X509_time_adj_ex(X509_getm_notBefore(out.get()), days_from, 0, nullptr);
  X509_time_adj_ex(X509_getm_notAfter(out.get()), days_to, 0, nullptr);
  name = name.substr(0, kCommonNameBytesMax);
  X509_NAME_add_entry_by_txt(X509_get_subject_name(out.get()), "CN", MBSTRING_UTF8,
                             reinterpret_cast<const unsigned char*>(name.data()), static_cast<int>(name.size()), -1, 0);
  X509_set_pubkey(out.get(), key);
  return out;
}

std::string as_alternative_names(const std::vector<std::string>& names) {
  std::string out;
  for (const std::string& name : names) {
    const std::string_view kind = IpAddress::parse(name) ? "IP:" : name.contains("://") ? "URI:" : "DNS:";
    out.append(out.empty() ? "" : ",").append(kind).append(name);
  }
  return out;
}

}  // namespace

struct TlsAuthority::Impl {
  KeyPtr key;
  CertificatePtr certificate;
};

TlsAuthority::TlsAuthority(std::unique_ptr<Impl> impl)
    : impl_(std::move(impl)), certificate_(to_pem(*impl_->certificate)) {}
TlsAuthority::TlsAuthority(TlsAuthority&&) noexcept = default;
TlsAuthority::~TlsAuthority() = default;

TlsAuthority TlsAuthority::create(std::string_view name, int days) {
  auto made = std::make_unique<Impl>();
  made->key.reset(EVP_EC_gen("P-256"));
  made->certificate = begin_certificate(made->key.get(), name, -1, days);
  X509* own = made->certificate.get();
  X509_set_issuer_name(own, X509_get_subject_name(own));
  add_extension(own, own, NID_basic_constraints, "critical,CA:TRUE");
  add_extension(own, own, NID_key_usage, "critical,keyCertSign,cRLSign,digitalSignature");
  add_extension(own, own, NID_subject_key_identifier, "hash");
  CHECK(X509_sign(own, made->key.get(), EVP_sha256()) > 0);
  return TlsAuthority(std::move(made));
}

Result<TlsAuthority> TlsAuthority::read(std::string_view pem) {
  OwnCertificate pair =
      TRY(read_key_pair({.certificates = std::string(pem), .private_key = std::string(pem), .ocsp_staple = {}}));
  if (X509_check_ca(pair.chain.front().get()) != 1) return invalid("its certificate is not one of an authority");
  auto read = std::make_unique<Impl>();
  read->key = std::move(pair.key);
  read->certificate = std::move(pair.chain.front());
  return TlsAuthority(std::move(read));
}

TlsKeyPair TlsAuthority::make(const Wish& wish) const {
  const KeyPtr key(EVP_EC_gen("P-256"));
  const CertificatePtr made = begin_certificate(key.get(), wish.names.front(), wish.days_from, wish.days_to);
  X509* const issuer = impl_->certificate.get();
  X509_set_issuer_name(made.get(), X509_get_subject_name(issuer));
  add_extension(made.get(), issuer, NID_subject_alt_name, as_alternative_names(wish.names));
  add_extension(made.get(), issuer, NID_ext_key_usage, wish.client ? "clientAuth" : "serverAuth");
  add_extension(made.get(), issuer, NID_authority_key_identifier, "keyid:always");
  CHECK(X509_sign(made.get(), impl_->key.get(), EVP_sha256()) > 0);
  return {.certificates = to_pem(*made), .private_key = key_pem(key.get()), .ocsp_staple = {}};
}

std::string TlsAuthority::private_key() const {
  return key_pem(impl_->key.get());
}

WallTime TlsAuthority::ends() const {
  return describe(*impl_->certificate).not_after;
}

}  // namespace sluice
