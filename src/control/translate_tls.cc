// TLS: from sslConfig and what it refers to, to contexts; and from the certificates of a Gateway's VirtualServices to
// the chains of its listener (gloo-core 2.8).
#include <algorithm>
#include <unordered_map>

#include "base/strings.h"
#include "control/certificates.h"
#include "control/translating.h"
#include "route/sni_router.h"

namespace sluice {

using kinds::VirtualService;

namespace {

// Unlike that of any other list.
std::string text_of(const std::vector<std::string>& list) {
  std::string out = "[";
  for (const std::string& one : list) out += json_quote(one);
  return out + "]";
}

// Options that decide together with certificate and key whether two chains are one.
std::string text_of(const TlsParameters& p) {
  return fmt::format("{} {} {} {}", static_cast<int>(p.min), static_cast<int>(p.max), text_of(p.cipher_suites),
                     text_of(p.ecdh_curves));
}

std::string text_of(const TlsServerOptions& o) {
  return fmt::format("{} {} {} {} {} {} {} {}", !o.client_ca.empty(), text_of(o.parameters),
                     text_of(o.client_subject_alt_names), text_of(o.alpn), o.tickets, static_cast<int>(o.ocsp),
                     o.client_certificate_optional, o.handshake_timeout.count());
}

std::string text_of(const TlsClientOptions& o) {
  return fmt::format("{} {} {} {} {} {} {}", static_cast<int>(o.verify), o.ca.empty(), text_of(o.parameters),
                     text_of(o.subject_alt_names), text_of(o.alpn), o.allow_renegotiation,
                     o.key_pair.certificates.empty());
}

bool is_half(const TlsKeyPair& pair) {
  return pair.certificates.empty() != pair.private_key.empty();
}

}  // namespace

std::vector<MetricFamily> tls_translation_metric_families() {
  return {kCertificateExpiry};
}

// --- what an sslConfig refers to --------------------------------------------------------------------------------

Result<TlsMaterial> Translating::tls_material(const kinds::SslSource& source) {
  if (source.ssl_files) return material_of_files(*source.ssl_files);
  if (source.secret_ref) return material_of_secret(*source.secret_ref);
  return TlsMaterial{.pair = {}, .root_ca = {}, .from = "none", .made_of = "none"};
}

Result<TlsMaterial> Translating::material_of_secret(const ObjectRef& ref) {
  const ObjectKey key{"Secret", ref.ns, ref.name};
  depend_on(Inputs::What::object, key);
  const ConfigObject* object = find(key.kind, key.ns, key.name);
  if (!object) {
    const std::string rejected = why_rejected(key.kind, key.ns, key.name);
    return fail(ErrorKind::not_found,
                rejected.empty() ? fmt::format("SSL secret not found: list did not find secret {}.{}{}", ref.ns,
                                               ref.name, meant(key))
                                 : fmt::format("SSL secret not found: secret {}.{} {}", ref.ns, ref.name, rejected));
  }
  auto secret = kinds::tls_secret(*object->as<kinds::Secret>(), object->metadata.annotations);
  if (!secret)
    return invalid(fmt::format("{}.{} is not a TLS secret: its type is to be kubernetes.io/tls", ref.ns, ref.name));
  return TlsMaterial{.pair = {.certificates = std::move(secret->certificates),
                              .private_key = std::move(secret->private_key),
                              .ocsp_staple = std::move(secret->ocsp_staple)},
                     .root_ca = std::move(secret->root_ca),
                     .from = fmt::format("Secret {}/{}", ref.ns, ref.name),
                     .made_of = fmt::format("{} {:016x}", key.to_string(), object->hash)};
}

Result<TlsMaterial> Translating::material_of_files(const kinds::SslFiles& files) {
  TlsMaterial out{.pair = {}, .root_ca = {}, .from = "file " + files.tls_cert, .made_of = "files"};
  if (files.tls_cert.empty()) out.from = "file " + files.root_ca;
  for (const auto& [path, into] :
       {std::pair(&files.tls_cert, &out.pair.certificates), std::pair(&files.tls_key, &out.pair.private_key),
        std::pair(&files.root_ca, &out.root_ca), std::pair(&files.ocsp_staple, &out.pair.ocsp_staple)}) {
    out.made_of += " " + json_quote(*path);  // also the empty ones: what a file is for counts
    if (path->empty()) continue;
    const FileData file = TRY(watched_file(*path, WatchedFiles::kBytesMax));
    out.made_of += " " + file.made_of;
    *into = *file.bytes;
  }
  return out;
}

// --- contexts ---------------------------------------------------------------------------------------------------

template <class Made, class Make>
const TlsUnit<Made>& Translating::tls_unit(TlsSlot<Made>& slot, uint64_t hash, Make&& make) {
  slot.seen = t_.run_;
  if (slot.newest && slot.newest->is_still_true(hash)) return *slot.newest;
  TlsUnit<Made> unit{.hash = hash, .run = t_.run_, .inputs = {}, .made = {}};
  auto* const around = std::exchange(tls_inputs_, &unit.inputs);
  unit.made = make();
  tls_inputs_ = around;
  if (unit.made) {
    slot.last_good = *unit.made;
    slot.last_good_hash = hash;
  }
  return slot.newest.emplace(std::move(unit));
}

Result<ServerCertificatePtr> Translating::make_server_certificate(const kinds::ServerSslConfig& config) {
  if (!config.source.any()) return invalid("no certificate information found: set secretRef or sslFiles");
  TlsMaterial material = TRY(tls_material(config.source));
  if (material.pair.certificates.empty() || material.pair.private_key.empty())
    return invalid(fmt::format("{}: no certificate information found: it has no {}", material.from,
                               material.pair.certificates.empty() ? "certificate" : "private key"));
  TlsServerOptions options{.key_pair = std::move(material.pair),
                           .client_ca = config.one_way_tls ? std::string() : std::move(material.root_ca),
                           .client_certificate_optional = false,
                           .client_subject_alt_names = config.verify_subject_alt_name,
                           .parameters = config.parameters,
                           .alpn = config.alpn_protocols,
                           .tickets = !config.disable_tls_session_resumption,
                           .ocsp = config.ocsp_staple_policy,
                           .handshake_timeout = config.transport_socket_connect_timeout.value_or(Nanos(0))};
  if (!options.client_subject_alt_names.empty() && options.client_ca.empty() && !config.one_way_tls)
    return invalid("a root_ca must be provided if verify_subject_alt_name is not empty");
  const std::string key = fmt::format("tls {} {}", material.made_of, text_of(options));
  return kept_.try_get<ServerCertificate>(key, [&]() -> Result<std::shared_ptr<ServerCertificate>> {
    auto made = std::make_shared<ServerCertificate>();
    auto context = TlsServerContext::create(options, t_.tls_shared_);
    if (!context) return std::unexpected(std::move(context).error().in(material.from));
    made->context = std::move(*context);
    made->from = std::move(material.from);
    made->asks_for_client_certificate = !options.client_ca.empty();
    if (trial_) return made;
    made->metrics = std::make_unique<MetricSet>(metrics_);
    made->ends_at = made->metrics->metric(kCertificateExpiry, {{"source", made->from}});
    return made;
  });
}

namespace {

// The same context, if it does so.
Result<std::shared_ptr<const TlsClientContext>> verifying_names(
    const std::shared_ptr<const TlsClientContext>& context) {
  TlsClientOptions options = context->options();
  if (options.verify == TlsClientOptions::Verify::name && options.subject_alt_names.empty()) return context;
  options.verify = TlsClientOptions::Verify::name;
  options.subject_alt_names.clear();
  return TlsClientContext::create(options);
}

}  // namespace

Result<ClientTlsPtr> Translating::make_client_tls(const kinds::UpstreamSslConfig& config, DynamicPeer dynamic) {
  TlsMaterial material = TRY(tls_material(config.source));
  if (is_half(material.pair))
    return invalid(fmt::format("{}: has a {} alone: set both or none", material.from,
                               material.pair.certificates.empty() ? "private key" : "certificate"));
  TlsClientOptions options{.verify = TlsClientOptions::Verify::chain,
                           .ca = std::move(material.root_ca),
                           .subject_alt_names = config.verify_subject_alt_name,
                           .key_pair = config.one_way_tls ? TlsKeyPair() : std::move(material.pair),
                           .parameters = config.parameters,
                           .alpn = config.alpn_protocols,
                           .allow_renegotiation = config.allow_renegotiation};
  if (options.ca.empty() && !options.subject_alt_names.empty())
    return invalid("a root_ca must be provided if verify_subject_alt_name is not empty");
  using enum TlsClientOptions::Verify;
  if (dynamic == DynamicPeer::verified || (dynamic == DynamicPeer::unverified && !options.ca.empty()) ||
      !options.subject_alt_names.empty())
    options.verify = name;
  else if (options.ca.empty())
    options.verify = nothing;
  std::string key =
      fmt::format("client tls {} {} {}", material.made_of, text_of(options), dynamic != DynamicPeer::none);
  return kept_.try_get<ClientTls>(key, [&]() -> Result<std::shared_ptr<ClientTls>> {
    auto context = TlsClientContext::create(options);
    if (!context) return std::unexpected(std::move(context).error().in(material.from));
    auto made = std::make_shared<ClientTls>(ClientTls{std::move(*context), nullptr, key});
    if (dynamic != DynamicPeer::none) made->named = TRY(verifying_names(made->context));
    return made;
  });
}

namespace {

void add_inputs(std::span<const InputPtr> from, std::vector<InputPtr>& into) {
  for (const InputPtr& input : from)
    if (std::ranges::find(into, input) == into.end()) into.push_back(input);
}

}  // namespace

// Its hosts and its TLS belong together: others are not met by what an sslConfig before demanded of these.
Result<Translating::Met> Translating::met(const ConfigObject& object) {
  const auto& upstream = *object.as<kinds::Upstream>();
  if (!speaks_tls(upstream)) return Met{&object, nullptr};
  static const kinds::UpstreamSslConfig kWithoutVerification;
  const auto make = [&] {
    return make_client_tls(upstream.ssl_config ? *upstream.ssl_config : kWithoutVerification, DynamicPeer::none);
  };
  if (trial_) return Met{&object, TRY(make())};
  TlsSlot<ClientTls>& slot = t_.upstream_tls_[object.key];
  const uint64_t hash = upstream.ssl_config ? upstream.ssl_config->hash : 0;
  const TlsUnit<ClientTls>& unit = tls_unit(slot, hash, make);
  if (unit_) add_inputs(unit.inputs, unit_->inputs);
  const auto newest = world_.in_force().find(object.key);
  if (slot.last_good && slot.last_good_hash == hash && newest != world_.in_force().end() &&
      newest->second.get() == &object)
    slot.last_good_of = newest->second;
  if (unit.made) return Met{&object, *unit.made};
  if (!slot.last_good) return std::unexpected(unit.made.error());
  return Met{slot.last_good_hash != hash && slot.last_good_of ? slot.last_good_of.get() : &object, slot.last_good};
}

// To all destinations of a Gateway's forward proxy, or to those that requests or rules ask it for. Null: none may have
// it.
Result<ClientTlsPtr> Translating::tls_of_dynamic(const kinds::DynamicForwardProxyConfig& config) {
  if (!config.ssl_config && !settings_->destinations.scheme && !t_.rules_want_tls_) return nullptr;
  const bool verified = settings_->upstream_tls.verify == kinds::VerifyUpstream::system;
  const auto make = [&] {
    return make_client_tls(config.ssl_config.value_or(kinds::UpstreamSslConfig()),
                           verified ? DynamicPeer::verified : DynamicPeer::unverified);
  };
  if (trial_) return make();
  TlsSlot<ClientTls>& slot = t_.gateway_tls_[part_.key];
  const TlsUnit<ClientTls>& unit =
      tls_unit(slot, 2 * (config.ssl_config ? config.ssl_config->hash : 0) + (verified ? 1 : 0), make);
  if (unit.made) return unit.made;
  Error error = unit.made.error();
  error.message.insert(0, "dynamicForwardProxy.sslConfig: ");
  if (!slot.last_good) return std::unexpected(std::move(error));
  report(part_.owner)
      .clash(fmt::format("Listener Error: SSLConfigError. Reason: {}; what was made of it before stays in force",
                         error.message));
  return slot.last_good;
}

// Of all of them, also those that no route leads to.
void Translating::check_upstreams() {
  for (const ConfigObjectPtr& object : world_.all("Upstream")) {
    if (only_ && only_ != object.get()) continue;
    if (!speaks_tls(*object->as<kinds::Upstream>())) continue;
    const auto usable = met(*object);
    const auto slot = t_.upstream_tls_.find(object->key);
    const Error* error = !usable ? &usable.error() : nullptr;
    if (!trial_ && slot != t_.upstream_tls_.end() && !slot->second.newest->made)
      error = &slot->second.newest->made.error();
    if (!error) continue;
    const std::string text = fmt::format("spec.sslConfig: {}; {}", error->message,
                                         !usable                           ? "requests to it are answered 503"
                                         : usable->version == object.get() ? "what was made of it before stays in force"
                                                                           : "the version before that stays in force");
    if (error->kind == ErrorKind::not_found)
      report(object->key).warning(text);
    else
      report(object->key).clash(text);
  }
}

// --- a Gateway's chains -----------------------------------------------------------------------------------------

// Of a service that no Gateway serves.
void Translating::check_unserved_certificate(const ConfigObject& service) {
  if (!service.as<VirtualService>()->ssl_config) return;
  std::vector<std::string> problems;
  static_cast<void>(certificate_of(service, problems));
  if (!any_gateway_with_tls())
    report(service.key).warning("spec.sslConfig: there is no Gateway with ssl: true, so it is not served");
}

bool Translating::any_gateway_with_tls() const {
  const auto serves = [](const ConfigObjectPtr& object) {
    const auto& gateway = *object->as<kinds::Gateway>();
    if (!gateway.hybrid_gateway) return gateway.ssl && !gateway.tcp_gateway;
    const auto& hybrid = *gateway.hybrid_gateway;
    if (hybrid.matched_gateways.empty())
      return hybrid.delegated_http_gateways && hybrid.delegated_http_gateways->ssl_config.has_value();
    return std::ranges::any_of(hybrid.matched_gateways, [](const kinds::MatchedGateway& one) {
      return one.http_gateway && one.matcher.ssl_config;
    });
  };
  return std::ranges::any_of(world_.all("Gateway"), serves);
}

const ConfigObject* Translating::version_in_force(const ConfigObject& service) const {
  if (!behind_.contains(service.key)) return &service;
  const auto last = t_.last_served_.find(service.key);
  const bool has_ssl = last != t_.last_served_.end() && last->second.object->as<VirtualService>()->ssl_config;
  return has_ssl ? last->second.object.get() : &service;
}

const std::vector<std::string>& Translating::names_of(const ConfigObject& service) const {
  static const std::vector<std::string> kEveryName{"*"};
  const auto& own = *version_in_force(service)->as<VirtualService>()->ssl_config;
  const bool by_default = part_.ssl_defaults && !own.sets("sniDomains");
  const auto& names = by_default ? part_.ssl_defaults->sni_domains : own.sni_domains;
  return names.empty() ? kEveryName : names;
}

uint64_t Translating::ssl_hash(const ConfigObject& service) const {
  const uint64_t own = version_in_force(service)->as<VirtualService>()->ssl_config->hash;
  return part_.ssl_defaults ? kinds::hash_with_defaults(own, part_.ssl_defaults->hash) : own;
}

ObjectKey Translating::certificate_key(const ConfigObject& service) const {
  ObjectKey key = service.key;
  if (part_.ssl_defaults) key.name += " of " + part_.key.to_string();
  return key;
}

// `owner` is an object, or a part of one.
Translating::Certified Translating::certify(const ObjectKey& owner, const kinds::ServerSslConfig& config,
                                            uint64_t beside) {
  const auto make = [&] { return make_server_certificate(config); };
  TlsSlot<ServerCertificate> trial;
  TlsSlot<ServerCertificate>& slot = trial_ ? trial : t_.server_tls_[owner];
  const TlsUnit<ServerCertificate>& unit = tls_unit(slot, config.hash, make);
  if (slot.last_good_hash == config.hash) slot.last_good_beside = beside;
  if (unit.made) return {*unit.made, {}};
  const bool of_other_config = slot.last_good && slot.last_good_hash != config.hash;
  return {slot.last_good, unit.made.error(), of_other_config, of_other_config && slot.last_good_beside != beside};
}

std::string_view Translating::what_is_shown(const Certified& certified) {
  return certified.certificate ? "; the certificate that was shown before stays in force"
                               : "; no certificate is shown for it";
}

// Null: it has none. What is wrong is told of the service. Its routes and its TLS belong together: what they are behind
// another sslConfig, perhaps one that requires client certificates, they are not behind the one before.
ServerCertificatePtr Translating::certificate_of(const ConfigObject& service, std::vector<std::string>& problems) {
  const kinds::ServerSslConfig& own = *service.as<VirtualService>()->ssl_config;
  const bool any_source = own.source.any() || (part_.ssl_defaults && part_.ssl_defaults->source.any());
  Certified certified = part_.ssl_defaults ? certify(certificate_key(service), with_defaults(own, *part_.ssl_defaults))
                                           : certify(certificate_key(service), own);
  if (!certified.problem) return std::move(certified.certificate);
  if (certified.of_other_config) behind_.insert(service.key);
  const Error& error = *certified.problem;
  const std::string text =
      fmt::format("{}{}", error.message,
                  certified.of_other_config ? "; the version before that stays in force" : what_is_shown(certified));
  ObjectReport& told = report(service.key);
  if (error.kind == ErrorKind::not_found)
    told.warning("spec.sslConfig: " + text);
  else if (!any_source)
    told.error("spec.sslConfig: " + text);
  else
    told.clash("spec.sslConfig: " + text);
  problems.push_back(
      fmt::format("Listener {}. Reason: VirtualService {}: {}",
                  error.kind == ErrorKind::not_found ? "Warning: SSLConfigWarning" : "Error: SSLConfigError",
                  short_name(service.key), text));
  return std::move(certified.certificate);
}

// As it is with thousands of services, too.
void Translating::tell_of_certificates(std::vector<std::string> problems) {
  const size_t more = problems.size() > kToldMax ? problems.size() - kToldMax : 0;
  if (more > 0) {
    problems.resize(kToldMax);
    problems.push_back(fmt::format("Listener Warning: SSLConfigWarning. Reason: and {} more VirtualServices", more));
  }
  for (std::string& problem : problems) {
    if (problem.starts_with("Listener Warning"))
      report(part_.owner).warning(std::move(problem));
    else
      report(part_.owner).clash(std::move(problem));
  }
}

namespace {

// RFC 9525 6.3: a wildcard stands for one label.
bool is_for(const CertificateInfo& certificate, const std::string& name) {
  const size_t dot = name.find('.');
  const std::string any = dot == std::string::npos ? "" : "*" + name.substr(dot);
  return std::ranges::any_of(certificate.dns_names, [&](const std::string& one) {
    return equals_ignoring_case(one, name) || (!any.empty() && equals_ignoring_case(one, any));
  });
}

// Names by which clients are shown a certificate that is not for them: they refuse it. "": there is none.
std::string names_without_certificate(const CertificateInfo& certificate, std::span<const std::string> names) {
  constexpr size_t kNamed = 3;
  std::vector<std::string> wrong;
  for (const std::string& name : names)
    if (name != "*" && !is_for(certificate, name) && wrong.size() < kNamed) wrong.push_back(printable(name));
  if (wrong.empty()) return "";
  std::vector<std::string> own(
      certificate.dns_names.begin(),
      certificate.dns_names.begin() + static_cast<ptrdiff_t>(std::min(kNamed, certificate.dns_names.size())));
  return fmt::format("sniDomains: the certificate is not for {}{}", join(wrong, ", "),
                     own.empty() ? "" : " but for " + join(own, ", "));
}

}  // namespace

std::vector<Translating::WithCertificate> Translating::certificates_of(std::span<const ConfigObjectPtr> services) {
  std::vector<WithCertificate> out;
  std::vector<std::string> problems;
  for (const ConfigObjectPtr& service : services) {
    if (only_ && only_ != service.get()) continue;
    if (auto certificate = certificate_of(*service, problems)) {
      if (!trial_) certificate->come_into_force();
      for (const std::string& warning : certificate->context->warnings(now_))
        report(service->key).warning(fmt::format("spec.sslConfig: {}: {}", certificate->from, warning));
      const auto& names = names_of(*service);
      if (const std::string why = names_without_certificate(certificate->context->certificate(), names); !why.empty())
        report(service->key).warning(fmt::format("spec.sslConfig.{} ({})", why, certificate->from));
      out.push_back({service, std::move(certificate), names});
    }
  }
  tell_of_certificates(std::move(problems));
  return out;
}

// Services with the same certificate and options are one chain, for all of their names.
class Translating::ChainBuilder {
 public:
  explicit ChainBuilder(std::span<const WithCertificate> services) : services_(services) {
    chain_of_.reserve(services.size());
    owner_.reserve(services.size());
    for (size_t i = 0; i < services.size(); ++i) {
      const auto [at, is_new] = chain_of_.try_emplace(services[i].certificate.get(), chains_.size());
      if (is_new) chains_.push_back({.sni_domains = {}, .context = services[i].certificate->context});
      chain_.push_back(at->second);
    }
  }

