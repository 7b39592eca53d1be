#include "net/tls/server.h"

#include <openssl/core_names.h>
#include <openssl/rand.h>
#include <openssl/sha.h>
#include <array>
#include <mutex>

#include "base/check.h"
#include "base/strings.h"
#include "net/client_hello.h"
#include "net/tls/certificate.h"
#include "net/tls/parameters.h"
#include "net/tls/tls_stream.h"

namespace sluice {

using namespace tls;

namespace {

// --- tickets ----------------------------------------------------------------------------------------------------

struct TicketKey {
  std::array<unsigned char, 16> name;
  std::array<unsigned char, 32> encryption;
  std::array<unsigned char, 32> authentication;
};

}  // namespace

// One context of OpenSSL, for all certificates that are shown with the same options.
struct TlsServerPolicy {
  ContextPtr context;
  std::string alpn;  // as it goes over the wire
  std::vector<std::string> client_subject_alt_names;
  uint64_t client_policy = 0;
  std::array<unsigned char, SHA256_DIGEST_LENGTH> session_context;  // what a resumed session must have been made under
  Applied applied;
  int verify_mode = SSL_VERIFY_NONE;
  uint64_t options = 0;
  OcspStaplePolicy ocsp = OcspStaplePolicy::lenient_stapling;
};

struct TlsServerShared::Impl {
  explicit Impl(Nanos l) : lifetime(l), now(make_key()) {}

  static TicketKey make_key() {
    TicketKey key;
    CHECK(RAND_bytes(key.name.data(), key.name.size()) == 1);
    CHECK(RAND_bytes(key.encryption.data(), key.encryption.size()) == 1);
    CHECK(RAND_bytes(key.authentication.data(), key.authentication.size()) == 1);
    return key;
  }
  std::optional<TicketKey> find(const unsigned char* name, bool& old) {
    const std::lock_guard lock(mutex);
    const auto fits = [&](const TicketKey& key) { return std::equal(key.name.begin(), key.name.end(), name); };
    old = before && fits(*before);
    if (old) return before;
    return fits(now) ? std::optional(now) : std::nullopt;
  }
  TicketKey newest() {
    const std::lock_guard lock(mutex);
    return now;
  }

  const Nanos lifetime;
  std::mutex mutex;  // held for the copy of a key
  TicketKey now;
  std::optional<TicketKey> before;
  std::optional<SteadyTime> rotated;

  std::mutex policies_mutex;
  std::map<std::string, std::weak_ptr<const TlsServerPolicy>> policies;
};

TlsServerShared::TlsServerShared(Nanos lifetime) : impl_(std::make_unique<Impl>(lifetime)) {}
TlsServerShared::~TlsServerShared() = default;

void TlsServerShared::rotate(SteadyTime now) {
  const std::lock_guard lock(impl_->mutex);
  if (!impl_->rotated) impl_->rotated = now;
  const Nanos since = now - *impl_->rotated;
  if (since < impl_->lifetime) return;
  if (since < 2 * impl_->lifetime)
    impl_->before = impl_->now;
  else
    impl_->before.reset();
  impl_->now = Impl::make_key();
  impl_->rotated = now;
}

namespace {

int shared_index() {
  static const int index = SSL_CTX_get_ex_new_index(0, nullptr, nullptr, nullptr, nullptr);
  return index;
}

TlsServerShared::Impl& shared_of(const SSL* ssl) {
  return *static_cast<TlsServerShared::Impl*>(SSL_CTX_get_ex_data(SSL_get_SSL_CTX(ssl), shared_index()));
}

// RFC 5077 4, with AES-256-CBC and HMAC-SHA256.
int ticket_key(SSL* ssl, unsigned char* name, unsigned char* iv, EVP_CIPHER_CTX* cipher, EVP_MAC_CTX* mac,
               int encrypt) {
  TlsServerShared::Impl& shared = shared_of(ssl);
  bool old = false;
  std::optional<TicketKey> key;
  if (encrypt) {
    key = shared.newest();
    if (RAND_bytes(iv, EVP_CIPHER_get_iv_length(EVP_aes_256_cbc())) != 1) return -1;
    std::ranges::copy(key->name, name);
  } else {
    key = shared.find(name, old);
    if (!key) return 0;  // a full handshake
  }
  char digest[] = "SHA256";
  const OSSL_PARAM how[] = {
      OSSL_PARAM_construct_octet_string(OSSL_MAC_PARAM_KEY, key->authentication.data(), key->authentication.size()),
      OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, digest, 0), OSSL_PARAM_construct_end()};
  if (EVP_MAC_CTX_set_params(mac, how) != 1 ||
      EVP_CipherInit_ex(cipher, EVP_aes_256_cbc(), nullptr, key->encryption.data(), iv, encrypt) != 1)
    return -1;
  return old || SSL_version(ssl) >= TLS1_3_VERSION ? 2 : 1;  // 2: a new ticket, too; one of TLS 1.3 is used once
}

// --- the connection ---------------------------------------------------------------------------------------------

class ServerContext final : public TlsServerContext {
 public:
  const CertificateInfo& certificate() const override { return own.info; }
  uint64_t client_policy() const override { return policy->client_policy; }
  std::vector<std::string> warnings(WallTime now) const override { return warnings_of(own, now); }

