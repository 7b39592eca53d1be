// One run of the translator over all objects; only for the files beside it. A run goes from Gateways (translate.cc) to
// VirtualServices and their routes (translate_hosts.cc) to where requests go (translate_ends.cc).
#pragma once

#include <algorithm>
#include <deque>
#include <unordered_set>

#include "config/kinds/upstream.h"
#include "control/tls_unit.h"
#include "control/translate.h"
#include "control/watched_files.h"
#include "forward/cluster.h"
#include "route/route_table.h"

namespace sluice {

inline bool speaks_tls(const kinds::Upstream& upstream) {
  return upstream.ssl_config || upstream.static_hosts.speaks_tls();
}

inline std::string short_name(const ObjectKey& key) {
  return key.ns + "." + key.name;
}

// What an sslConfig refers to.
struct TlsMaterial {
  TlsKeyPair pair;
  std::string root_ca;
  std::string from;     // for people
  std::string made_of;  // differs when it says something else
};

class Translating {
 public:
  // `only`: a trial, which compiles nothing but that object.
  explicit Translating(Translator& translator, const ConfigObject* only = nullptr)
      : t_(translator),
        options_(translator.options_),
        world_(translator.world_),
        only_(only),
        trial_(only != nullptr),
        kept_(trial_ ? trial_kept_ : translator.kept_),
        files_(trial_ ? trial_files_ : translator.files_),
        metrics_(trial_ ? trial_metrics_ : *translator.options_.metrics),
        gaps_(translator.gaps_) {}

  std::shared_ptr<const Snapshot> run();
  // Of objects of which there is something to say.
  ObjectReports take_reports() { return std::move(reports_); }

 private:
  ObjectReport& report(const ObjectKey& key) { return reports_[key]; }
  const ConfigObject* find(std::string_view kind, std::string_view ns, std::string_view name) const {
    const auto found = world_.in_force().find(ObjectKey{std::string(kind), std::string(ns), std::string(name)});
    return found == world_.in_force().end() ? nullptr : found->second.get();
  }
  // What is compiled now depends on it.
  void depend_on(Inputs::What what, const ObjectKey& key = {});

  // "exists but is rejected (vs.yaml:12)", or "".
  std::string why_rejected(std::string_view kind, std::string_view ns, std::string_view name) const;
  // The same, or `otherwise` with the name that was probably meant.
  std::string why_missing(std::string_view kind, std::string_view ns, std::string_view name,
                          std::string_view otherwise);
  std::string suggestion(std::string_view kind, std::string_view ns, std::string_view name);
  std::string meant(const ObjectKey& missing);
  std::string look_for_suggestion(const ObjectKey& wanted) const;
  void check_targets(std::span<const ConfigObjectPtr> gateways);
  bool is_there(const ObjectKey& key, std::span<const ConfigObjectPtr> gateways) const;
  void index_gaps(std::span<const ConfigObjectPtr> gateways);
  void note_changed_gaps();
  const PolicyGap* gap_for(const ConfigObject* service);
  std::vector<ConfigObjectPtr> gateways();
  void note_addresses();
  void note_own_ports(std::span<const ConfigObjectPtr> gateways);
  void reject_shared_ports(std::vector<ConfigObjectPtr>& gateways);
  bool take_address(const ConfigObject& gateway);
  bool check_log_formats(const ConfigObject& gateway);
  void translate_gateway(const ConfigObjectPtr& gateway);
  Status try_gateway(const ConfigObject& gateway);
  const ConfigObject* settings_of(const ConfigObject& gateway);
  // Of a Gateway's port all, or what a hybridGateway has for some connections: built as if it were a Gateway of its
  // own.
  struct Part {
    ObjectKey key;    // of what is kept of it
    ObjectKey owner;  // who hears what is wrong with it
    uint64_t hash = 0;
    const kinds::Gateway* spec = nullptr;
    std::string path = "spec.";                       // of its gateway, in its owner
    std::string name{};                               // of its chain; empty: it is all
    const kinds::ServerSslConfig* ssl_defaults = {};  // null: there are none
  };
  Status enter_part(Part part);
  Status build_listener(const ConfigObject& gateway, SnapshotListener& listener);
  Status build_http(std::span<const ConfigObjectPtr> services, const SnapshotListener& listener, SnapshotHttp& http);
  void warn_of_log_files(const ConfigObject& gateway, const std::vector<std::string>& problems);
  void warn_of_no_services();
  Status open_access_log(SnapshotListener& listener);
  std::shared_ptr<const ProxyProtocolOptions> proxy_protocol() const;
  std::vector<StagedFilter> unrouted_filters();
  Result<std::vector<StagedFilter>> build_unrouted(const FilterFactory& factory, const FilterBuild& build,
                                                   Translator::Unrouted& unrouted, const Referred* kept);
  Status apply_early_changes(ListenerConfig& config);
  void apply_port_settings(const kinds::ConnectionLimit& limit, SnapshotListener& listener);

