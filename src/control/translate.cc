#include "control/translate.h"

#include <algorithm>
#include <cstring>

#include "base/encoding.h"
#include "control/domain_conflicts.h"
#include "control/translating.h"
#include "route/header_mutations.h"
#include "route/route_table.h"

namespace sluice {
namespace {

using kinds::Gateway;

constexpr MetricFamily kNoRoute{"envoy_http_no_route", "Requests that no route fits."};
constexpr MetricFamily kServicesClosed{"sluice_virtual_service_closed_total",
                                       "Requests refused because the VirtualService of their host is not in force."};
constexpr MetricFamily kRedirectTooCostly{"sluice_redirect_regex_too_costly_total",
                                          "Redirects answered with 500 because their expression would cost too much."};
constexpr MetricFamily kMatchTooCostly{"sluice_route_match_too_costly_total",
                                       "Requests refused because the expressions of matchers would take too long."};
constexpr MetricFamily kPolicyGaps{"sluice_egress_policies_not_in_force",
                                   "What may be an EgressPolicy and is not in force: what it is for refuses.",
                                   MetricType::gauge};
constexpr MetricFamily kServicesOut{"sluice_virtual_services_not_in_force",
                                    "VirtualServices of which no version is in force: their hosts refuse.",
                                    MetricType::gauge};
constexpr MetricFamily kRouteChanges{"sluice_route_changes_total",
                                     "Routes that were chosen again on a request's way and became another."};
constexpr MetricFamily kRouteEndless{"sluice_route_changes_refused_total",
                                     "Requests answered with 500 because their route was chosen again too often."};
constexpr MetricFamily kSnapshotsLive{"sluice_snapshots_live", "Snapshots that some exchange or worker still uses.",
                                      MetricType::gauge};
constexpr MetricFamily kKept{"sluice_kept_objects",
                             "What outlives snapshots: clusters, resolvers, address rules, caches of tokens.",
                             MetricType::gauge};
constexpr MetricFamily kCompiled{"sluice_objects_compiled_total",
                                 "VirtualServices that were compiled, once for each Gateway that has them: at a change "
                                 "those that depend on what changed."};
constexpr MetricFamily kSeries{"sluice_metric_series", "Series that are counted; histograms are one each.",
                               MetricType::gauge};

// When there is no Gateway at all: one on loopback, so that a folder of VirtualServices is enough to begin with.
ConfigObjectPtr make_default_gateway() {
  auto made = std::make_shared<ConfigObject>();
  made->key = {"Gateway", "gloo-system", "gateway-proxy"};
  made->metadata.name = made->key.name;
  Gateway gateway;
  gateway.bind_address = "127.0.0.1";
  gateway.bind_port = 8080;
  made->spec = std::move(gateway);
  return made;
}

const kinds::ProxySettings& default_settings() {
  static const kinds::ProxySettings kDefaults;
  return kDefaults;
}

// The same for all spellings: of IPv6 addresses there are many.
std::string address_of(const ConfigObject& gateway) {
  const auto* spec = gateway.as<Gateway>();
  const auto address = SocketAddress::parse(spec->bind_address, spec->bind_port);
  return address ? address->to_string() : fmt::format("{}:{}", spec->bind_address, spec->bind_port);
}

}  // namespace

// --- gateways ---------------------------------------------------------------------------------------------------

std::shared_ptr<const Snapshot> Translating::run() {
  snapshot_ = std::make_shared<Snapshot>();
  snapshot_->id = trial_ ? 0 : ++t_.last_id_;
  if (!trial_) {
    snapshot_->live = t_.snapshots_live_;
    t_.snapshots_live_->add();
  }
  note_addresses();
  std::vector<ConfigObjectPtr> all_gateways = gateways();
  check_targets(all_gateways);
  index_gaps(all_gateways);
  reject_shared_ports(all_gateways);
  note_own_ports(all_gateways);
  elsewhere_.guard = guard_of("", "guard elsewhere", {}).value();
  for (const ConfigObjectPtr& gateway : all_gateways) translate_gateway(gateway);
  for (const ConfigObjectPtr& gateway : world_.all("Gateway"))  // also of those that are not served here
    if (std::ranges::find(all_gateways, gateway) == all_gateways.end()) check_log_formats(*gateway);
  check_unserved();
  check_not_taken_in();
  check_upstreams();
  if (trial_) return nullptr;
  settle_clusters();
  settle_egress();
  t_.policy_gaps_->set(static_cast<int64_t>(gaps_.size()));
  t_.services_out_->set(static_cast<int64_t>(closed_.size()));
  remember();
  return std::move(snapshot_);
}

void Translating::note_addresses() {
  // A machine that does not tell (no descriptor left) has not lost its addresses: they stay refused.
  auto addresses = interface_addresses();
  if (addresses.empty() || trial_) addresses = t_.interfaces_;
  local_.self = addresses;
  if (!trial_ && std::exchange(t_.interfaces_, std::move(addresses)) != local_.self)
    t_.inputs_.note_change(Inputs::What::addresses, {}, t_.run_);
}

void Translating::note_own_ports(std::span<const ConfigObjectPtr> gateways) {
  std::set<uint16_t> own(t_.open_ports_.begin(), t_.open_ports_.end());
  for (const ConfigObjectPtr& gateway : gateways) {
    const uint16_t port = gateway->as<Gateway>()->bind_port;
    if (port == 0) continue;
    snapshot_->wished_ports.push_back(port);
    own.insert(port);
  }
  own_ports_.assign(own.begin(), own.end());
  snapshot_->own_ports = own_ports_;
  if (!trial_ && std::exchange(t_.own_ports_, own_ports_) != own_ports_)
    t_.inputs_.note_change(Inputs::What::addresses, {}, t_.run_);
}

// What stays in force should a later version be bad.
void Translating::remember() {
  for (auto& [key, served] : served_) {
    if (failed_.contains(key)) continue;
    Translator::Served& last = t_.last_served_[key];
    if (last.since != t_.run_) last.referred = {};
    last.object = std::move(served.object);
    last.referred.merge(std::move(served.referred));
    last.since = t_.run_;
  }
  for (auto& [key, gateway] : gateways_built_) t_.last_gateways_[key] = std::move(gateway);
  leave_units();
  leave_tls();
  t_.files_.keep_only(
      [this](const std::string& path) { return t_.inputs_.is_held(Inputs::What::file, {"", "", path}); });
  const auto is_gone = [this](const auto& entry) { return entry.second.seen != t_.run_; };
  std::erase_if(t_.early_changes_, is_gone);
  std::erase_if(t_.unrouted_, is_gone);
  t_.kept_.forget_unused();
  t_.kept_objects_->set(static_cast<int64_t>(t_.kept_.size()));
}

std::vector<ConfigObjectPtr> Translating::gateways() {
  std::vector<ConfigObjectPtr> found;
  for (const ConfigObjectPtr& object : world_.all("Gateway")) {
    const auto& names = object->as<Gateway>()->proxy_names;
    if (std::ranges::find(names, kDefaultProxy) != names.end())
      found.push_back(object);
    else
      report(object->key)
          .warning(fmt::format("this Gateway is for the proxies [{}]; this program is {}, so it is not served here",
                               join(names, " "), kDefaultProxy));
  }
  // Beside one that is rejected, the one on loopback would serve what the owner meant for another address.
  const bool any = !world_.all("Gateway").empty() || std::ranges::any_of(world_.rejected(), [](const auto& object) {
    return object->key.kind == "Gateway";
  });
  if (!any) found.push_back(make_default_gateway());
  return found;
}

// False: another has it. Port 0 is as many ports as are asked for.
bool Translating::take_address(const ConfigObject& gateway) {
  return gateway.as<Gateway>()->bind_port == 0 || addresses_.insert(address_of(gateway)).second;
}

// Those that share an address are all rejected; who served before goes on as it was, unless its place is taken.
void Translating::reject_shared_ports(std::vector<ConfigObjectPtr>& gateways) {
  std::map<std::string, std::vector<ConfigObjectPtr>> by_address;
  for (const ConfigObjectPtr& object : gateways)
    if (object->as<Gateway>()->bind_port != 0) by_address[address_of(*object)].push_back(object);
  std::vector<ConfigObjectPtr> rejected;
  for (const auto& [address, sharing] : by_address) {
    if (sharing.size() == 1) {
      take_address(*sharing.front());
      continue;
    }
    const std::string names = some_names(sharing, ",");
    for (const ConfigObjectPtr& object : sharing) {
      const auto* spec = object->as<Gateway>();
      report(object->key)
          .clash(fmt::format("bind-address {}:{} is not unique in a proxy. gateways: {}", spec->bind_address,
                             spec->bind_port, names));
      std::erase(gateways, object);
      rejected.push_back(object);
    }
  }
  for (const ConfigObjectPtr& object : rejected) {
    const auto last = t_.last_gateways_.find(object->key);
    if (last != t_.last_gateways_.end() && take_address(*last->second)) gateways.push_back(last->second);
  }
}

std::string Translating::why_missing(std::string_view kind, std::string_view ns, std::string_view name,
                                     std::string_view otherwise) {
  const std::string rejected = why_rejected(kind, ns, name);
  return rejected.empty() ? std::string(otherwise) + suggestion(kind, ns, name) : rejected;
}

std::string Translating::why_rejected(std::string_view kind, std::string_view ns, std::string_view name) const {
  const ConfigObject* object = world_.rejected_at({std::string(kind), std::string(ns), std::string(name)});
  return object ? fmt::format("exists but is rejected ({}:{})", object->file, object->error_line) : std::string();
}

// "; did you mean X?" where something of the kind has nearly that name, or that name in another namespace.
std::string Translating::suggestion(std::string_view kind, std::string_view ns, std::string_view name) {
  if (suggestions_left_ == 0) return {};
  --suggestions_left_;
  ObjectKey wanted{std::string(kind), std::string(ns), std::string(name)};
  if (!trial_)
    if (const auto known = t_.suggested_.find(wanted); known != t_.suggested_.end()) return known->second;
  std::string found = look_for_suggestion(wanted);
  return trial_ ? found : t_.suggested_[std::move(wanted)] = std::move(found);
}

// The same for an error, which is part of a unit: however many there are, so that it says the same whenever it is made;
// but not among so many that to compare them all costs more than it helps.
std::string Translating::meant(const ObjectKey& missing) {
  constexpr std::ptrdiff_t kComparedMax = 1000;
  depend_on(Inputs::What::names, {missing.kind, {}, {}});
  return std::ranges::distance(world_.all(missing.kind)) > kComparedMax ? std::string() : look_for_suggestion(missing);
}

std::string Translating::look_for_suggestion(const ObjectKey& wanted) const {
  std::vector<std::string_view> names;
  for (const ConfigObjectPtr& object : world_.all(wanted.kind)) {
    const ObjectKey& key = object->key;
    if (key.name == wanted.name) return fmt::format("; there is one in namespace {}", key.ns);
    if (key.ns == wanted.ns) names.push_back(key.name);
  }
  const auto near = nearest(wanted.name, names);
  return near ? fmt::format("; did you mean {}?", *near) : std::string();
}

// --- policies that are not in force (decision 0015) ----------------------------------------------------------------

// Also one that is rejected: it is not the name that is wrong.
bool Translating::is_there(const ObjectKey& key, std::span<const ConfigObjectPtr> gateways) const {
  return world_.in_force().contains(key) || world_.rejected_at(key) ||
         std::ranges::any_of(gateways, [&](const ConfigObjectPtr& gateway) { return gateway->key == key; });
}

// Own kinds name what they are for. Settings for nothing do nothing; what a policy for nothing was meant to refuse
// nobody knows.
void Translating::check_targets(std::span<const ConfigObjectPtr> gateways) {
  const auto missing = [&](const ConfigObject& object, const kinds::TargetRef& target) -> std::string {
    if (is_there({target.kind, object.key.ns, target.name}, gateways)) return {};
    return fmt::format("there is no {} {}/{}{}", target.kind, object.key.ns, target.name,
                       suggestion(target.kind, object.key.ns, target.name));
  };
  const auto in_force = [&](const ObjectKey& key) { return !world_.rejected_at(key) && is_there(key, gateways); };
  for (const ConfigObjectPtr& object : world_.all("ProxySettings"))
    for (const kinds::TargetRef& target : object->as<kinds::ProxySettings>()->target_refs)
      if (!in_force({target.kind, object->key.ns, target.name}))
        report(object->key)
            .warning(fmt::format("targetRefs: {} {}/{} {}", target.kind, object->key.ns, target.name,
                                 why_missing(target.kind, object->key.ns, target.name, "is not there")));
  for (const ConfigObjectPtr& object : world_.all("EgressPolicy")) {
    const auto& targets = object->as<kinds::EgressPolicy>()->target_refs;
    for (size_t i = 0; i < targets.size(); ++i) {
      const std::string text = missing(*object, targets[i]);
      if (text.empty()) continue;
      const std::string path = fmt::format("spec.targetRefs[{}]", i);
      report(object->key)
          .clash(fmt::format("{}: {}; until it is there, Gateways and VirtualServices of namespace {} refuse dynamic "
                             "destinations",
                             path, text, object->key.ns));
      const Place place = place_at(object->tree(), path);
      gaps_.push_back(
          {.subject = fmt::format("{} (line {}) is not in force", object->key.to_string(), place.line),
           .word = object->key.ns + "/" + object->key.name,
           .why = fmt::format("{}:{}: {}: {}: {}", object->file, place.line, object->key.to_string(), path, text),
           .key = object->key,
           .broken_file = {},
           .file = object->file,
           .ns = object->key.ns,
           .targets = {}});
    }
  }
}

void Translating::index_gaps(std::span<const ConfigObjectPtr> gateways) {
  for (PolicyGap& gap : gaps_) {
    const bool all_there = std::ranges::all_of(gap.targets, [&](const PolicyGap::Target& one) {
      return one.kind == "EgressListener" || is_there({one.kind, gap.ns, one.name}, gateways);
    });
    if (!all_there) gap.targets.clear();
    std::vector<std::string> where;
    for (const PolicyGap::Target& target : gap.targets) {
      const ObjectKey key{target.kind, gap.ns, target.name};
      gap_for_.emplace(key, &gap);
      where.push_back(key.to_string());
    }
    if (gap.targets.empty()) {
      gap_for_.emplace(ObjectKey{{}, gap.ns, {}}, &gap);
      where.push_back(gap.ns.empty() ? "all Gateways" : "Gateways and VirtualServices of namespace " + gap.ns);
    }
    snapshot_->closed.push_back(fmt::format("dynamic destinations of {} are refused: {}", join(where, ", "), gap.why));
  }
  if (!trial_) note_changed_gaps();
}

// Units that may be closed by another one than before, or are not any more.
void Translating::note_changed_gaps() {
  std::map<ObjectKey, PolicyGap> now;
  for (const auto& [key, gap] : gap_for_) now.emplace(key, *gap);
  const auto note = [&](const auto& one, const auto& other) {
    for (const auto& [key, gap] : one)
      if (const auto same = other.find(key); same == other.end() || same->second != gap)
        t_.inputs_.note_change(Inputs::What::rules, key, t_.run_);
  };
  note(now, t_.gap_for_);
  note(t_.gap_for_, now);
  t_.gap_for_ = std::move(now);
}

// Null: for what the Gateway has besides its services.
const PolicyGap* Translating::gap_for(const ConfigObject* service) {
  const ObjectKey& own = service ? service->key : gateway_->key;
  const PolicyGap* gap = nullptr;
  for (const ObjectKey& key :
       {ObjectKey(), ObjectKey{{}, gateway_->key.ns, {}}, ObjectKey{{}, own.ns, {}}, gateway_->key, own}) {
    depend_on(Inputs::What::rules, key);
    const auto found = gap_for_.find(key);
    if (!gap && found != gap_for_.end()) gap = found->second;
  }
  return gap;
}

// Null: the defaults.
const ConfigObject* Translating::settings_of(const ConfigObject& gateway) {
  const ConfigObject* chosen = nullptr;
  for (const ConfigObjectPtr& object : world_.all("ProxySettings")) {
    const bool meant =
        object->key.ns == gateway.key.ns &&
        std::ranges::any_of(object->as<kinds::ProxySettings>()->target_refs, [&](const kinds::TargetRef& target) {
          return target.kind == "Gateway" && target.name == gateway.key.name;
        });
    if (!meant) continue;
    if (!chosen)
      chosen = object.get();
    else
      report(object->key)
          .warning(fmt::format("ProxySettings {} is for Gateway {} too and comes first by name", chosen->key.name,
                               gateway.key.name));
  }
  return chosen;
}

// All that is wrong with them is told, also of a Gateway that serves nothing (yet).
bool Translating::check_log_formats(const ConfigObject& gateway) {
  const auto& service = gateway.as<Gateway>()->options.access_logging_service;
  if (!service) return true;
  const std::vector<std::string> problems = AccessLog::check(*service);
  for (const std::string& problem : problems) report(gateway.key).error("spec.options.accessLoggingService." + problem);
  if (!options_.log_files || trial_) warn_of_log_files(gateway, AccessLog::try_files(*service));
  return problems.empty();
}

void Translating::translate_gateway(const ConfigObjectPtr& gateway) {
  if (check_log_formats(*gateway)) {
    auto built = try_gateway(*gateway);
    if (built) {
      gateways_built_[gateway->key] = gateway;
      return;
    }
    report(gateway->key)
        .error(fmt::format("Listener Error: {}. Reason: {}",
                           built.error().kind == ErrorKind::conflict ? "SSLConfigError" : "ProcessingError",
                           built.error().message));
  }
  // gloo-core 9.2: a rejected Gateway keeps its previous listener. Unless another has that address now.
  const auto last = t_.last_gateways_.find(gateway->key);
  if (last == t_.last_gateways_.end() || last->second == gateway) return;
  if (address_of(*last->second) == address_of(*gateway) || take_address(*last->second))
    static_cast<void>(try_gateway(*last->second));
}

// A VirtualService that no Gateway selects is as wrong as one that is served, and its owner should hear it before it
// is. It is put together for a Gateway of defaults; what depends on the Gateway is left out.
void Translating::check_unserved() {
  static const ConfigObjectPtr kNobody = make_default_gateway();
  gateway_ = kNobody.get();
  spec_ = kNobody->as<Gateway>();
  settings_ = &default_settings();
  dynamic_ = nullptr;
  unserved_ = true;
  part_ = {.key = {}, .owner = {}, .spec = spec_};
  behind_.clear();
  address_label_.clear();
  enter({}, {});
  for (const ConfigObjectPtr& service : world_.all("VirtualService")) {
    const bool is_meant = !only_ || service.get() == only_;
    if (!is_meant || done_.contains(service.get())) continue;
    if (has_host(*service)) tell(*service, newest_unit(slot_of(service), *service));
    check_unserved_certificate(*service);
  }
}

Status Translating::try_gateway(const ConfigObject& gateway) {
  gateway_ = &gateway;
  spec_ = gateway.as<Gateway>();
  const ConfigObject* settings = settings_of(gateway);
  settings_ = settings ? settings->as<kinds::ProxySettings>() : &default_settings();
  settings_object_ = settings;
  auto listener = std::make_unique<SnapshotListener>();
  TRY(build_listener(gateway, *listener));
  if (!listener->port.chains.empty()) snapshot_->listeners.push_back(std::move(listener));
  return {};
}

// What is built from here on is of that part.
Status Translating::enter_part(Part part) {
  part_ = std::move(part);
  behind_.clear();
  spec_ = part_.spec;
  const auto& dynamic = spec_->http_gateway.options.dynamic_forward_proxy;
  const ClientTlsPtr tls = dynamic ? TRY(tls_of_dynamic(*dynamic)) : nullptr;
  dynamic_ = dynamic && !trial_ ? dynamic_cluster(*dynamic, tls) : nullptr;
  if (settings_object_ && settings_->destinations.scheme && dynamic && dynamic->ssl_config)
    report(settings_object_->key)
        .warning(fmt::format("spec.destinations.scheme: Gateway {} has dynamicForwardProxy.sslConfig, by which all "
                             "destinations go by TLS: those that say http:// are refused, and absolute targets with "
                             "http:// go by TLS, too",
                             gateway_->key.name));
  enter(part_.key,
        {.gateway = part_.hash, .settings = settings_object_ ? settings_object_->hash : 0, .dynamic = dynamic_});
  if (dynamic) TRY(note_gateway_egress());
  return {};
}

Status Translating::build_listener(const ConfigObject& gateway, SnapshotListener& listener) {
  listener.gateway = gateway.key.ns + "/" + gateway.key.name;
  const auto address = SocketAddress::parse(spec_->bind_address, spec_->bind_port);
  if (!address) return invalid(fmt::format("bindAddress {} is not a valid IP address", spec_->bind_address));
  listener.address = *address;
  address_label_ = address->to_string();
  address_label_[address_label_.rfind(':')] = '_';
  listener.drain_timeout = settings_->drain_timeout;
  if (spec_->hybrid_gateway) return build_hybrid_listener(*spec_->hybrid_gateway, listener);
  TRY(enter_part({.key = gateway.key, .owner = gateway.key, .hash = gateway.hash, .spec = spec_}));
  if (spec_->tcp_gateway) return build_tcp_listener(*spec_->tcp_gateway, listener);
  const std::vector<ConfigObjectPtr> services = select_services();
  if (services.empty()) {  // Gloo opens no port for nothing
    warn_of_no_services();
    return {};
  }
  TRY(open_access_log(listener));
  apply_port_settings(spec_->http_gateway.options.connection_limit, listener);
  SnapshotHttp& http = listener.http.emplace_back();
  TRY(build_http(services, listener, http));
  if (!trial_ && http.router) listener.serve_http();
  return {};
}

// Without a router nothing of it can be served, and it has been said why.
Status Translating::build_http(std::span<const ConfigObjectPtr> services, const SnapshotListener& listener,
                               SnapshotHttp& http) {
  http.name = part_.name;
  http.config = listener.config;
  TRY(apply_early_changes(http.config));
  if (spec_->ssl)
    TRY(serve_by_tls(services, http));
  else
    http.router = TRY(router_for(services));
  if (!trial_ && http.router) apply_settings(http);
  return {};
}

// Traffic goes on without the log, which is tried again.
void Translating::warn_of_log_files(const ConfigObject& gateway, const std::vector<std::string>& problems) {
  for (const std::string& problem : problems)
    report(gateway.key)
        .warning(fmt::format("spec.options.accessLoggingService.{}; requests are served without it", problem));
}

void Translating::warn_of_no_services() {
  const ObjectKey& gateway = gateway_->key;
  if (find(gateway.kind, gateway.ns, gateway.name) != gateway_) return;  // the default, or one of before
  const bool any_rejected =
      std::ranges::any_of(world_.rejected(), [](const auto& object) { return object->key.kind == "VirtualService"; });
  const std::string what = part_.name.empty()
                               ? "it selects no VirtualService, so no port is opened"
                               : part_.path + "httpGateway selects no VirtualService, so it is not served";
  report(part_.owner).warning(what + (any_rejected ? " (those that are rejected do not count)" : ""));
}

Status Translating::open_access_log(SnapshotListener& listener) {
  if (!options_.log_files || trial_) return {};
  const auto& service = spec_->options.access_logging_service;
  listener.access_log =
      TRY(AccessLog::create(service ? &*service : nullptr, options_.default_access_log, *options_.log_files));
  if (service) warn_of_log_files(*gateway_, listener.access_log->problems());
  return {};
}

namespace {

class LogObserver final : public ExchangeObserver {
 public:
  explicit LogObserver(std::shared_ptr<const AccessLog> access_log) : log_(std::move(access_log)) {}
  void finished(const Request& request, const Response& response, SteadyTime now) const override {
    log_->write(
        {.request = &request, .response = response.headers ? &response : nullptr, .info = request.info, .now = now});
  }
  void tcp_finished(const StreamInfo& info, SteadyTime now) const override {
    log_->write({.request = nullptr, .response = nullptr, .info = info, .now = now});
  }

