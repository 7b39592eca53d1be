#include "net/tls/client.h"

#include <openssl/ocsp.h>
#include <openssl/x509v3.h>
#include <unistd.h>
#include <cstdlib>
#include <deque>

#include "base/ip.h"
#include "base/strings.h"
#include "net/tls/certificate.h"
#include "net/tls/parameters.h"
#include "net/tls/tls_stream.h"

namespace sluice {

using namespace tls;

struct TlsSessions::Impl {
  static constexpr size_t kMost = 4;
  std::deque<SessionPtr> newest_last;

  void add(SSL_SESSION* session) {
    newest_last.emplace_back(session);
    if (newest_last.size() > kMost) newest_last.pop_front();
  }
  // One of TLS 1.3 is used once (RFC 8446 C.4).
  SessionPtr take() {
    if (newest_last.empty()) return nullptr;
    SessionPtr session = std::move(newest_last.back());
    newest_last.pop_back();
    if (SSL_SESSION_get_protocol_version(session.get()) < TLS1_3_VERSION && SSL_SESSION_up_ref(session.get()) == 1)
      newest_last.emplace_back(session.get());
    return session;
  }
};

TlsSessions::TlsSessions() : impl_(std::make_unique<Impl>()) {}
TlsSessions::~TlsSessions() = default;

namespace {

class ClientContext final : public TlsClientContext {
 public:
  explicit ClientContext(TlsClientOptions o) : options_(std::move(o)) {}
  const TlsClientOptions& options() const override { return options_; }
  bool verifies() const { return options_.verify != TlsClientOptions::Verify::nothing; }

  ContextPtr context;
  bool trusts_nobody = false;  // the system has no roots

 private:
  const TlsClientOptions options_;
};

class ClientStream final : public TlsStream {
 public:
  ClientStream(std::unique_ptr<Stream> below, std::shared_ptr<const ClientContext> context, const TlsPeer& peer,
               TlsSessions* sessions)
      : TlsStream(std::move(below)),
        context_(std::move(context)),
        name_(peer.name),
        certificate_name_(peer.certificate_name.empty() ? peer.name : peer.certificate_name),
        sessions_(sessions) {
    const auto& own = context_->options().alpn;
    if (own.empty())
      alpn_.assign(peer.alpn.begin(), peer.alpn.end());
    else
      alpn_ = own;
  }

  static int on_verify(int good, X509_STORE_CTX* store) {
    auto* ssl = static_cast<SSL*>(X509_STORE_CTX_get_ex_data(store, SSL_get_ex_data_X509_STORE_CTX_idx()));
    return self(ssl).verify(good == 1, store) ? 1 : 0;
  }
  static int on_session(SSL* ssl, SSL_SESSION* session) {
    TlsSessions* sessions = self(ssl).sessions_;
    if (!sessions) return 0;
    sessions->impl().add(session);
    return 1;
  }
  static int on_staple(SSL* ssl, void*) { return self(ssl).accepts_staple(ssl) ? 1 : 0; }

 private:
  static ClientStream& self(const SSL* ssl) { return static_cast<ClientStream&>(of(ssl)); }

  Result<SslPtr> begin() override;
  bool verify(bool good, X509_STORE_CTX* store);
  bool accepts_staple(SSL* ssl);
  std::optional<Error> handshake_failure() override;
  void refuse(const X509* certificate, int code);
  bool fits(const X509& certificate) const;