  OwnCertificate own;
  Nanos handshake_timeout{};
  STACK_OF(X509) * issuers = nullptr;
  std::shared_ptr<const TlsServerPolicy> policy;
  // By which connections begin whose chain is not known yet: it has nothing of its own that would have to be undone.
  std::shared_ptr<const TlsServerPolicy> neutral;

  ServerContext() = default;
  ServerContext(const ServerContext&) = delete;
  ServerContext& operator=(const ServerContext&) = delete;
  ~ServerContext() override { sk_X509_free(issuers); }
};

const ServerContext& context_of(const TlsServerChains& chains, size_t chain) {
  return static_cast<const ServerContext&>(*chains.chains()[chain].context);
}

class ServerStream final : public TlsStream {
 public:
  ServerStream(std::unique_ptr<Stream> below, std::shared_ptr<const TlsServerChains> chains)
      : TlsStream(std::move(below)), chains_(std::move(chains)) {}

  static int on_client_hello(SSL* ssl, int* alert, void*) { return self(ssl).choose_chain(ssl, *alert); }
  static int on_alpn(SSL* ssl, const unsigned char** out, unsigned char* size, const unsigned char* theirs,
                     unsigned theirs_size, void*) {
    const std::string& ours = self(ssl).context().policy->alpn;
    if (ours.empty()) return SSL_TLSEXT_ERR_NOACK;
    unsigned char* chosen = nullptr;
    // RFC 7301 3.2: with nothing in common the connection ends, as it may be meant for another protocol.
    if (SSL_select_next_proto(&chosen, size, reinterpret_cast<const unsigned char*>(ours.data()),
                              static_cast<unsigned>(ours.size()), theirs, theirs_size) != OPENSSL_NPN_NEGOTIATED)
      return self(ssl).nothing_in_common({reinterpret_cast<const char*>(theirs), theirs_size}, ours);
    *out = chosen;
    return SSL_TLSEXT_ERR_OK;
  }
  static int on_status(SSL* ssl, void*) { return self(ssl).staple(ssl); }
  static int on_verify(int good, X509_STORE_CTX* store) {
    auto* ssl = static_cast<SSL*>(X509_STORE_CTX_get_ex_data(store, SSL_get_ex_data_X509_STORE_CTX_idx()));
    return self(ssl).verify(good == 1, store) ? 1 : 0;
  }

 private:
  static ServerStream& self(const SSL* ssl) { return static_cast<ServerStream&>(of(ssl)); }
  const ServerContext& context() const { return context_of(*chains_, info_.chain); }