 private:
  std::shared_ptr<const AccessLog> log_;
};

class HeaderChange final : public RequestChange {
 public:
  explicit HeaderChange(HeaderMutations changes) : changes_(std::move(changes)) {}
  void apply(Request& request) const override { changes_.apply_request(request); }

 private:
  HeaderMutations changes_;
};

// Two levels, as what is added goes before what is removed here.
std::pair<kinds::HeaderManipulation, kinds::HeaderManipulation> levels_of(const kinds::EarlyHeaderManipulation& early) {
  std::pair<kinds::HeaderManipulation, kinds::HeaderManipulation> out;
  out.first.request_headers_to_add = early.headers_to_add;
  out.second.request_headers_to_remove = early.headers_to_remove;
  return out;
}

ServerField server_field_of(kinds::ServerHeaderTransformation transformation) {
  switch (transformation) {
    case kinds::ServerHeaderTransformation::overwrite: return ServerField::overwrite;
    case kinds::ServerHeaderTransformation::append_if_absent: return ServerField::if_absent;
    case kinds::ServerHeaderTransformation::pass_through: return ServerField::pass;
  }
  return ServerField::overwrite;
}

EscapedSlashes escaped_slashes_of(kinds::EscapedSlashesAction action) {
  switch (action) {
    case kinds::EscapedSlashesAction::by_default:
    case kinds::EscapedSlashesAction::keep: return EscapedSlashes::keep;
    case kinds::EscapedSlashesAction::reject: return EscapedSlashes::reject;
    case kinds::EscapedSlashesAction::redirect: return EscapedSlashes::redirect;
    case kinds::EscapedSlashesAction::forward: return EscapedSlashes::forward;
  }
  return EscapedSlashes::reject;
}

UnderscoreNames underscore_names_of(kinds::UnderscoresAction action) {
  switch (action) {
    case kinds::UnderscoresAction::allow: return UnderscoreNames::allow;
    case kinds::UnderscoresAction::reject: return UnderscoreNames::reject;
    case kinds::UnderscoresAction::drop: return UnderscoreNames::drop;
  }
  return UnderscoreNames::reject;
}

void apply_http1(const kinds::HttpConnectionManagerSettings& from, Http1Options& to) {
  to.old_version = from.accept_http_10;
  if (from.accept_http_10) to.default_host = from.default_host_for_http_10;
  to.length_beside_chunked = from.allow_chunked_length;
  if (from.enable_trailers) to.trailers = *from.enable_trailers ? TrailerPolicy::always : TrailerPolicy::never;
  to.proper_case = from.proper_case_header_key_format;
  to.keep_case = from.preserve_case_header_key_format;
}

void apply_request_rules(const kinds::HttpConnectionManagerSettings& from, ListenerConfig& to) {
  to.append_forwarded_for = !from.skip_xff_append;
  to.append_forwarded_port = from.append_x_forwarded_port;
  for (const kinds::CidrRange& one : from.internal_address_config.cidr_ranges) to.internal.push_back(one.range);
  to.stream_max = from.max_stream_duration;
  to.connection_max = from.max_connection_duration;
  to.linger_max = from.delayed_close_timeout;
  to.requests_max = from.max_requests_per_connection;
  to.server_field = server_field_of(from.server_header_transformation);
  to.escaped_slashes = escaped_slashes_of(from.path_with_escaped_slashes_action);
  to.underscore_names = underscore_names_of(from.headers_with_underscores_action);
  to.passes_on_continue = from.proxy_100_continue;
  apply_http1(from, to.http1);
}

}  // namespace

// Null: none is expected.
std::shared_ptr<const ProxyProtocolOptions> Translating::proxy_protocol() const {
  const auto& from = spec_->options.proxy_protocol;
  if (!from) return nullptr;
  auto made = std::make_shared<ProxyProtocolOptions>();
  for (const kinds::ProxyProtocolRule& rule : from->rules)
    made->rules.push_back(
        {static_cast<uint8_t>(rule.tlv_type), rule.on_tlv_present.metadata_namespace, rule.on_tlv_present.key});
  made->optional = from->allow_requests_without_proxy_protocol;
  made->metrics = t_.proxy_protocol_metrics_;
  return made;
}

// A Gateway whose Secret went away goes on with what it had of it; one that never had it does not serve.
Status Translating::apply_early_changes(ListenerConfig& config) {
  const auto& early = spec_->http_gateway.options.http_connection_manager_settings.early_header_manipulation;
  if (early.headers_to_add.empty() && early.headers_to_remove.empty()) return {};
  const auto [adds, removes] = levels_of(early);
  const kinds::HeaderManipulation* levels[] = {&adds, &removes};
  auto changes = HeaderMutations::compile(levels, secret_finder());
  if (changes) {
    config.early_change = std::make_shared<const HeaderChange>(*std::move(changes));
    if (!trial_) t_.early_changes_[part_.key] = {part_.hash, config.early_change, t_.run_};
    return {};
  }
  const auto last = t_.early_changes_.find(part_.key);
  const std::string path = part_.path + "httpGateway.options.httpConnectionManagerSettings.earlyHeaderManipulation";
  if (last == t_.early_changes_.end() || last->second.gateway_hash != part_.hash)
    return invalid(fmt::format("{}: {}", path, changes.error().message));
  report(part_.owner).error(fmt::format("{}: {}", path, changes.error().message));
  last->second.seen = t_.run_;
  config.early_change = last->second.change;
  return {};
}

namespace {

std::vector<SocketOption> socket_options(const Gateway& gateway) {
  std::vector<SocketOption> out;
  for (const kinds::SocketOption& from : gateway.options.socket_options) {
    SocketOption& to = out.emplace_back();
    to = {.description = from.description,
          .level = from.level,
          .name = from.name,
          .value = from.buf_value ? base64_decode(*from.buf_value).value() : std::string(sizeof(int), '\0'),
          .when = static_cast<SocketOption::When>(from.state)};
    if (from.int_value) std::memcpy(to.value.data(), &*from.int_value, sizeof(int));
  }
  return out;
}

}  // namespace

// Of the port, whoever speaks on it.
void Translating::apply_port_settings(const kinds::ConnectionLimit& limit, SnapshotListener& listener) {
  ListenerConfig& to = listener.config;
  to.name = fmt::format("listener-{}-{}", spec_->bind_address, spec_->bind_port);
  to.connections_max = limit.max_active_connections.value_or(ListenerMetrics::kNoLimit);
  to.delay_before_close = limit.delay_before_close;
  to.proxy_protocol = proxy_protocol();
  to.overload = options_.overload;
  if (listener.access_log && !listener.access_log->empty())
    to.observer = std::make_shared<LogObserver>(listener.access_log);
  listener.socket_options = socket_options(*spec_);
  const std::string& address = address_label_;
  if (spec_->options.connection_balance_config)
    to.balance = kept_.get<ConnectionBalance>("balance " + address,
                                              [&] { return std::make_shared<ConnectionBalance>(metrics_, address); });
  if (spec_->options.tcp_stats)
    to.tcp_stats =
        kept_.get<TcpStats>("tcp stats " + address, [&] { return std::make_shared<TcpStats>(metrics_, address); });
  to.listener = kept_.get<ListenerMetrics>("listener " + address,
                                           [&] { return std::make_shared<ListenerMetrics>(metrics_, address); });
}

void Translating::apply_settings(SnapshotHttp& http) {
  const auto& from = spec_->http_gateway.options.http_connection_manager_settings;
  ListenerConfig& to = http.config;
  to.limits.head_bytes_max = size_t{from.max_request_headers_kb} * 1024;
  to.limits.fields_max = from.max_headers_count;
  to.idle_timeout = from.idle_timeout;
  to.head_timeout = from.request_headers_timeout;
  to.stream_idle_timeout = from.stream_idle_timeout;
  to.request_timeout = from.request_timeout.value_or(Nanos(0));
  to.server_name = from.server_name;
  to.via = from.via;
  to.generate_request_id = from.generate_request_id;
  to.preserve_external_request_id = from.preserve_external_request_id;
  to.use_remote_address = from.use_remote_address;
  to.trusted_hops = from.xff_num_trusted_hops;
  to.strip_any_host_port = from.strip_any_host_port;
  const kinds::SetCurrentClientCertDetails& said = from.set_current_client_cert_details;
  to.client_cert = {.forward = static_cast<ForwardClientCert>(from.forward_client_cert_details),
                    .subject = said.subject,
                    .cert = said.cert,
                    .chain = said.chain,
                    .dns = said.dns,
                    .uri = said.uri};
  to.normalize_path = from.normalize_path;
  to.merge_slashes = from.merge_slashes;
  to.leftmost_forwarded_for = spec_->http_gateway.options.leftmost_xff_address;
  apply_request_rules(from, to);
  to.websocket = from.upgrades.websocket;
  to.codec = static_cast<Codec>(from.codec_type);
  const kinds::Http2ProtocolOptions& http2 = from.http2_protocol_options;
  to.http2 = {.streams_max = http2.max_concurrent_streams,
              .stream_window = http2.initial_stream_window_size,
              .connection_window = http2.initial_connection_window_size,
              .invalid_message_ends_connection = !http2.override_stream_error_on_invalid_http_message,
              .drain_max = from.drain_timeout};
  to.proxy_answers = settings_->local_answers == kinds::LocalAnswers::proxy;
  to.https_targets = settings_->destinations.scheme;
  to.body_buffer_bytes_max = spec_->options.per_connection_buffer_limit_bytes;
  to.body_budget = options_.body_budget;
  if (!to.service) to.service = http.router;
  to.metrics = t_.server_metrics_;
}

std::vector<MetricFamily> translation_metric_families() {
  return {kNoRoute,        kRouteChanges, kRouteEndless, kSnapshotsLive, kServicesClosed, kRedirectTooCostly,
          kMatchTooCostly, kPolicyGaps,   kServicesOut,  kKept,          kSeries,         kCompiled};
}

void count_what_is_there(Metrics& metrics) {
  Gauge* series = metrics.metric(kSeries);
  series->set(static_cast<int64_t>(metrics.series()));
}

// --- Translator -------------------------------------------------------------------------------------------------

Translator::Translator(TranslateOptions options)
    : options_(std::move(options)),
      dynamic_metrics_(std::make_shared<DynamicMetrics>(*options_.metrics)),
      server_metrics_(std::make_shared<ServerMetrics>(*options_.metrics, "http")),
      proxy_protocol_metrics_(std::make_shared<ProxyProtocolMetrics>(*options_.metrics)),
      tcp_metrics_(std::make_shared<TcpMetrics>(*options_.metrics)),
      router_counters_{options_.metrics->metric(kNoRoute, {{"envoy_http_conn_manager_prefix", "http"}}),
                       options_.metrics->metric(kRouteChanges), options_.metrics->metric(kRouteEndless),
                       options_.metrics->metric(kMatchTooCostly)},
      services_closed_(options_.metrics->metric(kServicesClosed)),
      redirects_too_costly_(options_.metrics->metric(kRedirectTooCostly)),
      snapshots_live_(options_.metrics->metric(kSnapshotsLive)),
      policy_gaps_(options_.metrics->metric(kPolicyGaps)),
      services_out_(options_.metrics->metric(kServicesOut)),
      kept_objects_(options_.metrics->metric(kKept)),
      compiled_(options_.metrics->metric(kCompiled)) {}

Translation Translator::translate(std::span<const ConfigObjectPtr> objects, std::span<const PolicyGap> gaps) {
  ++run_;
  const std::vector<World::Change> changes = take_in(objects, gaps);
  Translating run(*this);
  Translation out{.snapshot = run.run()};
  take_reports(run.take_reports(), changes, out);
  return out;
}

// Before anything is compiled, all inputs that these objects are say that they changed.
std::vector<World::Change> Translator::take_in(std::span<const ConfigObjectPtr> objects,
                                               std::span<const PolicyGap> gaps) {
  std::vector<World::Change> changes = world_.update(objects);
  gaps_.assign(gaps.begin(), gaps.end());
  bool policies = false;
  for (const World::Change& change : changes) {
    if (!change.before || !change.after) {
      suggested_.clear();
      inputs_.note_change(Inputs::What::names, {change.key.kind, {}, {}}, run_);
    }
    if (!change.after && !world_.in_force().contains(change.key)) {
      last_served_.erase(change.key);
      last_gateways_.erase(change.key);
    }
    if (change.says_the_same() && !change.after->rejected) continue;
    inputs_.note_change(Inputs::What::object, change.key, run_);
    if (change.key.kind != "EgressPolicy") continue;
    policies = true;
    for (const ConfigObjectPtr& version : {change.before, change.after})
      if (const auto* policy = version ? version->as<kinds::EgressPolicy>() : nullptr)
        for (const kinds::TargetRef& target : policy->target_refs)
          inputs_.note_change(Inputs::What::rules, {target.kind, change.key.ns, target.name}, run_);
  }
  if (policies) index_policies();
  return changes;
}

void Translator::index_policies() {
  policies_.clear();
  rules_want_tls_ = false;
  for (const ConfigObjectPtr& object : world_.all("EgressPolicy")) {
    const auto& policy = *object->as<kinds::EgressPolicy>();
    for (const kinds::EgressRule& rule : policy.rules) rules_want_tls_ |= rule.upstream_tls == TlsWish::required;
    for (const kinds::TargetRef& target : policy.target_refs) {
      auto& of_target = policies_[{target.kind, object->key.ns, target.name}];
      if (of_target.empty() || of_target.back() != object) of_target.push_back(object);
    }
  }
}

void Translator::take_reports(ObjectReports told, std::span<const World::Change> changes, Translation& out) {
  std::set<ObjectKey> changed;
  for (const World::Change& change : changes) changed.insert(change.key);
  const auto compare = [&changed](const ObjectReports& one, const ObjectReports& other) {
    for (const auto& [key, report] : one)
      if (const auto same = other.find(key); same == other.end() || same->second != report) changed.insert(key);
  };
  compare(told, told_);
  compare(told_, told);
  told_ = std::move(told);
  for (const ObjectKey& key : changed) {
    if (const auto found = told_.find(key); found != told_.end())
      reports_[key] = found->second;
    else if (world_.in_force().contains(key))
      reports_[key] = {};
    else
      reports_.erase(key);
  }
  out.reports = &reports_;
  out.changed.assign(changed.begin(), changed.end());
}

ObjectReport Translator::try_out(const ConfigObjectPtr& object) {
  const World::Supposing supposing(world_, object);
  Translating trial(*this, object.get());
  trial.run();
  return std::move(trial.take_reports()[object->key]);
}

bool Translator::look_at_files() {
  const std::vector<std::string> changed = files_.changed();
  for (const std::string& path : changed) inputs_.note_change(Inputs::What::file, {"", "", path}, run_ + 1);
  return !changed.empty();
}

void Translator::forget_units() {
  for (auto& [gateway, units] : units_) units = {.context = std::move(units.context)};
  static_clusters_.reset();
  egress_.reset();
  suggested_.clear();
}

}  // namespace sluice