  // translate_hybrid.cc
  struct HybridPart;
  // The chains of a port, and who hears of two that take the same connections, by number.
  struct PortChains {
    std::vector<ChainMatch> matches;
    std::vector<ObjectKey> owners;
  };
  Status build_hybrid_listener(const kinds::HybridGateway& hybrid, SnapshotListener& listener);
  std::deque<HybridPart> parts_of(const kinds::HybridGateway& hybrid);
  HybridPart inline_part(const kinds::MatchedGateway& matched, size_t index) const;
  HybridPart delegated_part(const ConfigObject& child, const kinds::DelegatedHttpGateways& parent) const;
  HybridPart delegated_part(const ConfigObject& child) const;
  std::vector<const ConfigObject*> delegated(const kinds::DelegatedGateways& from, std::string_view kind,
                                             std::string_view field);
  kinds::Gateway spec_of_part(const kinds::HttpGateway& http, bool tls) const;
  void add_http_part(const HybridPart& part, SnapshotListener& listener, PortChains& chains);
  void add_tcp_part(const HybridPart& part, SnapshotListener& listener, PortChains& chains);
  ChainLimit limit_of_part(const kinds::ConnectionLimit& limit);
  void tell_of_shared_connections(std::span<const ChainTable::Conflict> conflicts, const PortChains& chains);
  void check_not_taken_in();

  Status build_tcp_listener(const kinds::TcpGateway& gateway, SnapshotListener& listener);
  bool add_tcp_destination(const kinds::Destination& destination, uint32_t weight, std::string_view host,
                           TcpConfig& to);
  void add_all_clusters(TcpConfig& to);
  bool add_tcp_destinations(const kinds::TcpHost& host, TcpConfig& to);
  Result<bool> add_tcp_host(const kinds::TcpHost& host, const kinds::TcpListenerOptions& options,
                            SnapshotListener& listener);
  std::string chain_name(const kinds::TcpHost& host) const;
  ServerCertificatePtr certificate_of_host(const kinds::TcpHost& host);
  void warn_of_passed_on(const kinds::TcpHost& host);
  std::shared_ptr<const TcpService> tcp_service(const ConfigObject& upstream);
  void apply_settings(SnapshotHttp& http);

  // Of the services or chains of a Gateway, what one status tells.
  static constexpr size_t kToldMax = 10;