  Result<SslPtr> begin() override {
    const ServerContext& first = context_of(*chains_, 0);
    SslPtr ssl(SSL_new((chains_->chains().size() == 1 ? first.policy : first.neutral)->context.get()));
    if (!ssl) return fail(ErrorKind::internal, "TLS: " + take_openssl_error());
    SSL_set_accept_state(ssl.get());
    return ssl;
  }

  int choose_chain(SSL* ssl, int& alert);
  bool use(SSL* ssl, const ServerContext& chosen);
  bool read_name(SSL* ssl);
  int nothing_in_common(std::string_view theirs, std::string_view ours);
  int staple(SSL* ssl);
  bool verify(bool good, X509_STORE_CTX* store);
  std::optional<Error> handshake_failure() override { return std::exchange(why_, std::nullopt); }
  void learn(TlsInfo& info) override;
  Nanos handshake_max() const override { return has_chosen_ ? context().handshake_timeout : Nanos(0); }

  const std::shared_ptr<const TlsServerChains> chains_;
  std::optional<Error> why_;
  bool has_chosen_ = false;
};

// False: what there is is no name.
bool ServerStream::read_name(SSL* ssl) {
  const unsigned char* bytes = nullptr;
  size_t size = 0;
  if (SSL_client_hello_get0_ext(ssl, TLSEXT_TYPE_server_name, &bytes, &size) != 1) return true;
  auto name = read_server_name({reinterpret_cast<const char*>(bytes), size});
  if (!name) return false;
  info_.sni = *std::move(name);
  return true;
}

int ServerStream::choose_chain(SSL* ssl, int& alert) {
  const bool readable = read_name(ssl);
  const auto chain = readable ? chains_->find(info_.sni) : std::nullopt;
  if (!chain) {
    alert = SSL_AD_UNRECOGNIZED_NAME;
    why_ = tls_error(TlsFailure::no_chain,
                     !readable           ? "the client asks for what is no name"
                     : info_.sni.empty() ? "the client asks for no name, and no certificate is for that"
                                         : fmt::format("no certificate is for {}", info_.sni),
                     side());
    return SSL_CLIENT_HELLO_ERROR;
  }
  info_.chain = *chain;
  has_chosen_ = true;
  if (use(ssl, context())) return SSL_CLIENT_HELLO_SUCCESS;
  alert = SSL_AD_INTERNAL_ERROR;
  why_ = Error{.kind = ErrorKind::internal, .message = "TLS: " + take_openssl_error()};
  return SSL_CLIENT_HELLO_ERROR;
}

int ServerStream::nothing_in_common(std::string_view theirs, std::string_view ours) {
  why_ = tls_error(TlsFailure::protocol,
                   fmt::format("the client offers {} by ALPN, and this is for {} (alpnProtocols: [allow_empty] takes "
                               "whatever it offers)",
                               printable(alpn_names(theirs), 100), alpn_names(ours)),
                   side());
  return SSL_TLSEXT_ERR_ALERT_FATAL;
}

// What SSL_new() copied from the neutral context, SSL_set_SSL_CTX() leaves: it is set here.
bool ServerStream::use(SSL* ssl, const ServerContext& chosen) {
  const TlsServerPolicy& policy = *chosen.policy;
  if (SSL_CTX* context = policy.context.get(); SSL_get_SSL_CTX(ssl) != context) {
    if (!SSL_set_SSL_CTX(ssl, context)) return false;
    SSL_clear_options(ssl, SSL_get_options(ssl));
    SSL_set_options(ssl, policy.options);
    SSL_set_verify(ssl, policy.verify_mode, on_verify);
    SSL_set_min_proto_version(ssl, static_cast<int>(SSL_CTX_get_min_proto_version(context)));
    SSL_set_max_proto_version(ssl, static_cast<int>(SSL_CTX_get_max_proto_version(context)));
    SSL_set_security_level(ssl, SSL_CTX_get_security_level(context));
    SSL_set_num_tickets(ssl, SSL_CTX_get_num_tickets(context));
    const auto& [suites, curves] = policy.applied;
    if (!curves.empty() && SSL_set1_groups_list(ssl, curves.c_str()) != 1) return false;
    if (!suites.empty() && SSL_set_ciphersuites(ssl, suites.c_str()) != 1) return false;
  }
  if (SSL_set_session_id_context(ssl, policy.session_context.data(), policy.session_context.size()) != 1) return false;
  return SSL_use_cert_and_key(ssl, chosen.own.chain.front().get(), chosen.own.key.get(), chosen.issuers, 1) == 1;
}

// RFC 6066 8; how it is with a staple that is missing or has expired, the policy says (Envoy's).
int ServerStream::staple(SSL* ssl) {
  const ServerContext& chosen = context();
  const OcspStaplePolicy policy = chosen.policy->ocsp;
  const std::string& der = chosen.own.ocsp_staple;
  const bool good = !der.empty() && chosen.own.ocsp_good && chosen.own.ocsp_until > loop().wall();
  if (good) {
    auto* copy = static_cast<unsigned char*>(OPENSSL_memdup(der.data(), der.size()));
    SSL_set_tlsext_status_ocsp_resp(ssl, copy, static_cast<long>(der.size()));
    return SSL_TLSEXT_ERR_OK;
  }
  if (policy == OcspStaplePolicy::lenient_stapling || (policy == OcspStaplePolicy::strict_stapling && der.empty()))
    return SSL_TLSEXT_ERR_NOACK;
  why_ =
      tls_error(TlsFailure::protocol,
                fmt::format("the OCSP staple for {} is missing or has expired", chosen.own.info.subject), Side::ours);
  return SSL_TLSEXT_ERR_ALERT_FATAL;
}

bool ServerStream::verify(bool good, X509_STORE_CTX* store) {
  const X509* at = X509_STORE_CTX_get_current_cert(store);
  if (!good) {
    if (!why_) {
      const CertificateInfo info = at ? describe(*at) : CertificateInfo{};
      why_ = tls_error(TlsFailure::untrusted,
                       fmt::format("the client certificate of {} is refused: {} (issuer {})", info.subject,
                                   X509_verify_cert_error_string(X509_STORE_CTX_get_error(store)), info.issuer),
                       side());
    }
    return false;
  }
  const auto& names = context().policy->client_subject_alt_names;
  if (X509_STORE_CTX_get_error_depth(store) != 0 || names.empty()) return true;
  const CertificateInfo info = describe(*at);
  if (std::ranges::any_of(names, [&](const std::string& name) { return has_subject_alt_name(info, name); }))
    return true;
  why_ = tls_error(
      TlsFailure::wrong_name,
      fmt::format("the client certificate of {} has none of the names in verifySubjectAltName", info.subject), side());
  X509_STORE_CTX_set_error(store, X509_V_ERR_HOSTNAME_MISMATCH);
  return false;
}

void ServerStream::learn(TlsInfo& info) {
  const ServerContext& chosen = context();
  info.own = {chains_, &chosen.own.info};
  info.client_policy = chosen.policy->client_policy;
  unsigned id_size = 0;
  const unsigned char* id = SSL_SESSION_get_id(SSL_get0_session(ssl()), &id_size);
  info.session_id = hex({id, id_size});
  const X509* peer = SSL_get0_peer_certificate(ssl());
  if (!peer) return;
  auto shown = std::make_shared<PeerCertificate>();
  shown->info = describe(*peer);
  shown->pem = to_pem(*peer);
  const STACK_OF(X509)* chain = SSL_get_peer_cert_chain(ssl());
  shown->chain_pem = shown->pem;  // a server is told of the issuers without the certificate itself
  for (int i = 0; i < sk_X509_num(chain); ++i) shown->chain_pem += to_pem(*sk_X509_value(chain, i));
  info.peer = std::move(shown);
}

// --- contexts ---------------------------------------------------------------------------------------------------

// All that is not the certificate, as text.
std::string key_of(const TlsServerOptions& options) {
  std::string key = fmt::format("{}|{}|{}|{}|{}|{}", static_cast<int>(options.parameters.min),
                                static_cast<int>(options.parameters.max), options.client_certificate_optional,
                                options.tickets, static_cast<int>(options.ocsp), options.client_ca);
  for (const auto* list : {&options.client_subject_alt_names, &options.parameters.cipher_suites,
                           &options.parameters.ecdh_curves, &options.alpn}) {
    key += '|';
    for (const std::string& one : *list) fmt::format_to(std::back_inserter(key), "{}:{}", one.size(), one);
  }
  return key;
}

uint64_t client_policy_of(const TlsServerOptions& options) {
  std::string text = fmt::format("{}|{}", options.client_certificate_optional, options.client_ca);
  for (const std::string& name : options.client_subject_alt_names)
    fmt::format_to(std::back_inserter(text), "|{}:{}", name.size(), name);
  return std::max<uint64_t>(std::hash<std::string>{}(text), 1);
}

Status trust_clients_of(SSL_CTX& context, const std::string& ca) {
  StorePtr store = TRY(make_store(ca));
  for (const CertificatePtr& certificate : TRY(read_certificates(ca)))
    SSL_CTX_add_client_CA(&context, certificate.get());
  SSL_CTX_set_cert_store(&context, store.release());
  return {};
}

Result<std::shared_ptr<const TlsServerPolicy>> make_policy(const TlsServerOptions& options, const std::string& key,
                                                           TlsServerShared::Impl& shared) {
  auto policy = std::make_shared<TlsServerPolicy>();
  policy->context.reset(SSL_CTX_new(TLS_server_method()));
  if (!policy->context) return fail(ErrorKind::internal, "TLS: " + take_openssl_error());
  SSL_CTX& context = *policy->context;
  policy->applied = TRY(apply(options.parameters, context));
  policy->alpn = TRY(alpn_wire(options.alpn));
  policy->client_subject_alt_names = options.client_subject_alt_names;
  policy->ocsp = options.ocsp;
  SHA256(reinterpret_cast<const unsigned char*>(key.data()), key.size(), policy->session_context.data());
  if (!options.client_ca.empty()) {
    TRY(trust_clients_of(context, options.client_ca));
    policy->verify_mode = SSL_VERIFY_PEER | (options.client_certificate_optional ? 0 : SSL_VERIFY_FAIL_IF_NO_PEER_CERT);
    policy->client_policy = client_policy_of(options);
  } else if (!options.client_subject_alt_names.empty()) {
    return invalid("a root_ca must be provided if verify_subject_alt_name is not empty");
  }
  SSL_CTX_set_verify(&context, policy->verify_mode, ServerStream::on_verify);
  SSL_CTX_set_options(
      &context, SSL_OP_NO_RENEGOTIATION | SSL_OP_CIPHER_SERVER_PREFERENCE | (options.tickets ? 0 : SSL_OP_NO_TICKET));
  SSL_CTX_set_num_tickets(&context, options.tickets ? 1 : 0);
  policy->options = SSL_CTX_get_options(&context);
  SSL_CTX_set_session_cache_mode(&context, SSL_SESS_CACHE_OFF);  // tickets, which any worker can read
  SSL_CTX_set_dh_auto(&context, 1);
  SSL_CTX_set_ex_data(&context, shared_index(), &shared);
  SSL_CTX_set_tlsext_ticket_key_evp_cb(&context, ticket_key);
  SSL_CTX_set_client_hello_cb(&context, ServerStream::on_client_hello, nullptr);
  SSL_CTX_set_alpn_select_cb(&context, ServerStream::on_alpn, nullptr);
  SSL_CTX_set_tlsext_status_cb(&context, ServerStream::on_status);
  return policy;
}

Result<std::shared_ptr<const TlsServerPolicy>> policy_for(const TlsServerOptions& options,
                                                          TlsServerShared::Impl& shared) {
  const std::string key = key_of(options);
  const std::lock_guard lock(shared.policies_mutex);
  std::erase_if(shared.policies, [](const auto& entry) { return entry.second.expired(); });
  if (const auto found = shared.policies.find(key); found != shared.policies.end())
    if (auto policy = found->second.lock()) return policy;
  auto policy = TRY(make_policy(options, key, shared));
  shared.policies.insert_or_assign(key, policy);
  return policy;
}

}  // namespace