  // `order`: who comes first keeps a name that two chains want.
  void claim(std::span<const size_t> order) {
    for (const size_t i : order)
      for (const std::string& name : services_[i].names) {
        const auto [at, is_new] = owner_.try_emplace(name, i);
        if (is_new)
          chains_[chain_[i]].sni_domains.push_back(name);
        else if (chain_[at->second] != chain_[i])
          conflicts_.push_back({name, at->second, i});
      }
  }

  struct Conflict {
    std::string_view name;
    size_t keeps;
    size_t loses;
  };
  std::span<const Conflict> conflicts() const { return conflicts_; }
  void forget_claims() {
    owner_.clear();
    conflicts_.clear();
    for (auto& chain : chains_) chain.sni_domains.clear();
  }

  // Chains without a name are left out, and their services with them.
  Result<BuiltChains> build() {
    BuiltChains out;
    std::vector<TlsServerChains::Chain> made;
    std::vector<size_t> number(chains_.size(), SIZE_MAX);
    for (size_t i = 0; i < chains_.size(); ++i) {
      if (chains_[i].sni_domains.empty()) continue;
      number[i] = made.size();
      made.push_back(std::move(chains_[i]));
    }
    out.uses.resize(made.size());
    for (size_t i = 0; i < services_.size(); ++i) {
      if (number[chain_[i]] == SIZE_MAX) continue;
      ChainUse& use = out.uses[number[chain_[i]]];
      use.certificate = services_[i].certificate;
      use.services.push_back(services_[i].service->key);
    }
    if (!made.empty()) out.chains = TRY(TlsServerChains::create(std::move(made)));
    return out;
  }

