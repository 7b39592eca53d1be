#include "control/translate.h"

#include <algorithm>
#include <ranges>

#include "control/domain_conflicts.h"
#include "forward/cluster.h"
#include "pipeline/format.h"
#include "route/route_table.h"
#include "route/terminals.h"

namespace sluice {
namespace {

using kinds::Gateway;
using kinds::VirtualService;

constexpr MetricFamily kNoRoute{"envoy_http_no_route_total", "Requests that no route fits."};
constexpr MetricFamily kSnapshotsLive{"sluice_snapshots_live", "Snapshots that some exchange or worker still uses.",
                                      MetricType::gauge};

std::string short_name(const ObjectKey& key) {
  return key.ns + "." + key.name;
}

std::string hex_hash(std::string_view text) {
  return fmt::format("{:016x}", std::hash<std::string_view>{}(text));
}

void add_once(std::vector<std::string>& texts, std::string text) {
  if (std::ranges::find(texts, text) == texts.end()) texts.push_back(std::move(text));
}

}  // namespace

void ObjectReport::error(std::string text) {
  add_once(errors, std::move(text));
}
void ObjectReport::warning(std::string text) {
  add_once(warnings, std::move(text));
}

ObjectState ObjectReport::state() const {
  if (!errors.empty()) return ObjectState::rejected;
  return warnings.empty() ? ObjectState::accepted : ObjectState::warning;
}

std::string ObjectReport::reason() const {
  std::string out;
  if (!errors.empty()) {
    out = errors.size() == 1 ? "1 error occurred:\n" : fmt::format("{} errors occurred:\n", errors.size());
    for (const std::string& error : errors) out += fmt::format("\t* {}\n", error);
    out += '\n';
  }
  if (!warnings.empty()) {
    if (!out.empty()) out += '\n';
    out += "warning: \n  " + join(warnings, "\n");
  }
  return out;
}

// One run over all objects.
class Translating {
 public:
  Translating(Translator& translator, std::span<const ConfigObjectPtr> objects, bool trial)
      : t_(translator), options_(translator.options_), trial_(trial) {
    for (const ConfigObjectPtr& object : objects) {
      if (object->rejected) continue;
      by_key_[object->key] = object;
      out_.reports[object->key];
    }
  }

  Translation run();

 private:
  ObjectReport& report(const ObjectKey& key) { return out_.reports[key]; }
  template <class T>
  std::vector<ConfigObjectPtr> all() const {
    std::vector<ConfigObjectPtr> found;
    for (const auto& [key, object] : by_key_)
      if (object->as<T>()) found.push_back(object);
    return found;
  }
  const ConfigObject* find(std::string_view kind, std::string_view ns, std::string_view name) const {
    const auto found = by_key_.find(ObjectKey{std::string(kind), std::string(ns), std::string(name)});
    return found == by_key_.end() ? nullptr : found->second.get();
  }

  void check_targets(std::span<const ConfigObjectPtr> gateways);
  std::vector<ConfigObjectPtr> gateways();
  void reject_shared_ports(std::vector<ConfigObjectPtr>& gateways);
  void translate_gateway(const ConfigObjectPtr& gateway);
  Status try_gateway(const ConfigObject& gateway);
  const kinds::ProxySettings& settings_of(const ConfigObject& gateway);
  Status build_listener(const ConfigObject& gateway, SnapshotListener& listener);
  Status open_access_log(SnapshotListener& listener);
  void apply_settings(const Gateway& gateway, SnapshotListener& listener);