  // translate_tls.cc
  // What is shown where the sslConfig is; null: nothing can be. `problem`: its certificate cannot be had as it is now.
  struct Certified {
    ServerCertificatePtr certificate;
    std::optional<Error> problem;
    bool of_other_config = false;  // it was made of what the sslConfig was before
    bool beside_other = false;     // and was shown for something else than `beside`
  };
  // `beside`: of what is served behind it, where no last good version of that is kept.
  Certified certify(const ObjectKey& owner, const kinds::ServerSslConfig& config, uint64_t beside = 0);
  static std::string_view what_is_shown(const Certified& certified);  // after the problem, for people
  struct WithCertificate {
    ConfigObjectPtr service;
    ServerCertificatePtr certificate;
    std::span<const std::string> names;
  };
  class ChainBuilder;
  // How much of a dynamic destination's certificate counts.
  enum class DynamicPeer : uint8_t { none, verified, unverified };
  Result<TlsMaterial> tls_material(const kinds::SslSource& source);
  Result<TlsMaterial> material_of_secret(const ObjectRef& ref);
  Result<TlsMaterial> material_of_files(const kinds::SslFiles& files);
  template <class Made, class Make>
  const TlsUnit<Made>& tls_unit(TlsSlot<Made>& slot, uint64_t hash, Make&& make);
  Result<ServerCertificatePtr> make_server_certificate(const kinds::ServerSslConfig& config);
  Result<ClientTlsPtr> make_client_tls(const kinds::UpstreamSslConfig& config, DynamicPeer dynamic);
  // How an Upstream is met: the version of it that is in force, and its TLS (null: it speaks plain HTTP).
  struct Met {
    const ConfigObject* version;
    ClientTlsPtr tls;
  };
  Result<Met> met(const ConfigObject& upstream);
  Result<ClientTlsPtr> tls_of_dynamic(const kinds::DynamicForwardProxyConfig& config);
  void check_upstreams();
  void check_unserved_certificate(const ConfigObject& service);
  // Of a service whose sslConfig is another and cannot be had: the one that goes on.
  const ConfigObject* version_in_force(const ConfigObject& service) const;
  // By which names a client asks for it: "*" for every one.
  const std::vector<std::string>& names_of(const ConfigObject& service) const;
  // Of all that its sslConfig is made of.
  uint64_t ssl_hash(const ConfigObject& service) const;
  // Of what is kept of its certificate.
  ObjectKey certificate_key(const ConfigObject& service) const;
  bool any_gateway_with_tls() const;
  ServerCertificatePtr certificate_of(const ConfigObject& service, std::vector<std::string>& problems);
  void tell_of_certificates(std::vector<std::string> problems);
  std::vector<WithCertificate> certificates_of(std::span<const ConfigObjectPtr> services);
  std::vector<size_t> order_of_claims(std::span<const WithCertificate> services);
  Result<BuiltChains> build_chains(std::span<const WithCertificate> services);
  void tell_conflict(std::string_view name, const ObjectKey& keeps, const ObjectKey& loses, bool tells_gateway);
  void warn_of_ways_around(std::span<const ChainUse> uses);
  static bool is_isolated(const ConfigObject& gateway);
  Result<std::shared_ptr<const Router>> router_for(std::span<const ConfigObjectPtr> services);
  Status serve_by_tls(std::span<const ConfigObjectPtr> services, SnapshotHttp& http);
  ServerCertificatePtr certificate_now(const ConfigObject& service) const;
  Status try_hosts(std::span<const ConfigObjectPtr> services);
  Status try_isolated(std::span<const ConfigObjectPtr> services, std::span<const WithCertificate> tried);
  Status isolate(std::span<const ConfigObjectPtr> services, SnapshotHttp& http);
  void leave_tls();