 private:
  std::span<const WithCertificate> services_;
  std::unordered_map<const ServerCertificate*, size_t> chain_of_;
  std::vector<size_t> chain_;  // by service
  std::vector<TlsServerChains::Chain> chains_;
  std::unordered_map<std::string_view, size_t> owner_;  // by name: a service
  std::vector<Conflict> conflicts_;
};

// Gloo rejects the Gateway. What serves goes on serving: a name stays with the service that had it, else the oldest
// gets it, else the first by name (as domains do, control/domain_conflicts.h).
std::vector<size_t> Translating::order_of_claims(std::span<const WithCertificate> services) {
  std::set<ObjectKey> incumbents;
  if (const auto before = t_.chains_.find(part_.key); before != t_.chains_.end())
    for (const ChainUse& use : before->second.built.uses) incumbents.insert(use.services.begin(), use.services.end());
  std::vector<size_t> order(services.size());
  for (size_t i = 0; i < order.size(); ++i) order[i] = i;
  std::ranges::sort(order, {}, [&](size_t i) {
    const ConfigObject& service = *services[i].service;
    const std::string& created = service.metadata.creation_timestamp;
    return std::tuple(!incumbents.contains(service.key), created.empty(), created, service.key);
  });
  return order;
}

Result<BuiltChains> Translating::build_chains(std::span<const WithCertificate> services) {
  Translator::GatewayChains& kept = t_.chains_[part_.key];
  kept.seen = t_.run_;
  const auto is_same = [this](const WithCertificate& service, const Translator::GatewayChains::Part& before) {
    return service.certificate == before.certificate && ssl_hash(*service.service) == before.ssl_config &&
           service.service->key == before.service;
  };
  if (std::ranges::equal(services, kept.made_of, is_same)) return kept.built;
  ChainBuilder builder(services);
  std::vector<size_t> order(services.size());
  for (size_t i = 0; i < order.size(); ++i) order[i] = i;
  builder.claim(order);
  const bool any_conflict = !builder.conflicts().empty();
  if (any_conflict) {  // hardly ever
    builder.forget_claims();
    builder.claim(order_of_claims(services));
    size_t told = 0;
    for (const ChainBuilder::Conflict& one : builder.conflicts())
      tell_conflict(one.name, services[one.keeps].service->key, services[one.loses].service->key, told++ < kToldMax);
    if (told > kToldMax)
      report(part_.owner)
          .clash(fmt::format("Listener Error: SSLConfigError. Reason: and {} more such names; the VirtualServices that "
                             "do not get them say so",
                             told - kToldMax));
  }
  kept.built = TRY(builder.build());
  kept.made_of.clear();
  if (any_conflict) return kept.built;  // it is to be told each time
  for (const WithCertificate& service : services)
    kept.made_of.push_back({service.certificate, ssl_hash(*service.service), service.service->key});
  return kept.built;
}

void Translating::tell_conflict(std::string_view name, const ObjectKey& keeps, const ObjectKey& loses,
                                bool tells_gateway) {
  const std::string match = name == "*" ? std::string() : fmt::format("server_names:{}", json_quote(name));
  const std::string text = fmt::format(
      "Tried to apply multiple filter chains with the same FilterChainMatch {{{}}}. This is usually caused by "
      "overlapping sniDomains or multiple empty sniDomains in virtual services",
      match);
  if (tells_gateway)
    report(part_.owner)
        .clash(fmt::format("Listener Error: SSLConfigError. Reason: {} ({} keeps it, {} does not get it)", text,
                           short_name(keeps), short_name(loses)));
  report(loses).clash(fmt::format("spec.sslConfig.sniDomains: {} asked for by SNI {} served with the certificate of {}",
                                  name == "*" ? "every name not" : json_quote(name), name == "*" ? "else is" : "is",
                                  short_name(keeps)));
}

// The certificate is chosen by the name a client asks for, the virtual host by Host: whoever asks for another name
// shows no certificate (gloo-core 2.8).
void Translating::warn_of_ways_around(std::span<const ChainUse> uses) {
  if (uses.size() < 2) return;
  for (const ChainUse& use : uses) {
    if (!use.certificate->asks_for_client_certificate) continue;
    for (const ObjectKey& service : use.services)
      report(service).warning(fmt::format(
          "spec.sslConfig: client certificates are required of those who ask for its own names by SNI; who "
          "asks for another name of Gateway {} reaches it without one, unless the Gateway has the annotation "
          "{}: \"true\"",
          gateway_->key.name, kinds::kIsolateAnnotation));
  }
}

namespace {

// strconv.ParseBool
bool is_true_as_go_reads(std::string_view text) {
  static constexpr std::string_view kTrue[] = {"1", "t", "T", "true", "TRUE", "True"};
  return std::ranges::find(kTrue, text) != std::end(kTrue);
}

}  // namespace

bool Translating::is_isolated(const ConfigObject& gateway) {
  const auto found = gateway.metadata.annotations.find(std::string(kinds::kIsolateAnnotation));
  return found != gateway.metadata.annotations.end() && is_true_as_go_reads(found->second);
}

Result<std::shared_ptr<const Router>> Translating::router_for(std::span<const ConfigObjectPtr> services) {
  auto hosts = TRY(build_hosts(services));
  if (trial_) return nullptr;  // of this Gateway nothing is opened
  return std::make_shared<const Router>(TRY(RouteTable::create(std::move(hosts))), t_.router_counters_,
                                        unrouted_filters());
}

Status Translating::serve_by_tls(std::span<const ConfigObjectPtr> services, SnapshotHttp& http) {
  const std::vector<WithCertificate> ready = certificates_of(services);
  const bool isolated = is_isolated(*gateway_);
  if (trial_) return isolated ? try_isolated(services, ready) : try_hosts(services);
  BuiltChains built = TRY(build_chains(ready));
  http.config.tls = built.chains;
  http.chains = built.uses;
  if (!isolated) {
    warn_of_ways_around(built.uses);
    http.router = TRY(router_for(services));
    http.config.service = http.router;
  } else {
    TRY(isolate(services, http));
  }
  if (built.chains) return {};
  http.router = nullptr;
  report(part_.owner)
      .clash(fmt::format("Listener Error: SSLConfigError. Reason: {}none of its VirtualServices has a certificate: {}",
                         part_.name.empty() ? "" : part_.path + "httpGateway: ",
                         part_.name.empty() ? "no port is opened" : "connections to it end"));
  return {};
}

Status Translating::try_hosts(std::span<const ConfigObjectPtr> services) {
  TRY(build_hosts(services));
  return {};
}

// Null: it has none.
ServerCertificatePtr Translating::certificate_now(const ConfigObject& service) const {
  const auto slot = t_.server_tls_.find(certificate_key(service));
  if (slot == t_.server_tls_.end() || !slot->second.newest) return nullptr;
  return slot->second.newest->made ? *slot->second.newest->made : slot->second.last_good;
}

// Of those that are not tried the certificates are those of now.
Status Translating::try_isolated(std::span<const ConfigObjectPtr> services, std::span<const WithCertificate> tried) {
  std::map<const ServerCertificate*, std::vector<ConfigObjectPtr>> chains;
  for (const ConfigObjectPtr& service : services) {
    const auto one = std::ranges::find(tried, service, &WithCertificate::service);
    const auto certificate = one == tried.end() ? certificate_now(*service) : one->certificate;
    chains[certificate.get()].push_back(service);
  }
  for (const auto& [certificate, own] : chains) TRY(try_hosts(own));
  return {};
}

// Each chain serves its own virtual hosts and no others.
Status Translating::isolate(std::span<const ConfigObjectPtr> services, SnapshotHttp& http) {
  std::map<ObjectKey, size_t> chain_of;
  for (size_t i = 0; i < http.chains.size(); ++i)
    for (const ObjectKey& service : http.chains[i].services) chain_of[service] = i;
  std::vector<std::vector<ConfigObjectPtr>> by_chain(http.chains.size());
  std::vector<ConfigObjectPtr> others;
  for (const ConfigObjectPtr& service : services) {
    const auto chain = chain_of.find(service->key);
    (chain == chain_of.end() ? others : by_chain[chain->second]).push_back(service);
  }
  for (const auto& own : by_chain) http.chain_routers.push_back(TRY(router_for(own)));
  TRY(build_hosts(others));  // no chain serves them, and their owners hear what else is wrong with them
  http.router = std::make_shared<const Router>(TRY(RouteTable::create({})), t_.router_counters_, unrouted_filters());
  http.config.service = std::make_shared<const SniRouter>(
      http.config.tls,
      std::vector<std::shared_ptr<const Service>>(http.chain_routers.begin(), http.chain_routers.end()), http.router);
  return {};
}

// What this run did not meet is gone.
void Translating::leave_tls() {
  const auto is_gone = [this](const auto& entry) { return entry.second.seen != t_.run_; };
  std::erase_if(t_.server_tls_, is_gone);
  std::erase_if(t_.upstream_tls_, is_gone);
  std::erase_if(t_.gateway_tls_, is_gone);
  std::erase_if(t_.chains_, is_gone);
}

}  // namespace sluice
