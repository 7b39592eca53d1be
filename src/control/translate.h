// From objects to a snapshot: resolves references, merges levels, compiles everything a request needs, and says of each
// object whether it is in force.
//
// On the control thread. Keeps what must stay the same from one snapshot to the next: clusters whose configuration did
// not change, and the last versions of Gateways and VirtualServices that could be served. And it keeps what was
// compiled (host_unit.h): a VirtualService is compiled again when it or something that it refers to has changed, and
// the hosts of all others are shared with the snapshot before (decision 0040).
#pragma once

#include <map>
#include <set>
#include <span>
#include <unordered_map>

#include "config/load.h"
#include "control/host_unit.h"
#include "control/inputs.h"
#include "control/object_report.h"
#include "control/snapshot.h"
#include "control/tls_unit.h"
#include "control/watched_files.h"
#include "control/world.h"
#include "forward/dns/resolver.h"
#include "forward/dynamic_upstream.h"
#include "forward/static_upstream.h"
#include "pipeline/filter.h"

namespace sluice {

struct Translation {
  std::shared_ptr<const Snapshot> snapshot;
  // Of every object in force, and of others that something is said of. The translator's: until its next translation.
  const ObjectReports* reports = nullptr;
  // Of these objects something else is said than after the translation before, or they are new, another version or
  // gone.
  std::vector<ObjectKey> changed;
};

struct TranslateOptions {
  unsigned workers = 1;
  WorkerLoops loops;  // theirs, and the control thread's
  Metrics* metrics = nullptr;
  ResolverPool* resolvers = nullptr;
  LogFiles* log_files = nullptr;            // null: no access log is opened or written
  std::string default_access_log;           // a path; "" is off
  std::vector<Endpoint> default_resolvers;  // empty: the system's
  std::vector<const FilterFactory*> filters;
  BodyBudget* body_budget = nullptr;   // null: none
  const Overload* overload = nullptr;  // null: none
  std::vector<WorkerPlace> places;     // the workers', for what filters send by themselves; none: they send nothing
};

class Translator {
 public:
  explicit Translator(TranslateOptions options);

  // Rejected objects among them are those of which no version is in force: they are not served, neither does anybody
  // else serve in their place, and who refers to one hears that it is rejected. `gaps`: what may be an EgressPolicy and
  // could not be understood.
  Translation translate(std::span<const ConfigObjectPtr> objects, std::span<const PolicyGap> gaps = {});
  // What would be said of this object if it took its place among those that were translated last. Compiles it alone,
  // changes nothing, opens nothing.
  ObjectReport try_out(const ConfigObjectPtr& object);
  // What was compiled is compiled anew: for those who want to see that it makes no difference.
  void forget_units();
  // What is known of changes, for tests of its bounds.
  size_t inputs() const { return inputs_.size(); }
  // Whether files that objects name have changed: then translate() makes anew what is made of them.
  bool look_at_files();
  // New keys for session tickets, when it is time: to be called once a minute or more often.
  void rotate_ticket_keys(SteadyTime now) { tls_shared_.rotate(now); }
  // Every port that this program has open now. No dynamic destination may be one of them, nor one that a Gateway asks
  // for.
  void set_open_ports(std::vector<uint16_t> ports) { open_ports_ = std::move(ports); }

 private:
  friend class Translating;

  TranslateOptions options_;
  TlsServerShared tls_shared_;  // outlives all contexts
  KeptState kept_;
  uint64_t last_id_ = 0;
  std::shared_ptr<const DynamicMetrics> dynamic_metrics_;
  std::shared_ptr<const ServerMetrics> server_metrics_;
  std::shared_ptr<const ProxyProtocolMetrics> proxy_protocol_metrics_;
  std::shared_ptr<const TcpMetrics> tcp_metrics_;
  RouterCounters router_counters_;
  Counter* services_closed_;
  Counter* redirects_too_costly_;
  Gauge* snapshots_live_;
  Gauge* policy_gaps_;
  Gauge* services_out_;
  Gauge* kept_objects_;
  Counter* compiled_;
  // A VirtualService as it was served last, with what it referred to then.
  struct Served {
    ConfigObjectPtr object;
    Referred referred;
    RunNumber since = 0;
  };
  // All that a Gateway says to its virtual hosts.
  struct GatewayContext {
    uint64_t gateway = 0;  // hashes
    uint64_t settings = 0;
    std::shared_ptr<const DynamicCluster> dynamic;
    bool operator==(const GatewayContext&) const = default;
  };
  struct KeyHash {
    size_t operator()(const ObjectKey& key) const {
      return std::hash<std::string>{}(key.name) * 31 + std::hash<std::string>{}(key.ns);
    }
  };
  struct GatewayUnits {
    GatewayContext context;
    std::unordered_map<ObjectKey, HostSlot, KeyHash> hosts;  // by VirtualService
    std::vector<HostSlot*> order;                            // as the last run met them; and as this one does
    std::vector<HostSlot*> order_now;
    size_t next = 0;  // of `order`, where this run meets the same
    RunNumber seen = 0;
  };