  std::vector<ConfigObjectPtr> select_services();
  bool is_selected(const ConfigObject& service) const;
  void warn_of_other_kind(const ConfigObject& service);
  Result<std::vector<VirtualHostPtr>> build_hosts(std::span<const ConfigObjectPtr> services);
  Status close_others(std::span<const ConfigObjectPtr> without, std::vector<VirtualHostPtr>& hosts);
  Status close_hosts_of(const ConfigObject& service, std::set<std::string>& claimed,
                        std::vector<VirtualHostPtr>& hosts);
  std::vector<ConfigObjectPtr> settle_domains(std::span<const ConfigObjectPtr> services);
  void check_unserved();
  bool check_headers(const ConfigObject& service, ObjectReport& report);
  void enter(const ObjectKey& gateway, Translator::GatewayContext context);
  void leave_units();
  bool has_host(const ConfigObject& service);
  HostSlot& slot_of(const ConfigObjectPtr& service);
  struct Hosted {
    VirtualHostPtr host;        // null: no version can be served
    bool is_last_good = false;  // though its domains were settled for a newer version
  };
  Hosted host_or_last_good(const ConfigObjectPtr& service, bool is_newest);
  void yield_domains(std::vector<std::pair<ConfigObjectPtr, Hosted>>& hosts, std::vector<ConfigObjectPtr>& without);
  VirtualHostPtr last_good(HostSlot& slot, const ObjectKey& key);
  const HostUnit& newest_unit(HostSlot& slot, const ConfigObject& service);
  HostUnitPtr compile(const ConfigObject& service, const Referred* kept);
  void tell(const ConfigObject& service, const HostUnit& unit);
  void use(const HostUnit& unit);
  void note_served(HostSlot& slot, const ConfigObjectPtr& service, const HostUnit& unit);
  // Null: why not is in the report, all of it.
  VirtualHostPtr build_host(const ConfigObject& service, ObjectReport& report);
  Status build_route(const ConfigObject& service, size_t index, VirtualHostEntry& host, ObjectReport& report);
  Result<std::unique_ptr<RouteEntry>> build_entry(const ConfigObject& service, size_t route, size_t matcher,
                                                  const kinds::WeightedDestination* destination, ObjectReport& report);
  Result<std::shared_ptr<const Service>> build_terminal(const ConfigObject& service, const kinds::Route& route,
                                                        const RequestMatcher& matcher,
                                                        const kinds::WeightedDestination* destination,
                                                        ObjectReport& report);
  Result<std::vector<StagedFilter>> build_filters(const ConfigObject& service, size_t route,
                                                  const kinds::WeightedDestination* destination, ObjectReport& report);
  std::string cluster_name(const ConfigObject& service, const kinds::Route& route,
                           const kinds::WeightedDestination* destination) const;
  void note_missing(const ObjectKey& upstream, ObjectReport& report);
  // Null: its TLS cannot be had.
  std::shared_ptr<const StaticCluster> cluster_of(const ConfigObject& upstream);
  std::shared_ptr<const StaticCluster> static_cluster(const ConfigObject& upstream);
  std::shared_ptr<const Service> static_terminal(const ConfigObject& service, const kinds::Destination& destination,
                                                 ObjectReport& report);
  Result<std::shared_ptr<const Service>> dynamic_terminal(const ConfigObject& service,
                                                          const kinds::DynamicForwardProxyRoute& route,
                                                          ObjectReport& report);
  std::shared_ptr<const Service> closed_terminal(const EgressNow::Standing& standing, const PolicyGap& gap,
                                                 ObjectReport& report);
  Result<std::shared_ptr<const PlaceRules>> rules_for(const ConfigObject* service);
  Status note_gateway_egress();
  std::string place_of(const ConfigObject* service) const;
  Result<std::shared_ptr<const AddressGuard>> guard_for(const ConfigObject* service);
  Result<std::shared_ptr<const AddressGuard>> guard_of(const std::string& name, std::string key,
                                                       const std::vector<AddressPolicy>& policies);
  std::shared_ptr<const DynamicCluster> dynamic_cluster(const kinds::DynamicForwardProxyConfig& config,
                                                        const ClientTlsPtr& tls);
  const std::shared_ptr<ResolverView>& static_resolver();
  std::shared_ptr<ResolverView> resolver_view(const kinds::DnsCacheConfig& config, size_t pending_max);
  FindHeaderSecret secret_finder();
  // What filters refer to.
  class FilterReferences;
  Result<ConfigObjectPtr> find_data(std::string_view kind, const ObjectRef& ref);
  Result<FileData> find_file(const std::string& path, size_t bytes_max);
  Result<FileData> watched_file(const std::string& path, size_t bytes_max);
  Result<UpstreamEnd> upstream_end(const ObjectRef& ref);
  void note_cluster(const Cluster& cluster);
  void settle_clusters();
  void warn_of_contradictions();
  void settle_egress();
  void remember();