  const std::shared_ptr<const ClientContext> context_;
  const std::string name_;
  const std::string certificate_name_;
  std::vector<std::string> alpn_;
  TlsSessions* const sessions_;
  std::optional<Error> why_;
};

std::optional<Error> ClientStream::handshake_failure() {
  if (!why_ && ERR_GET_REASON(ERR_peek_error()) == SSL_R_TLSV1_ALERT_NO_APPLICATION_PROTOCOL)
    return tls_error(
        TlsFailure::protocol,
        fmt::format("the other end has no protocol of those that it is offered by ALPN: {}", join(alpn_, ", ")),
        side());
  return std::exchange(why_, std::nullopt);
}

Result<SslPtr> ClientStream::begin() {
  if (context_->trusts_nobody)
    return std::unexpected(tls_error(TlsFailure::untrusted,
                                     fmt::format("the certificate of {} cannot be verified: this system has no root "
                                                 "certificates (install ca-certificates, or name a CA in sslConfig)",
                                                 name_),
                                     side()));
  SslPtr ssl(SSL_new(context_->context.get()));
  if (!ssl) return fail(ErrorKind::internal, "TLS: " + take_openssl_error());
  SSL_set_connect_state(ssl.get());
  if (!name_.empty() && !IpAddress::parse(name_))
    SSL_set_tlsext_host_name(ssl.get(), name_.c_str());  // RFC 6066 3: names
  const std::string wire = TRY(alpn_wire(alpn_));
  if (!wire.empty())
    SSL_set_alpn_protos(ssl.get(), reinterpret_cast<const unsigned char*>(wire.data()),
                        static_cast<unsigned>(wire.size()));
  if (sessions_)
    if (const SessionPtr session = sessions_->impl().take()) SSL_set_session(ssl.get(), session.get());
  info_.sni = name_;
  return ssl;
}

// RFC 9525: names of the subjectAltName alone, a wildcard only as the whole first label.
bool ClientStream::fits(const X509& certificate) const {
  const TlsClientOptions& options = context_->options();
  if (!options.subject_alt_names.empty()) {
    const CertificateInfo info = describe(certificate);
    return std::ranges::any_of(options.subject_alt_names,
                               [&](const std::string& name) { return has_subject_alt_name(info, name); });
  }
  if (options.verify != TlsClientOptions::Verify::name) return true;
  auto* asked = const_cast<X509*>(&certificate);
  if (IpAddress::parse(certificate_name_)) return X509_check_ip_asc(asked, certificate_name_.c_str(), 0) == 1;
  constexpr unsigned kStrict = X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS | X509_CHECK_FLAG_NEVER_CHECK_SUBJECT;
  return X509_check_host(asked, certificate_name_.data(), certificate_name_.size(), kStrict, nullptr) == 1;
}

void ClientStream::refuse(const X509* certificate, int code) {
  if (why_) return;
  const CertificateInfo info = certificate ? describe(*certificate) : CertificateInfo{};
  if (code == X509_V_ERR_HOSTNAME_MISMATCH) {
    std::vector<std::string> names = info.dns_names;
    names.insert(names.end(), info.ip_names.begin(), info.ip_names.end());
    if (names.size() > 4) names.resize(4);
    const auto& wanted = context_->options().subject_alt_names;
    why_ = tls_error(TlsFailure::wrong_name,
                     fmt::format("the certificate is not for {} but for {} (issuer {})",
                                 wanted.empty() ? certificate_name_ : join(wanted, " or "),
                                 names.empty() ? info.subject : printable(join(names, ", "), 300), info.issuer),
                     side());
    return;
  }
  why_ = tls_error(TlsFailure::untrusted,
                   fmt::format("the certificate of {} cannot be trusted: {} (subject {}, issuer {})", name_,
                               X509_verify_cert_error_string(code), printable(info.subject), printable(info.issuer)),
                   side());
}

bool ClientStream::verify(bool good, X509_STORE_CTX* store) {
  const X509* at = X509_STORE_CTX_get_current_cert(store);
  if (!good) {
    refuse(at, X509_STORE_CTX_get_error(store));
    return false;
  }
  if (X509_STORE_CTX_get_error_depth(store) != 0 || fits(*at)) return true;
  refuse(at, X509_V_ERR_HOSTNAME_MISMATCH);
  X509_STORE_CTX_set_error(store, X509_V_ERR_HOSTNAME_MISMATCH);
  return false;
}

// What a response says of a certificate, by whichever digest it names that (RFC 6960 4.1.1). Null: nothing.
OCSP_SINGLERESP* find_status(OCSP_BASICRESP* basic, const X509* certificate, const X509* issuer) {
  for (int i = 0; i < OCSP_resp_count(basic); ++i) {
    OCSP_SINGLERESP* one = OCSP_resp_get0(basic, i);
    const OCSP_CERTID* named = OCSP_SINGLERESP_get0_id(one);
    ASN1_OBJECT* digest = nullptr;
    OCSP_id_get0_info(nullptr, &digest, nullptr, nullptr, const_cast<OCSP_CERTID*>(named));
    const EVP_MD* known = EVP_get_digestbyobj(digest);
    OCSP_CERTID* wanted = known ? OCSP_cert_to_id(known, certificate, issuer) : nullptr;
    const bool is_it = wanted && OCSP_id_cmp(wanted, named) == 0;
    OCSP_CERTID_free(wanted);
    if (is_it) return one;
  }
  return nullptr;
}

// RFC 6066 8: none is good enough; one that is there must be signed by whom it says, and not say "revoked".
bool ClientStream::accepts_staple(SSL* ssl) {
  const unsigned char* der = nullptr;
  const long size = SSL_get_tlsext_status_ocsp_resp(ssl, static_cast<void*>(&der));
  STACK_OF(X509)* chain = SSL_get0_verified_chain(ssl);
  if (!der || size <= 0 || !context_->verifies() || sk_X509_num(chain) < 2) return true;
  OCSP_RESPONSE* response = d2i_OCSP_RESPONSE(nullptr, &der, size);
  OCSP_BASICRESP* basic = response ? OCSP_response_get1_basic(response) : nullptr;
  int status = V_OCSP_CERTSTATUS_UNKNOWN;
  ASN1_GENERALIZEDTIME *from = nullptr, *until = nullptr;
  constexpr long kClockSkew = 300;  // seconds
  const bool trusted = basic && OCSP_basic_verify(basic, chain, SSL_CTX_get_cert_store(SSL_get_SSL_CTX(ssl)), 0) == 1;
  OCSP_SINGLERESP* single = trusted ? find_status(basic, sk_X509_value(chain, 0), sk_X509_value(chain, 1)) : nullptr;
  const bool known = single != nullptr;
  if (known) status = OCSP_single_get0_status(single, nullptr, nullptr, &from, &until);
  const bool of_now = known && OCSP_check_validity(from, until, kClockSkew, -1) == 1;
  const bool accepted = !known ? false : status != V_OCSP_CERTSTATUS_REVOKED || !of_now;
  if (!accepted)
    why_ = tls_error(TlsFailure::untrusted,
                     fmt::format("the certificate of {} {}", name_,
                                 known ? "has been revoked, as its OCSP staple says"
                                       : "comes with an OCSP staple that cannot be verified"),
                     side());
  ERR_clear_error();
  OCSP_BASICRESP_free(basic);
  OCSP_RESPONSE_free(response);
  return accepted;
}

// As OpenSSL has them, but read at once: a folder of hashed names would be looked into by handshakes.
std::string roots_file() {
  if (const char* named = std::getenv(X509_get_default_cert_file_env())) return named;
  for (const char* usual :
       {"/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt", "/etc/ssl/cert.pem"})
    if (::access(usual, R_OK) == 0) return usual;
  return "";
}

// One store for all contexts: reading the system's roots takes 25 ms.
X509_STORE* system_roots() {
  static const StorePtr roots = [] {
    StorePtr store(X509_STORE_new());
    if (const std::string file = roots_file(); !file.empty()) X509_STORE_load_file(store.get(), file.c_str());
    ERR_clear_error();
    return store;
  }();
  return roots.get();
}

bool is_empty(X509_STORE* store) {
  const STACK_OF(X509_OBJECT)* objects = X509_STORE_get0_objects(store);
  return sk_X509_OBJECT_num(objects) == 0;
}

Status use_key_pair(SSL_CTX& context, const TlsKeyPair& pair) {
  if (pair.certificates.empty() && pair.private_key.empty()) return {};
  const OwnCertificate own = TRY(read_key_pair(pair));
  if (SSL_CTX_use_certificate(&context, own.chain.front().get()) != 1 ||
      SSL_CTX_use_PrivateKey(&context, own.key.get()) != 1)
    return invalid("the client certificate cannot be used: " + take_openssl_error());
  for (size_t i = 1; i < own.chain.size(); ++i) SSL_CTX_add1_chain_cert(&context, own.chain[i].get());
  return {};
}

}  // namespace

Result<std::shared_ptr<const TlsClientContext>> TlsClientContext::create(const TlsClientOptions& options) {
  auto made = std::make_shared<ClientContext>(options);
  made->context.reset(SSL_CTX_new(TLS_client_method()));
  if (!made->context) return fail(ErrorKind::internal, "TLS: " + take_openssl_error());
  SSL_CTX& context = *made->context;
  TRY(apply(options.parameters, context));
  TRY(alpn_wire(options.alpn));
  TRY(use_key_pair(context, options.key_pair));
  if (made->verifies()) {
    if (options.ca.empty()) {
      made->trusts_nobody = is_empty(system_roots());
      SSL_CTX_set1_cert_store(&context, system_roots());
    } else {
      SSL_CTX_set_cert_store(&context, TRY(make_store(options.ca)).release());
    }
    SSL_CTX_set_verify(&context, SSL_VERIFY_PEER, ClientStream::on_verify);
    SSL_CTX_set_tlsext_status_type(&context, TLSEXT_STATUSTYPE_ocsp);
    SSL_CTX_set_tlsext_status_cb(&context, ClientStream::on_staple);
  }
  if (!options.allow_renegotiation) SSL_CTX_set_options(&context, SSL_OP_NO_RENEGOTIATION);
  SSL_CTX_set_session_cache_mode(&context, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
  SSL_CTX_sess_set_new_cb(&context, ClientStream::on_session);
  return made;
}

std::unique_ptr<Stream> tls_connect(std::unique_ptr<Stream> below, std::shared_ptr<const TlsClientContext> context,
                                    const TlsPeer& peer, TlsSessions* sessions) {
  return std::make_unique<ClientStream>(
      std::move(below), std::static_pointer_cast<const ClientContext>(std::move(context)), peer, sessions);
}

}  // namespace sluice