  struct GatewayChains {
    struct Part {
      ServerCertificatePtr certificate;
      uint64_t ssl_config;  // its hash
      ObjectKey service;
    };
    std::vector<Part> made_of;
    BuiltChains built;
    RunNumber seen = 0;
  };

  std::vector<World::Change> take_in(std::span<const ConfigObjectPtr> objects, std::span<const PolicyGap> gaps);
  void index_policies();
  void take_reports(ObjectReports told, std::span<const World::Change> changes, Translation& out);

  RunNumber run_ = 0;
  World world_;
  std::vector<PolicyGap> gaps_;  // as given last
  Inputs inputs_;
  size_t inputs_swept_ = 0;  // how many were left
  WatchedFiles files_;
  std::map<ObjectKey, TlsSlot<ServerCertificate>> server_tls_;  // by VirtualService, host of a tcpGateway
  std::map<ObjectKey, TlsSlot<ClientTls>> upstream_tls_;        // by Upstream
  std::map<ObjectKey, TlsSlot<ClientTls>> gateway_tls_;  // by Gateway or part of one, for its dynamic destinations
  std::map<ObjectKey, GatewayChains> chains_;            // likewise
  std::map<ObjectKey, GatewayUnits> units_;              // by Gateway; those that no Gateway selects under no name
  std::map<ObjectKey, std::vector<ConfigObjectPtr>> policies_;  // EgressPolicies by target
  bool rules_want_tls_ = false;                                 // some of theirs
  std::map<ObjectKey, PolicyGap> gap_for_;                      // as the last run found them; see Translating
  std::vector<uint16_t> own_ports_;                             // that it told of
  ObjectReports reports_;
  ObjectReports told_;                                     // of these those that the last run had something to say of
  std::map<ObjectKey, std::string> suggested_;             // by what was missing; as long as no object comes or goes
  std::shared_ptr<const StaticClusters> static_clusters_;  // of the last snapshot, and the same as a list
  std::vector<std::shared_ptr<const StaticCluster>> clusters_used_;
  std::shared_ptr<const EgressNow> egress_;  // likewise
  std::vector<std::shared_ptr<const PlaceRules>> rules_used_;
  std::vector<uint16_t> open_ports_;
  size_t static_names_max_ = 4096;     // places for the names of static hosts: never fewer than there were
  ResolverConfig system_names_;        // servers and hosts as the system's files said last
  std::vector<IpAddress> interfaces_;  // the machine's addresses as it told last
  std::map<ObjectKey, Served> last_served_;
  std::map<ObjectKey, ConfigObjectPtr> last_gateways_;
  struct EarlyChange {
    uint64_t gateway_hash = 0;
    std::shared_ptr<const RequestChange> change;
    RunNumber seen = 0;  // the last run that had it
  };
  // What the filters for requests without a route were made with, by Gateway or part of one.
  struct Unrouted {
    Referred referred;  // when they were good last
    std::vector<InputPtr> inputs;
    RunNumber seen = 0;
  };
  std::map<ObjectKey, Unrouted> unrouted_;
  std::map<ObjectKey, EarlyChange> early_changes_;  // the last good ones, by Gateway or part of one
};

std::vector<MetricFamily> translation_metric_families();
std::vector<MetricFamily> tls_translation_metric_families();
// Brings the gauges up to date that nobody counts: before a scrape, on the control thread.
void count_what_is_there(Metrics& metrics);

// The name under which objects without a Gateway are served: 127.0.0.1:8080 (design.md 2).
inline constexpr std::string_view kDefaultProxy = "gateway-proxy";

}  // namespace sluice