  std::vector<ConfigObjectPtr> select_services(const ConfigObject& gateway);
  std::vector<ConfigObjectPtr> settle_domains(const ConfigObject& gateway, std::span<const ConfigObjectPtr> services);
  std::optional<VirtualHostEntry> build_host_or_last_good(const ConfigObjectPtr& service);
  std::optional<VirtualHostEntry> build_last_good(const ObjectKey& key);
  Result<VirtualHostEntry> build_host(const ConfigObject& service, ObjectReport& report);
  Status build_route(const ConfigObject& service, size_t index, VirtualHostEntry& host, ObjectReport& report);
  Result<std::unique_ptr<RouteEntry>> build_entry(const ConfigObject& service, size_t route, size_t matcher,
                                                  const kinds::WeightedDestination* destination, ObjectReport& report);
  Result<std::shared_ptr<const Filter>> build_terminal(const ConfigObject& service, const kinds::Route& route,
                                                       const RequestMatcher& matcher,
                                                       const kinds::WeightedDestination* destination,
                                                       ObjectReport& report);
  Result<std::vector<StagedFilter>> build_filters(const ConfigObject& service, size_t route,
                                                  const kinds::WeightedDestination* destination);
  std::shared_ptr<const Filter> static_terminal(const ConfigObject& service, const kinds::Destination& destination,
                                                ObjectReport& report);
  Result<std::shared_ptr<const Filter>> dynamic_terminal(const ConfigObject& service,
                                                         const kinds::DynamicForwardProxyRoute& route,
                                                         ObjectReport& report);
  Result<std::shared_ptr<const AddressGuard>> guard_for(const ConfigObject& service);
  std::shared_ptr<const DynamicCluster> dynamic_cluster(const kinds::DynamicForwardProxyConfig& config);
  std::shared_ptr<ResolverView> resolver_view(const kinds::DnsCacheConfig& config, size_t pending_max);
  FindHeaderSecret secret_finder();
  void note_cluster(const ClusterId& id);
  void remember();

  Translator& t_;
  const TranslateOptions& options_;
  const bool trial_;
  std::map<ObjectKey, ConfigObjectPtr> by_key_;
  Translation out_;
  std::shared_ptr<Snapshot> snapshot_;
  LocalAddresses local_;
  std::map<std::string, std::shared_ptr<const AddressGuard>> guards_;  // by key, of this run
  std::map<ObjectKey, Translator::Served> built_;  // VirtualServices that could be, and are served as they are now
  std::set<ObjectKey> failed_;                     // and that could not, on some Gateway
  std::map<ObjectKey, ConfigObjectPtr> gateways_built_;
  std::map<ObjectKey, ConfigObjectPtr>* secrets_used_ = nullptr;        // where those of the host being built are noted
  const std::map<ObjectKey, ConfigObjectPtr>* secrets_kept_ = nullptr;  // of a last good version