Result<std::shared_ptr<const TlsServerContext>> TlsServerContext::create(const TlsServerOptions& options,
                                                                         TlsServerShared& shared) {
  auto context = std::make_shared<ServerContext>();
  context->own = TRY(read_key_pair(options.key_pair));
  context->handshake_timeout = options.handshake_timeout;
  context->policy = TRY(policy_for(options, shared.impl()));
  context->neutral = TRY(policy_for({}, shared.impl()));
  context->issuers = sk_X509_new_null();
  for (size_t i = 1; i < context->own.chain.size(); ++i) sk_X509_push(context->issuers, context->own.chain[i].get());
  if (options.ocsp == OcspStaplePolicy::must_staple && context->own.ocsp_staple.empty())
    return invalid("ocspStaplePolicy MUST_STAPLE needs an OCSP staple, and there is none");
  // OpenSSL's own bar, for which the handshake would be too late: keys that are too short, say.
  const SslPtr trial(SSL_new(context->policy->context.get()));
  if (SSL_use_cert_and_key(trial.get(), context->own.chain.front().get(), context->own.key.get(), context->issuers,
                           1) != 1)
    return invalid("the certificate cannot be used: " + take_openssl_error());
  return context;
}

// --- chains -----------------------------------------------------------------------------------------------------