  Translator& t_;
  const TranslateOptions& options_;
  const World& world_;
  const ConfigObject* const only_;
  const bool trial_;
  // A trial counts and keeps in its own, which go with it.
  Metrics trial_metrics_{options_.workers + 1};
  KeptState trial_kept_{t_.kept_};
  KeptState& kept_;
  WatchedFiles trial_files_;
  WatchedFiles& files_;
  Metrics& metrics_;
  std::vector<PolicyGap> gaps_;                    // and, as they are found, policies for objects that are not there
  std::map<ObjectKey, const PolicyGap*> gap_for_;  // by target; by namespace alone; by nothing: for all
  int suggestions_left_ = 20;                      // each looks at all objects of a kind
  ObjectReports reports_;
  std::shared_ptr<Snapshot> snapshot_;
  // Rules of dynamic destinations, by place.
  std::vector<std::shared_ptr<const PlaceRules>> rules_;
  EgressNow::Standing elsewhere_;
  std::vector<const HostUnit::ClusterUse*> clusters_;  // that routes lead to, in the order they are met
  std::deque<HostUnit::ClusterUse> tcp_clusters_;      // of these those of no unit
  std::unordered_set<const Cluster*> clusters_in_force_;
  LocalAddresses local_;
  const WallTime now_ = wall_now();
  std::map<std::string, std::shared_ptr<const AddressGuard>> guards_;  // by key, of this run
  std::shared_ptr<ResolverView> static_resolver_;  // of all static hosts that are names; null: there was none yet
  std::vector<std::pair<ObjectKey, Translator::Served>> served_;  // VirtualServices that serve as they are now
  std::set<ObjectKey> failed_;                                    // and that could not, on some Gateway
  std::unordered_set<const ConfigObject*> done_;                  // either
  std::set<ObjectKey> closed_;                                    // whose hosts refuse
  std::map<ObjectKey, ConfigObjectPtr> gateways_built_;
  std::set<std::string> addresses_;  // that a Gateway has now
  std::set<ObjectKey> taken_in_;     // objects that bring chains, by a hybridGateway

  // Of the VirtualService being compiled, or of what is for requests without a route.
  HostUnit* unit_ = nullptr;
  const Referred* referred_kept_ = nullptr;      // by a last good version
  std::vector<InputPtr>* tls_inputs_ = nullptr;  // of the TlsUnit being made, which may be within that
  std::string refused_;                          // what the end of the route being built refuses all for

  // Of the Gateway being translated.
  const ConfigObject* gateway_ = nullptr;
  const ConfigObject* settings_object_ = nullptr;  // null: the defaults
  Part part_;
  std::string address_label_;  // its address, as metrics have it
  Translator::GatewayUnits* units_ = nullptr;
  Translator::GatewayUnits trial_units_;
  const kinds::Gateway* spec_ = nullptr;
  const kinds::ProxySettings* settings_ = nullptr;
  const kinds::Retries* retries_compiled_ = nullptr;  // the last ones, and what they became
  std::shared_ptr<const RetryPolicy> retry_policy_;
  std::shared_ptr<const DynamicCluster> dynamic_;  // null: off, or nothing is sent anyway
  std::vector<uint16_t> own_ports_;
  std::set<ObjectKey> behind_;  // VirtualServices that stay whole as they were, as their new sslConfig cannot be had
  bool unserved_ = false;       // it stands for none: only what is said of a host counts
};

}  // namespace sluice
