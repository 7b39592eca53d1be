// The legacy readers of keys take 3 us where OpenSSL 3's decoders take 600: with 10,000 key pairs that is 6 s.
#define OPENSSL_SUPPRESS_DEPRECATED
#include "net/tls/certificate.h"

#include <openssl/ec.h>
#include <openssl/ocsp.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <openssl/x509v3.h>
#include <ctime>

#include "base/encoding.h"
#include "base/ip.h"
#include "base/strings.h"

namespace sluice::tls {
namespace {

// Our clock ends in 2262; RFC 5280 4.1.2.5 has certificates that end in 9999, which is "never".
WallTime to_wall(const ASN1_TIME* time) {
  std::tm broken{};
  if (!time || ASN1_TIME_to_tm(time, &broken) != 1) return {};
  const auto seconds = std::chrono::seconds(timegm(&broken));
  const auto end = std::chrono::floor<std::chrono::seconds>(WallTime::max().time_since_epoch());
  return seconds < end ? WallTime(seconds) : WallTime::max();
}

std::string name_text(const X509_NAME* name) {
  const BioPtr out(BIO_new(BIO_s_mem()));
  X509_NAME_print_ex(out.get(), name, 0, XN_FLAG_RFC2253);
  char* bytes = nullptr;
  const long size = BIO_get_mem_data(out.get(), &bytes);
  return {bytes, static_cast<size_t>(size)};
}

std::string fingerprint(const X509& certificate, const EVP_MD* digest) {
  unsigned char hash[EVP_MAX_MD_SIZE];
  unsigned size = 0;
  X509_digest(&certificate, digest, hash, &size);
  return hex({hash, size});
}

std::string serial_text(const X509& certificate) {
  BIGNUM* number = ASN1_INTEGER_to_BN(X509_get0_serialNumber(&certificate), nullptr);
  char* text = BN_bn2hex(number);
  std::string out = to_lower(text ? text : "");
  OPENSSL_free(text);
  BN_free(number);
  return out;
}

std::string_view text_of(const ASN1_STRING* text) {
  return {reinterpret_cast<const char*>(ASN1_STRING_get0_data(text)), static_cast<size_t>(ASN1_STRING_length(text))};
}

std::span<const uint8_t> bytes_of(const ASN1_STRING* text) {
  return {ASN1_STRING_get0_data(text), static_cast<size_t>(ASN1_STRING_length(text))};
}

void add_names(const X509& certificate, CertificateInfo& info) {
  auto* names = static_cast<GENERAL_NAMES*>(X509_get_ext_d2i(&certificate, NID_subject_alt_name, nullptr, nullptr));
  for (int i = 0; i < sk_GENERAL_NAME_num(names); ++i) {
    const GENERAL_NAME* name = sk_GENERAL_NAME_value(names, i);
    switch (name->type) {
      case GEN_DNS: info.dns_names.emplace_back(text_of(name->d.dNSName)); break;
      case GEN_URI: info.uri_names.emplace_back(text_of(name->d.uniformResourceIdentifier)); break;
      case GEN_EMAIL: info.email_names.emplace_back(text_of(name->d.rfc822Name)); break;
      case GEN_IPADD:
        if (const auto ip = IpAddress::from_bytes(bytes_of(name->d.iPAddress)))
          info.ip_names.push_back(ip->to_string());
        break;
      default: break;
    }
  }
  GENERAL_NAMES_free(names);
}

// OpenSSL's own bound for what comes from the other side (SSL_MAX_CERT_LIST_DEFAULT), which most clients have.
constexpr size_t kChainBytesMax = 100U << 10;

// PEM blocks of any kind, one after the other: name and DER. Nothing: no further one, or one that is broken, of which
// OpenSSL's queue of errors says what.
struct PemBlock {
  std::string name;
  std::string header;
  std::string der;
};
std::optional<PemBlock> next_block(BIO* from) {
  ERR_clear_error();
  char *name = nullptr, *header = nullptr;
  unsigned char* der = nullptr;
  long size = 0;
  if (PEM_read_bio(from, &name, &header, &der, &size) != 1) {
    if (ERR_GET_REASON(ERR_peek_last_error()) == PEM_R_NO_START_LINE) ERR_clear_error();  // the end
    return std::nullopt;
  }
  PemBlock block{name, header, {reinterpret_cast<char*>(der), static_cast<size_t>(size)}};
  OPENSSL_free(name);
  OPENSSL_free(header);
  OPENSSL_clear_free(der, static_cast<size_t>(size));
  return block;
}

const unsigned char* bytes_of(const std::string& text) {
  return reinterpret_cast<const unsigned char*>(text.data());
}

KeyPtr rsa_key(const unsigned char* der, long size) {
  RSA* rsa = d2i_RSAPrivateKey(nullptr, &der, size);
  KeyPtr key(EVP_PKEY_new());
  if (!rsa || EVP_PKEY_assign_RSA(key.get(), rsa) != 1) {
    RSA_free(rsa);
    return nullptr;
  }
  return key;
}

KeyPtr ec_key(const unsigned char* der, long size, const X509_ALGOR* algorithm) {
  int type = 0;
  const void* parameter = nullptr;
  X509_ALGOR_get0(nullptr, &type, &parameter, algorithm);
  if (type != V_ASN1_OBJECT) return nullptr;
  EC_KEY* ec = EC_KEY_new_by_curve_name(OBJ_obj2nid(static_cast<const ASN1_OBJECT*>(parameter)));
  KeyPtr key(EVP_PKEY_new());
  if (!ec || !d2i_ECPrivateKey(&ec, &der, size) || EVP_PKEY_assign_EC_KEY(key.get(), ec) != 1) {
    EC_KEY_free(ec);
    return nullptr;
  }
  return key;
}

// The usual forms (RFC 5208 with RSA or a named curve, RFC 8017); null: it is another one.
KeyPtr read_usual_key(const PemBlock& block) {
  const unsigned char* der = bytes_of(block.der);
  const long size = static_cast<long>(block.der.size());
  if (block.name == PEM_STRING_RSA) return rsa_key(der, size);
  if (block.name != PEM_STRING_PKCS8INF) return nullptr;
  PKCS8_PRIV_KEY_INFO* info = d2i_PKCS8_PRIV_KEY_INFO(nullptr, &der, size);
  if (!info) return nullptr;
  const unsigned char* inner = nullptr;
  int inner_size = 0;
  const X509_ALGOR* algorithm = nullptr;
  const ASN1_OBJECT* what = nullptr;
  PKCS8_pkey_get0(&what, &inner, &inner_size, &algorithm, info);
  KeyPtr key;
  if (OBJ_obj2nid(what) == NID_rsaEncryption) key = rsa_key(inner, inner_size);
  if (OBJ_obj2nid(what) == NID_X9_62_id_ecPublicKey) key = ec_key(inner, inner_size, algorithm);
  PKCS8_PRIV_KEY_INFO_free(info);
  return key;
}

int no_passphrase(char*, int, int, void*) {
  return -1;
}

// Whether its issuer is published for download (RFC 5280 4.2.2.1), as public authorities do with those that are no
// roots: clients do not go and get it.
bool has_issuer_to_download(const X509& certificate) {
  auto* access = static_cast<AUTHORITY_INFO_ACCESS*>(X509_get_ext_d2i(&certificate, NID_info_access, nullptr, nullptr));
  bool found = false;
  for (int i = 0; i < sk_ACCESS_DESCRIPTION_num(access); ++i)
    found |= OBJ_obj2nid(sk_ACCESS_DESCRIPTION_value(access, i)->method) == NID_ad_ca_issuers;
  AUTHORITY_INFO_ACCESS_free(access);
  return found;
}

// RFC 7633: the certificate's issuer says that it counts only with a staple.
bool asks_for_staple(const X509& certificate) {
  return X509_get_ext_by_NID(&certificate, NID_tlsfeature, -1) >= 0;
}

// The first one that the next one did not sign, by their names.
size_t first_without_issuer(const std::vector<CertificatePtr>& chain) {
  size_t i = 0;
  while (i + 1 < chain.size() &&
         X509_NAME_cmp(X509_get_issuer_name(chain[i].get()), X509_get_subject_name(chain[i + 1].get())) == 0)
    ++i;
  return i;
}

Status check_size(const std::vector<CertificatePtr>& chain) {
  size_t bytes = 0;
  for (const CertificatePtr& certificate : chain) bytes += static_cast<size_t>(i2d_X509(certificate.get(), nullptr));
  if (bytes <= kChainBytesMax) return {};
  return invalid(fmt::format("the chain of {} certificates has {} bytes: peers take {} at most", chain.size(), bytes,
                             kChainBytesMax));
}

Status read_staple(const std::string& der, OwnCertificate& own) {
  const unsigned char* at = bytes_of(der);
  OCSP_RESPONSE* response = d2i_OCSP_RESPONSE(nullptr, &at, static_cast<long>(der.size()));
  if (!response) {
    ERR_clear_error();
    return invalid("the OCSP staple is no OCSP response in DER");
  }
  Status out;
  OCSP_BASICRESP* basic = OCSP_response_get1_basic(response);
  if (OCSP_response_status(response) != OCSP_RESPONSE_STATUS_SUCCESSFUL || !basic || OCSP_resp_count(basic) != 1) {
    out = invalid("the OCSP staple is no successful response about one certificate");
  } else {
    OCSP_SINGLERESP* single = OCSP_resp_get0(basic, 0);
    ASN1_GENERALIZEDTIME *this_update = nullptr, *next_update = nullptr;
    const int status = OCSP_single_get0_status(single, nullptr, nullptr, &this_update, &next_update);
    ASN1_INTEGER* serial = nullptr;
    OCSP_id_get0_info(nullptr, nullptr, nullptr, &serial, const_cast<OCSP_CERTID*>(OCSP_SINGLERESP_get0_id(single)));
    if (ASN1_INTEGER_cmp(serial, X509_get0_serialNumber(own.chain.front().get())) != 0) {
      out = invalid("the OCSP staple is for another certificate");
    } else {
      own.ocsp_staple = der;
      own.ocsp_good = status == V_OCSP_CERTSTATUS_GOOD;
      own.ocsp_until = next_update ? to_wall(next_update) : WallTime::max();
    }
  }
  ERR_clear_error();
  OCSP_BASICRESP_free(basic);
  OCSP_RESPONSE_free(response);
  return out;
}

}  // namespace

Result<std::vector<CertificatePtr>> read_certificates(std::string_view pem) {
  const BioPtr from = bio_over(pem);
  std::vector<CertificatePtr> out;
  while (auto block = next_block(from.get())) {
    if (block->name != PEM_STRING_X509 && block->name != PEM_STRING_X509_TRUSTED && block->name != PEM_STRING_X509_OLD)
      continue;
    const unsigned char* der = bytes_of(block->der);
    CertificatePtr certificate(d2i_X509(nullptr, &der, static_cast<long>(block->der.size())));
    if (!certificate)
      return invalid(fmt::format("certificate {} cannot be read: {}", out.size() + 1, take_openssl_error()));
    out.push_back(std::move(certificate));
  }
  // A file that is being written must not pass for one with fewer of them.
  if (ERR_peek_error() != 0)
    return invalid(fmt::format("certificate {} cannot be read: {}", out.size() + 1, take_openssl_error()));
  if (out.empty()) return invalid("there is no certificate in PEM (-----BEGIN CERTIFICATE-----)");
  return out;
}

Result<KeyPtr> read_private_key(std::string_view pem) {
  const BioPtr from = bio_over(pem);
  while (auto block = next_block(from.get())) {
    if (block->name == PEM_STRING_PKCS8 || block->header.contains("ENCRYPTED"))
      return invalid("the private key has a passphrase: take it off (openssl pkey -in KEY -out KEY)");
    if (!block->name.ends_with("PRIVATE KEY")) continue;
    KeyPtr key = read_usual_key(*block);
    OPENSSL_cleanse(block->der.data(), block->der.size());
    if (key) return key;
    break;  // another form
  }
  ERR_clear_error();
  const BioPtr again = bio_over(pem);
  KeyPtr key(PEM_read_bio_PrivateKey(again.get(), nullptr, no_passphrase, nullptr));
  if (key) return key;
  ERR_clear_error();
  return invalid("there is no private key in PEM (-----BEGIN PRIVATE KEY-----)");
}

std::string hex(std::span<const unsigned char> bytes) {
  constexpr char kDigits[] = "0123456789abcdef";
  std::string out;
  out.reserve(2 * bytes.size());
  for (const unsigned char byte : bytes) out += {kDigits[byte >> 4], kDigits[byte & 15]};
  return out;
}

CertificateInfo describe(const X509& certificate) {
  CertificateInfo info{.subject = name_text(X509_get_subject_name(&certificate)),
                       .issuer = name_text(X509_get_issuer_name(&certificate)),
                       .serial = serial_text(certificate),
                       .fingerprint_sha256 = fingerprint(certificate, EVP_sha256()),
                       .fingerprint_sha1 = fingerprint(certificate, EVP_sha1()),
                       .not_before = to_wall(X509_get0_notBefore(&certificate)),
                       .not_after = to_wall(X509_get0_notAfter(&certificate))};
  add_names(certificate, info);
  return info;
}

std::string to_pem(const X509& certificate) {
  const BioPtr out(BIO_new(BIO_s_mem()));
  PEM_write_bio_X509(out.get(), &certificate);
  char* bytes = nullptr;
  const long size = BIO_get_mem_data(out.get(), &bytes);
  return {bytes, static_cast<size_t>(size)};
}

bool has_subject_alt_name(const CertificateInfo& certificate, std::string_view name) {
  const auto is_name = [&](const std::string& other) { return other == name; };
  const auto is_dns_name = [&](const std::string& other) { return to_lower(other) == to_lower(name); };
  return std::ranges::any_of(certificate.dns_names, is_dns_name) ||
         std::ranges::any_of(certificate.uri_names, is_name) || std::ranges::any_of(certificate.ip_names, is_name) ||
         std::ranges::any_of(certificate.email_names, is_name);
}

Result<OwnCertificate> read_key_pair(const TlsKeyPair& pair) {
  OwnCertificate own;
  own.chain = TRY(read_certificates(pair.certificates));
  TRY(check_size(own.chain));
  own.key = TRY(read_private_key(pair.private_key));
  if (X509_check_private_key(own.chain.front().get(), own.key.get()) != 1) {
    ERR_clear_error();
    return invalid(fmt::format("the private key does not fit the certificate of {}",
                               name_text(X509_get_subject_name(own.chain.front().get()))));
  }
  own.info = describe(*own.chain.front());
  own.must_staple = asks_for_staple(*own.chain.front());
  if (!pair.ocsp_staple.empty()) TRY(read_staple(pair.ocsp_staple, own));
  return own;
}

std::vector<std::string> warnings_of(const OwnCertificate& own, WallTime now) {
  std::vector<std::string> out;
  const auto day = [](WallTime at) { return format_iso_seconds(at); };
  if (own.info.not_after < now)
    out.push_back(fmt::format("the certificate of {} has expired on {}", own.info.subject, day(own.info.not_after)));
  if (own.info.not_before > now)
    out.push_back(
        fmt::format("the certificate of {} is not valid before {}", own.info.subject, day(own.info.not_before)));
  if (const auto at = first_without_issuer(own.chain); at + 1 < own.chain.size())
    out.push_back(fmt::format("certificate {} of the chain ({}) is not the issuer of the one before it ({})", at + 2,
                              name_text(X509_get_subject_name(own.chain[at + 1].get())),
                              name_text(X509_get_issuer_name(own.chain[at].get()))));
  if (own.chain.size() == 1 && has_issuer_to_download(*own.chain.front()))
    out.push_back(
        fmt::format("the chain of {} has no certificate but its own: clients that do not know {} will refuse it",
                    own.info.subject, own.info.issuer));
  if (own.ocsp_staple.empty() && own.must_staple)
    out.push_back(
        fmt::format("the certificate of {} asks for an OCSP staple (RFC 7633), and there is none", own.info.subject));
  if (!own.ocsp_staple.empty() && own.ocsp_until < now)
    out.push_back(fmt::format("the OCSP staple for {} has expired on {}", own.info.subject, day(own.ocsp_until)));
  return out;
}

}  // namespace sluice::tls