  // Of the Gateway being translated.
  const ConfigObject* gateway_ = nullptr;
  const Gateway* spec_ = nullptr;
  const kinds::ProxySettings* settings_ = nullptr;
  std::shared_ptr<const DynamicCluster> dynamic_;
  std::vector<uint16_t> own_ports_;
};

// --- gateways ---------------------------------------------------------------------------------------------------

Translation Translating::run() {
  snapshot_ = std::make_shared<Snapshot>();
  snapshot_->id = trial_ ? 0 : ++t_.last_id_;
  if (!trial_) {
    snapshot_->live = t_.snapshots_live_;
    t_.snapshots_live_->add();
  }
  local_.self = interface_addresses();
  std::vector<ConfigObjectPtr> all_gateways = gateways();
  check_targets(all_gateways);
  reject_shared_ports(all_gateways);
  own_ports_ = options_.own_ports;
  own_ports_.insert(own_ports_.end(), t_.chosen_ports_.begin(), t_.chosen_ports_.end());
  for (const ConfigObjectPtr& gateway : all_gateways)
    if (const uint16_t port = gateway->as<Gateway>()->bind_port; port != 0) own_ports_.push_back(port);
  for (const ConfigObjectPtr& gateway : all_gateways) translate_gateway(gateway);
  if (!trial_) remember();
  out_.snapshot = std::move(snapshot_);
  return std::move(out_);
}

// What stays in force should a later version be bad.
void Translating::remember() {
  const auto gone = [&](const auto& entry) { return !by_key_.contains(entry.first); };
  std::erase_if(t_.last_served_, gone);
  std::erase_if(t_.last_gateways_, gone);
  for (auto& [key, served] : built_)
    if (!failed_.contains(key)) t_.last_served_[key] = std::move(served);
  for (auto& [key, gateway] : gateways_built_) t_.last_gateways_[key] = std::move(gateway);
}

std::vector<ConfigObjectPtr> Translating::gateways() {
  std::vector<ConfigObjectPtr> found;
  for (const ConfigObjectPtr& object : all<Gateway>()) {
    const auto& names = object->as<Gateway>()->proxy_names;
    if (std::ranges::find(names, kDefaultProxy) != names.end())
      found.push_back(object);
    else
      report(object->key)
          .warning(fmt::format("this Gateway is for the proxies [{}]; this program is {}, so it is not served here",
                               join(names, " "), kDefaultProxy));
  }
  if (!all<Gateway>().empty()) return found;
  // No Gateway at all: one on loopback, so that a folder of VirtualServices is enough to begin with.
  auto made = std::make_shared<ConfigObject>();
  made->key = {"Gateway", "gloo-system", "gateway-proxy"};
  made->metadata.name = made->key.name;
  Gateway gateway;
  gateway.bind_address = "127.0.0.1";
  gateway.bind_port = 8080;
  made->spec = std::move(gateway);
  found.push_back(std::move(made));
  return found;
}

// Those that share an address are all rejected; who served before goes on as it was, unless its place is taken.
void Translating::reject_shared_ports(std::vector<ConfigObjectPtr>& gateways) {
  using Address = std::pair<std::string, uint16_t>;
  const auto address_of = [](const ConfigObjectPtr& object) {
    return Address(object->as<Gateway>()->bind_address, object->as<Gateway>()->bind_port);
  };
  std::map<Address, std::vector<ConfigObjectPtr>> by_address;
  for (const ConfigObjectPtr& object : gateways)
    if (object->as<Gateway>()->bind_port != 0) by_address[address_of(object)].push_back(object);
  std::set<Address> taken;
  std::vector<ConfigObjectPtr> rejected;
  for (const auto& [address, sharing] : by_address) {
    if (sharing.size() == 1) {
      taken.insert(address);
      continue;
    }
    std::vector<std::string> names;
    for (const ConfigObjectPtr& object : sharing) names.push_back(short_name(object->key));
    for (const ConfigObjectPtr& object : sharing) {
      report(object->key)
          .error(fmt::format("bind-address {}:{} is not unique in a proxy. gateways: {}", address.first, address.second,
                             join(names, ",")));
      std::erase(gateways, object);
      rejected.push_back(object);
    }
  }
  for (const ConfigObjectPtr& object : rejected) {
    const auto last = t_.last_gateways_.find(object->key);
    if (last != t_.last_gateways_.end() && taken.insert(address_of(last->second)).second)
      gateways.push_back(last->second);
  }
}

// Own kinds name what they are for; a name that is nothing is told to its owner.
void Translating::check_targets(std::span<const ConfigObjectPtr> gateways) {
  const auto known = [&](const std::string& kind, const std::string& ns, const std::string& name) {
    if (find(kind, ns, name)) return true;
    const ObjectKey key{kind, ns, name};  // the Gateway that is there when none is configured
    return std::ranges::any_of(gateways, [&](const ConfigObjectPtr& gateway) { return gateway->key == key; });
  };
  const auto check = [&](const ConfigObject& object, const std::vector<kinds::TargetRef>& targets) {
    for (const kinds::TargetRef& target : targets)
      if (!known(target.kind, object.key.ns, target.name))
        report(object.key)
            .warning(fmt::format("targetRefs: there is no {} {}/{}", target.kind, object.key.ns, target.name));
  };
  for (const ConfigObjectPtr& object : all<kinds::EgressPolicy>())
    check(*object, object->as<kinds::EgressPolicy>()->target_refs);
  for (const ConfigObjectPtr& object : all<kinds::ProxySettings>())
    check(*object, object->as<kinds::ProxySettings>()->target_refs);
}

const kinds::ProxySettings& Translating::settings_of(const ConfigObject& gateway) {
  static const kinds::ProxySettings kDefaults;
  const ConfigObject* chosen = nullptr;
  for (const ConfigObjectPtr& object : all<kinds::ProxySettings>()) {
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
  return chosen ? *chosen->as<kinds::ProxySettings>() : kDefaults;
}

void Translating::translate_gateway(const ConfigObjectPtr& gateway) {
  auto built = try_gateway(*gateway);
  if (built) {
    gateways_built_[gateway->key] = gateway;
    return;
  }
  report(gateway->key).error(fmt::format("Listener Error: ProcessingError. Reason: {}", built.error().message));
  // gloo-core 9.2: a rejected Gateway keeps its previous listener.
  const auto last = t_.last_gateways_.find(gateway->key);
  if (last != t_.last_gateways_.end() && last->second != gateway) static_cast<void>(try_gateway(*last->second));
}

Status Translating::try_gateway(const ConfigObject& gateway) {
  gateway_ = &gateway;
  spec_ = gateway.as<Gateway>();
  settings_ = &settings_of(gateway);
  const auto& dynamic = spec_->http_gateway.options.dynamic_forward_proxy;
  dynamic_ = dynamic ? dynamic_cluster(*dynamic) : nullptr;
  auto listener = std::make_unique<SnapshotListener>();
  TRY(build_listener(gateway, *listener));
  if (listener->router) snapshot_->listeners.push_back(std::move(listener));
  return {};
}

Status Translating::build_listener(const ConfigObject& gateway, SnapshotListener& listener) {
  listener.gateway = gateway.key.ns + "/" + gateway.key.name;
  const auto address = SocketAddress::parse(spec_->bind_address, spec_->bind_port);
  if (!address) return invalid(fmt::format("bindAddress {} is not a valid IP address", spec_->bind_address));
  listener.address = *address;
  listener.drain_timeout = settings_->drain_timeout;
  const std::vector<ConfigObjectPtr> services = select_services(gateway);
  if (services.empty()) return {};  // Gloo opens no port for nothing
  TRY(open_access_log(listener));
  std::vector<VirtualHostEntry> hosts;
  for (const ConfigObjectPtr& service : settle_domains(gateway, services))
    if (auto host = build_host_or_last_good(service)) hosts.push_back(std::move(*host));
  listener.router = std::make_shared<const Router>(TRY(RouteTable::create(std::move(hosts))), t_.routes_not_found_);
  apply_settings(*spec_, listener);
  return {};
}

Status Translating::open_access_log(SnapshotListener& listener) {
  const auto& service = spec_->options.access_logging_service;
  if (options_.log_files && !trial_) {
    listener.access_log =
        TRY(AccessLog::create(service ? &*service : nullptr, options_.default_access_log, *options_.log_files));
  } else if (service) {
    TRY(AccessLog::check(*service));
  }
  return {};
}

namespace {

class RouterService final : public Service {
 public:
  explicit RouterService(std::shared_ptr<const Router> router) : router_(std::move(router)) {}
  Task<Response> handle(Request& request) const override { return router_->handle(request); }

 private:
  std::shared_ptr<const Router> router_;
};

class LogObserver final : public ExchangeObserver {
 public:
  explicit LogObserver(std::shared_ptr<const AccessLog> access_log) : log_(std::move(access_log)) {}
  void finished(const Request& request, const Response& response, SteadyTime now) const override {
    log_->write(
        {.request = &request, .response = response.headers ? &response : nullptr, .info = request.info, .now = now});
  }

 private:
  std::shared_ptr<const AccessLog> log_;
};

}  // namespace

void Translating::apply_settings(const Gateway& gateway, SnapshotListener& listener) {
  const auto& from = gateway.http_gateway.options.http_connection_manager_settings;
  ListenerConfig& to = listener.config;
  to.name = fmt::format("listener-{}-{}", gateway.bind_address, gateway.bind_port);
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
  to.normalize_path = from.normalize_path;
  to.merge_slashes = from.merge_slashes;
  to.websocket = from.upgrades.websocket;
  to.proxy_answers = settings_->local_answers == kinds::LocalAnswers::proxy;
  to.body_buffer_bytes_max = gateway.options.per_connection_buffer_limit_bytes;
  to.service = std::make_shared<RouterService>(listener.router);
  if (listener.access_log && !listener.access_log->empty())
    to.observer = std::make_shared<LogObserver>(listener.access_log);
  to.metrics = t_.server_metrics_;
}

// --- virtual services -------------------------------------------------------------------------------------------

std::vector<ConfigObjectPtr> Translating::select_services(const ConfigObject& gateway) {
  const kinds::HttpGateway& http = spec_->http_gateway;
  const auto namespace_fits = [&](const std::string& ns) {
    const auto& wanted = http.virtual_service_namespaces;
    return wanted.empty() || std::ranges::find(wanted, "*") != wanted.end() ||
           std::ranges::find(wanted, ns) != wanted.end();
  };
  std::vector<ConfigObjectPtr> found;
  if (http.virtual_service_selector.empty() && !http.virtual_services.empty()) {
    for (const ObjectRef& ref : http.virtual_services) {
      const auto object = by_key_.find({"VirtualService", ref.ns, ref.name});
      if (object == by_key_.end())
        report(gateway.key).error(fmt::format("invalid virtual service ref {}.{}", ref.ns, ref.name));
      else if (std::ranges::find(found, object->second) == found.end())
        found.push_back(object->second);
    }
    return found;
  }
  for (const ConfigObjectPtr& object : all<VirtualService>()) {
    if (!namespace_fits(object->key.ns)) continue;
    const bool labels_fit = std::ranges::all_of(http.virtual_service_selector, [&](const auto& wanted) {
      const auto label = object->metadata.labels.find(wanted.first);
      return label != object->metadata.labels.end() && label->second == wanted.second;
    });
    if (labels_fit) found.push_back(object);
  }
  return found;
}

std::vector<ConfigObjectPtr> Translating::settle_domains(const ConfigObject& gateway,
                                                         std::span<const ConfigObjectPtr> services) {
  DomainChoice choice = choose_by_domain(services, [this](const ObjectKey& key) {
    const auto last = t_.last_served_.find(key);
    return last == t_.last_served_.end() ? nullptr : last->second.object;
  });
  for (auto& [key, errors] : choice.errors)
    for (std::string& error : errors) report(key).error(std::move(error));
  if (!choice.gateway_error.empty()) report(gateway.key).error(std::move(choice.gateway_error));
  return std::move(choice.serving);
}

std::optional<VirtualHostEntry> Translating::build_host_or_last_good(const ConfigObjectPtr& service) {
  if (by_key_[service->key] != service) return build_last_good(service->key);
  ObjectReport& own = report(service->key);
  if (!service->as<VirtualService>()->virtual_host) {
    own.warning("VirtualHost Warning: there is no virtualHost");
    return std::nullopt;
  }
  Translator::Served served{service, {}};
  secrets_used_ = &served.secrets;
  auto built = build_host(*service, own);
  secrets_used_ = nullptr;
  if (built) {
    built_[service->key].secrets.merge(served.secrets);
    built_[service->key].object = service;
    return std::move(*built);
  }
  own.error(built.error().message);
  failed_.insert(service->key);
  return build_last_good(service->key);
}

// With the Secrets it had then: also one whose Secret went away stays as it was.
std::optional<VirtualHostEntry> Translating::build_last_good(const ObjectKey& key) {
  const auto last = t_.last_served_.find(key);
  if (last == t_.last_served_.end()) return std::nullopt;
  ObjectReport ignored;
  secrets_kept_ = &last->second.secrets;
  auto built = build_host(*last->second.object, ignored);
  secrets_kept_ = nullptr;
  return built ? std::optional(std::move(*built)) : std::nullopt;
}

Result<VirtualHostEntry> Translating::build_host(const ConfigObject& service, ObjectReport& report) {
  const kinds::VirtualHost& host = *service.as<VirtualService>()->virtual_host;
  VirtualHostEntry entry;
  entry.name = service.key.ns + "_" + service.key.name;
  std::ranges::replace(entry.name, '.', '_');
  entry.domains = host.domains;
  for (size_t i = 0; i < host.routes.size(); ++i) TRY(build_route(service, i, entry, report));
  return entry;
}

Status Translating::build_route(const ConfigObject& service, size_t index, VirtualHostEntry& host,
                                ObjectReport& report) {
  const kinds::Route& route = service.as<VirtualService>()->virtual_host->routes[index];
  const auto* action = std::get_if<kinds::RouteAction>(&route.action);
  const auto* multi = action ? std::get_if<kinds::MultiDestination>(&action->destination) : nullptr;
  for (size_t matcher = 0; matcher < route.matchers.size(); ++matcher) {
    auto entry = TRY(build_entry(service, index, matcher, multi ? &multi->destinations.front() : nullptr, report));
    if (multi)
      for (const kinds::WeightedDestination& destination : multi->destinations)
        entry->add_weighted(destination.weight, TRY(build_entry(service, index, matcher, &destination, report)));
    host.routes.push_back(std::move(entry));
  }
  return {};
}

Result<std::unique_ptr<RouteEntry>> Translating::build_entry(const ConfigObject& service, size_t index, size_t matcher,
                                                             const kinds::WeightedDestination* destination,
                                                             ObjectReport& report) {
  const kinds::VirtualHost& host = *service.as<VirtualService>()->virtual_host;
  const kinds::Route& route = host.routes[index];
  auto entry = std::make_unique<RouteEntry>();
  entry->name = route.name;
  entry->virtual_host_name = service.key.ns + "_" + service.key.name;
  const std::string tree =
      route_tree_name(gateway_->key.name, kDefaultProxy, service.key.ns, service.key.name, route.name);
  entry->generated_name = route_name(entry->virtual_host_name, index, tree, matcher);
  const auto route_error = [&](Error error) {
    return invalid(
        fmt::format("Route Error: ProcessingError. Reason: {}. Route Name: {}", error.message, entry->generated_name));
  };
  auto compiled = RequestMatcher::compile(route.matchers[matcher]);
  if (!compiled) return route_error(compiled.error());
  entry->matcher = std::move(*compiled);
  entry->timeout = route.options.timeout.value_or(15s);
  entry->idle_timeout = route.options.idle_timeout;
  entry->prefix_rewrite = route.options.prefix_rewrite;
  entry->host_rewrite = route.options.host_rewrite;
  const kinds::HeaderManipulation* levels[] = {destination ? &destination->options.header_manipulation : nullptr,
                                               &route.options.header_manipulation, &host.options.header_manipulation};
  auto mutations = HeaderMutations::compile(levels, secret_finder());
  if (!mutations) return route_error(mutations.error());
  entry->headers = std::move(*mutations);
  auto filters = build_filters(service, index, destination);
  if (!filters) return route_error(filters.error());
  entry->chain.filters = std::move(*filters);
  auto terminal = build_terminal(service, route, entry->matcher, destination, report);
  if (!terminal) return route_error(terminal.error());
  entry->chain.terminal = std::move(*terminal);
  return entry;
}

Result<std::vector<StagedFilter>> Translating::build_filters(const ConfigObject& service, size_t index,
                                                             const kinds::WeightedDestination* destination) {
  const kinds::VirtualHost& host = *service.as<VirtualService>()->virtual_host;
  FilterBuild build;
  build.listener = &spec_->http_gateway.options.filters;
  build.virtual_host = &host.options.filters;
  build.route = &host.routes[index].options.filters;
  build.destination = destination ? &destination->options.filters : nullptr;
  build.settings = settings_;
  build.body_buffer_bytes_max = spec_->options.per_connection_buffer_limit_bytes;
  build.threads = options_.workers + 1;
  build.metrics = options_.metrics;
  build.kept = &t_.kept_;
  build.name = fmt::format("{} route {}", short_name(service.key), index);
  std::vector<StagedFilter> filters;
  for (const FilterFactory* factory : options_.filters)
    for (StagedFilter& filter : TRY(factory->build(build))) filters.push_back(std::move(filter));
  std::ranges::stable_sort(filters, {}, &StagedFilter::stage);
  return filters;
}

FindHeaderSecret Translating::secret_finder() {
  return [this](const ObjectRef& ref) -> Result<HeaderList> {
    const ObjectKey key{"Secret", ref.ns, ref.name};
    const auto& from = secrets_kept_ ? *secrets_kept_ : by_key_;
    const auto object = from.find(key);
    if (object == from.end()) return invalid(fmt::format("list did not find secret {}.{}", ref.ns, ref.name));
    if (secrets_used_) secrets_used_->emplace(key, object->second);
    const auto& data = object->second->as<kinds::Secret>()->data;
    return HeaderList(data.begin(), data.end());
  };
}

// --- the ends of chains -----------------------------------------------------------------------------------------

Result<std::shared_ptr<const Filter>> Translating::build_terminal(const ConfigObject& service,
                                                                  const kinds::Route& route,
                                                                  const RequestMatcher& matcher,
                                                                  const kinds::WeightedDestination* destination,
                                                                  ObjectReport& report) {
  if (const auto* redirect = std::get_if<kinds::RedirectAction>(&route.action))
    return make_redirect(*redirect, matcher);
  if (const auto* direct = std::get_if<kinds::DirectResponseAction>(&route.action))
    return make_direct_response(*direct);
  if (destination) return static_terminal(service, destination->destination, report);
  const auto& action = std::get<kinds::RouteAction>(route.action).destination;
  if (const auto* single = std::get_if<kinds::Destination>(&action)) return static_terminal(service, *single, report);
  if (const auto* dynamic = std::get_if<kinds::DynamicForwardProxyRoute>(&action))
    return dynamic_terminal(service, *dynamic, report);
  report.warning(
      "Route Warning: InvalidDestinationWarning. Reason: must specify either 'singleDestination', "
      "'multipleDestinations' or 'upstreamGroup' for action");
  return make_no_cluster("");
}

void Translating::note_cluster(const ClusterId& id) {
  auto& alive = snapshot_->clusters_alive;
  if (alive.size() <= id.value()) alive.resize(id.value() + 1);
  alive[id.value()] = true;
}

std::shared_ptr<const Filter> Translating::static_terminal(const ConfigObject& service,
                                                           const kinds::Destination& destination,
                                                           ObjectReport& report) {
  const std::string& ns = destination.upstream.ns.empty() ? service.key.ns : destination.upstream.ns;
  const ConfigObject* object = find("Upstream", ns, destination.upstream.name);
  const std::string name = destination.upstream.name + "_" + ns;
  if (!object) {
    report.warning(fmt::format("Route Warning: InvalidDestinationWarning. Reason: *v1.Upstream {{ {}.{} }} not found",
                               ns, destination.upstream.name));
    return make_no_cluster(name);
  }
  const auto& upstream = *object->as<kinds::Upstream>();
  auto cluster = t_.kept_.get<StaticCluster>("cluster " + name + fmt::format(" {:016x}", object->hash), [&] {
    auto made = std::make_shared<StaticCluster>();
    auto common = std::make_shared<Cluster>(name, upstream.circuit_breakers.value_or(kinds::CircuitBreakers{}),
                                            options_.workers, *options_.metrics);
    common->connect_timeout = upstream.connection_config.connect_timeout;
    made->cluster = std::move(common);
    for (const kinds::StaticHost& host : upstream.static_hosts.hosts) {
      const auto address = IpAddress::parse(host.addr);
      made->hosts.push_back({address ? "" : to_lower(host.addr), address, host.port, host.load_balancing_weight});
      if (!address && !made->resolver) made->resolver = resolver_view({}, 1024);
    }
    return made;
  });
  note_cluster(cluster->id);
  return make_static_upstream(std::move(cluster));
}

Result<std::shared_ptr<const Filter>> Translating::dynamic_terminal(const ConfigObject& service,
                                                                    const kinds::DynamicForwardProxyRoute& route,
                                                                    ObjectReport& report) {
  if (!dynamic_) {
    report.warning(
        fmt::format("Route Warning: InvalidDestinationWarning. Reason: the route forwards dynamically, but Gateway {} "
                    "has no httpGateway.options.dynamicForwardProxy: requests get 503",
                    gateway_->key.name));
    return make_no_cluster("solo_io_generated_dfp");
  }
  note_cluster(dynamic_->id);
  return make_dynamic_upstream(dynamic_, TRY(guard_for(service)),
                               {route.host_rewrite, to_lower(route.auto_host_rewrite_header)}, t_.dynamic_metrics_);
}

// The policies of the Gateway and of the VirtualService, joined.
Result<std::shared_ptr<const AddressGuard>> Translating::guard_for(const ConfigObject& service) {
  std::vector<AddressPolicy> policies;
  std::string key = "guard " + gateway_->key.to_string();
  for (const ConfigObjectPtr& object : all<kinds::EgressPolicy>()) {
    const auto& policy = *object->as<kinds::EgressPolicy>();
    const bool meant = std::ranges::any_of(policy.target_refs, [&](const kinds::TargetRef& target) {
      const ObjectKey& own = target.kind == "Gateway" ? gateway_->key : service.key;
      return target.kind == own.kind && target.name == own.name && object->key.ns == own.ns;
    });
    if (!meant) continue;
    AddressPolicy& made = policies.emplace_back(AddressPolicy{object->key.name, {}});
    for (const kinds::EgressRule& rule : policy.rules)
      made.rules.push_back({rule.name, static_cast<RuleAction>(rule.action), rule.match.addresses});
    key += fmt::format(" {}:{:016x}", object->key.to_string(), object->hash);
  }
  for (const uint16_t port : own_ports_) key += fmt::format(" {}", port);
  for (const IpAddress& address : local_.self) key += " " + address.to_string();
  auto& known = guards_[key];
  if (known) return known;
  auto rules = TRY(AddressRules::compile(policies, local_, own_ports_));
  return known = t_.kept_.get<AddressGuard>(key, [&] {
    return std::make_shared<AddressGuard>(AddressGuard{std::move(rules), gateway_->key.name, ClusterId()});
  });
}

std::shared_ptr<const DynamicCluster> Translating::dynamic_cluster(const kinds::DynamicForwardProxyConfig& config) {
  auto resolver = resolver_view(config.dns_cache_config, 1024);
  const kinds::CircuitBreakers breakers = config.circuit_breakers.value_or(kinds::CircuitBreakers{});
  const std::string key =
      fmt::format("dfp {} {} {} {} {} {} {}", resolver->config().key(), breakers.max_connections.value_or(1024),
                  breakers.max_pending_requests.value_or(1024), breakers.max_requests.value_or(1024),
                  breakers.max_retries.value_or(3), breakers.track_remaining, config.save_upstream_address);
  return t_.kept_.get<DynamicCluster>(key, [&] {
    auto made = std::make_shared<DynamicCluster>();
    made->cluster = std::make_shared<Cluster>("solo_io_generated_dfp:" + hex_hash(key), breakers, options_.workers,
                                              *options_.metrics);
    made->resolver = resolver;
    made->save_upstream_address = config.save_upstream_address;
    return made;
  });
}

std::shared_ptr<ResolverView> Translating::resolver_view(const kinds::DnsCacheConfig& config, size_t pending_max) {
  ResolverConfig made;
  made.pending_max = pending_max;
  made.names.family = static_cast<dns::LookupFamily>(config.dns_lookup_family);
  made.names.host_ttl = config.host_ttl;
  made.names.hosts_max = config.max_hosts;
  made.names.query_timeout = config.dns_query_timeout;
  if (config.dns_failure_refresh_rate) {
    made.names.failure_base = config.dns_failure_refresh_rate->base_interval;
    made.names.failure_max = config.dns_failure_refresh_rate->max_interval.value_or(10 * made.names.failure_base);
  } else {
    made.names.failure_max = std::min(made.names.failure_max, config.dns_refresh_rate);
    made.names.failure_base = std::min(made.names.failure_base, made.names.failure_max);
  }
  if (config.cares_dns) {
    for (const kinds::DnsServer& server : config.cares_dns->resolvers)
      made.servers.list.push_back({{*IpAddress::parse(server.address), server.port},
                                   config.cares_dns->use_tcp || server.protocol == kinds::SocketProtocol::tcp
                                       ? DnsProtocol::tcp
                                       : DnsProtocol::udp_then_tcp});
  } else if (!options_.default_resolvers.empty()) {
    for (const Endpoint& endpoint : options_.default_resolvers)
      made.servers.list.push_back({endpoint, DnsProtocol::udp_then_tcp});
  } else {
    use_system_files(made);
  }
  const std::string key = "dns " + made.key();
  return t_.kept_.get<ResolverView>(key, [&] { return options_.resolvers->make(std::move(made)); });
}

std::vector<MetricFamily> translation_metric_families() {
  return {kNoRoute, kSnapshotsLive};
}

// --- Translator -------------------------------------------------------------------------------------------------

Translator::Translator(TranslateOptions options)
    : options_(std::move(options)),
      dynamic_metrics_(std::make_shared<DynamicMetrics>(*options_.metrics)),
      server_metrics_(std::make_shared<ServerMetrics>(*options_.metrics, "http")),
      routes_not_found_(options_.metrics->metric(kNoRoute)),
      snapshots_live_(options_.metrics->metric(kSnapshotsLive)) {}

Translation Translator::translate(std::span<const ConfigObjectPtr> objects) {
  return Translating(*this, objects, false).run();
}

std::map<ObjectKey, ObjectReport> Translator::try_out(std::span<const ConfigObjectPtr> objects) {
  return Translating(*this, objects, true).run().reports;
}

}  // namespace sluice
