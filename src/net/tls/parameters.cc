#include "net/tls/parameters.h"

#include "base/strings.h"
#include "net/tls/certificate.h"

namespace sluice::tls {
namespace {

int wire_version(TlsVersion version, int automatic) {
  switch (version) {
    case TlsVersion::automatic: return automatic;
    case TlsVersion::tls1_0: return TLS1_VERSION;
    case TlsVersion::tls1_1: return TLS1_1_VERSION;
    case TlsVersion::tls1_2: return TLS1_2_VERSION;
    case TlsVersion::tls1_3: return TLS1_3_VERSION;
  }
  return automatic;
}

// BoringSSL writes groups of one preference as "[A|B]"; OpenSSL has an order only, and theirs keeps it.
std::vector<std::string> flat(const std::vector<std::string>& names) {
  std::vector<std::string> out;
  for (std::string_view name : names) {
    if (name.starts_with('[') && name.ends_with(']')) name = name.substr(1, name.size() - 2);
    for (const std::string_view one : split(name, '|')) out.emplace_back(one);
  }
  return out;
}

// Not by a word that stands for many, such as HIGH.
bool has_cipher(const SSL_CTX& context, std::string_view name) {
  const STACK_OF(SSL_CIPHER)* ciphers = SSL_CTX_get_ciphers(&context);
  for (int i = 0; i < sk_SSL_CIPHER_num(ciphers); ++i)
    if (SSL_CIPHER_get_name(sk_SSL_CIPHER_value(ciphers, i)) == name) return true;
  return false;
}

// The suites of TLS 1.3 among them; empty: the library's own.
Result<std::string> apply_ciphers(const TlsParameters& parameters, SSL_CTX& context) {
  if (parameters.cipher_suites.empty()) return "";
  std::string of_12, of_13;
  for (const std::string& name : flat(parameters.cipher_suites)) {
    const auto add = [&](std::string& to, std::string_view what) { to.append(to.empty() ? "" : ":").append(what); };
    // A list with one that is known is taken by OpenSSL, whatever else is in it: ask for each alone.
    if (!name.empty() && SSL_CTX_set_ciphersuites(&context, name.c_str()) == 1) {
      add(of_13, name);
      continue;
    }
    const char* other_spelling = OPENSSL_cipher_name(name.c_str());
    const std::string openssl_name =
        other_spelling && other_spelling != std::string_view("(NONE)") ? other_spelling : name;
    if (SSL_CTX_set_cipher_list(&context, openssl_name.c_str()) != 1 || !has_cipher(context, openssl_name)) {
      ERR_clear_error();
      return invalid(fmt::format("cipher suite {} is not known", printable(name, 60)));
    }
    add(of_12, openssl_name);
  }
  ERR_clear_error();
  // TLS 1.3 cannot be had without its suites: those of the library stay unless some are named.
  if (SSL_CTX_set_ciphersuites(&context, of_13.empty() ? TLS_DEFAULT_CIPHERSUITES : of_13.c_str()) != 1 ||
      SSL_CTX_set_cipher_list(&context, of_12.empty() ? "DEFAULT" : of_12.c_str()) != 1)
    return invalid("the cipher suites cannot be used: " + take_openssl_error());
  SSL_CTX_set_options(&context, SSL_OP_CIPHER_SERVER_PREFERENCE);
  return of_13;
}

Result<std::string> apply_curves(const TlsParameters& parameters, SSL_CTX& context) {
  std::string list;
  for (const std::string& curve : parameters.ecdh_curves) {
    if (SSL_CTX_set1_groups_list(&context, curve.c_str()) != 1) {
      ERR_clear_error();
      return invalid(fmt::format("curve {} is not known", printable(curve, 60)));
    }
    list += (list.empty() ? "" : ":") + curve;
  }
  if (!list.empty() && SSL_CTX_set1_groups_list(&context, list.c_str()) != 1)
    return invalid("the curves cannot be used: " + take_openssl_error());
  return list;
}

}  // namespace

Result<Applied> apply(const TlsParameters& parameters, SSL_CTX& context) {
  const int min = wire_version(parameters.min, TLS1_2_VERSION);
  const int max = wire_version(parameters.max, TLS1_3_VERSION);
  if (min > max) return invalid("the lowest TLS version is above the highest");
  // What these versions need is below OpenSSL's usual level of security: SHA-1 in their handshakes.
  if (min < TLS1_2_VERSION) SSL_CTX_set_security_level(&context, 0);
  SSL_CTX_set_min_proto_version(&context, min);
  SSL_CTX_set_max_proto_version(&context, max);
  SSL_CTX_set_options(&context, SSL_OP_NO_COMPRESSION | SSL_OP_PRIORITIZE_CHACHA);
  SSL_CTX_set_mode(&context,
                   SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER | SSL_MODE_RELEASE_BUFFERS);
  SSL_CTX_set_read_ahead(&context, 1);
  return Applied{.suites_of_13 = TRY(apply_ciphers(parameters, context)),
                 .curves = TRY(apply_curves(parameters, context))};
}

Result<std::string> alpn_wire(std::span<const std::string> protocols) {
  std::string out;
  for (const std::string& protocol : protocols) {
    if (protocol.empty() || protocol.size() > 255)
      return invalid(fmt::format("ALPN protocol `{}` must have 1 to 255 bytes", printable(protocol, 40)));
    out += static_cast<char>(protocol.size());
    out += protocol;
  }
  return out;
}

std::string alpn_names(std::string_view wire) {
  std::string out;
  while (!wire.empty()) {
    const auto size = static_cast<unsigned char>(wire.front());
    out.append(out.empty() ? "" : ", ").append(wire.substr(1, size));
    wire.remove_prefix(std::min<size_t>(wire.size(), 1U + size));
  }
  return out;
}

Result<StorePtr> make_store(std::string_view pem) {
  StorePtr store(X509_STORE_new());
  auto certificates = read_certificates(pem);
  if (!certificates) return std::unexpected(std::move(certificates).error().in("the CA"));
  for (const CertificatePtr& certificate : *certificates) X509_STORE_add_cert(store.get(), certificate.get());
  ERR_clear_error();
  return store;
}

}  // namespace sluice::tls