Result<std::shared_ptr<const TlsServerChains>> TlsServerChains::create(std::vector<Chain> chains) {
  CHECK(!chains.empty());
  std::shared_ptr<TlsServerChains> out(new TlsServerChains);
  out->chains_ = std::move(chains);
  const auto twice = [](std::string_view name) {
    return fail(ErrorKind::conflict, fmt::format("two chains are for {}", name));
  };
  for (size_t i = 0; i < out->chains_.size(); ++i) {
    const std::vector<std::string>& domains = out->chains_[i].sni_domains;
    if (domains.empty() || std::ranges::find(domains, "*") != domains.end()) {
      if (std::exchange(out->other_, i)) return twice("every name");
      continue;
    }
    for (const std::string& domain : domains) {
      if (domain.starts_with("*."))
        out->wildcards_.emplace_back(to_lower(domain.substr(1)), i);
      else
        out->names_.emplace_back(to_lower(domain), i);
    }
  }
  for (auto* names : {&out->names_, &out->wildcards_}) {
    std::ranges::sort(*names);
    const auto same = [](const auto& a, const auto& b) { return a.first == b.first; };
    if (const auto at = std::ranges::adjacent_find(*names, same); at != names->end() && at->second != (at + 1)->second)
      return twice(names == &out->wildcards_ ? "*" + at->first : at->first);
  }
  return out;
}

std::optional<size_t> TlsServerChains::find(std::string_view sni) const {
  const auto look_up = [](const auto& names, std::string_view name) -> std::optional<size_t> {
    const auto at =
        std::ranges::lower_bound(names, name, {}, [](const auto& entry) { return std::string_view(entry.first); });
    if (at == names.end() || at->first != name) return std::nullopt;
    return at->second;
  };
  if (sni.empty()) return other_;
  if (const auto exact = look_up(names_, sni)) return exact;
  for (size_t dot = sni.find('.'); dot != std::string_view::npos; dot = sni.find('.', dot + 1))
    if (const auto found = look_up(wildcards_, sni.substr(dot))) return found;
  return other_;
}

std::unique_ptr<Stream> tls_accept(std::unique_ptr<Stream> below, std::shared_ptr<const TlsServerChains> chains) {
  return std::make_unique<ServerStream>(std::move(below), std::move(chains));
}

}  // namespace sluice
