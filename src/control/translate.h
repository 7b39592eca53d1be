// From objects to a snapshot: resolves references, merges levels, compiles everything a request needs, and says of each
// object whether it is in force.
//
// On the control thread. Keeps what must stay the same from one snapshot to the next: clusters whose configuration did
// not change, and the last versions of Gateways and VirtualServices that could be served.
#pragma once

#include <map>
#include <set>
#include <span>

#include "config/load.h"
#include "control/snapshot.h"
#include "forward/dns/resolver.h"
#include "forward/dynamic_upstream.h"
#include "forward/static_upstream.h"
#include "pipeline/filter.h"

namespace sluice {

enum class ObjectState : uint8_t { accepted, warning, rejected };

// Why an object is or is not in force: what its status says.
struct ObjectReport {
  std::vector<std::string> errors;   // it could never be in force as it is
  std::vector<std::string> clashes;  // nor now, but for other objects as they are: it may be stored all the same
  std::vector<std::string> warnings;

  // A text that is there already is not added again: an object may serve on several Gateways.
  void error(std::string text);
  void clash(std::string text);
  void warning(std::string text);

  ObjectState state() const;
  // Gloo's text (gloo-core 1.3); empty when accepted.
  std::string reason() const;
  // Errors and clashes.
  std::vector<std::string> all_errors() const;
};

// A text of a report that is about one field begins with its path: "spec.virtualHost...: unknown operator %X%". Path
// ("" for none) and the rest.
std::pair<std::string, std::string> path_and_message(const std::string& text);

struct Translation {
  std::shared_ptr<const Snapshot> snapshot;
  std::map<ObjectKey, ObjectReport> reports;
};

struct TranslateOptions {
  unsigned workers = 1;
  Metrics* metrics = nullptr;
  ResolverPool* resolvers = nullptr;
  LogFiles* log_files = nullptr;            // null: no access log is opened or written
  std::string default_access_log;           // a path; "" is off
  std::vector<Endpoint> default_resolvers;  // empty: the system's
  std::vector<const FilterFactory*> filters;
  BodyBudget* body_budget = nullptr;  // null: none
  std::vector<WorkerPlace> places;    // the workers', for what filters send by themselves; none: they send nothing
};

class Translator {
 public:
  explicit Translator(TranslateOptions options);

  // Rejected objects among them are those of which no version is in force: they are not served, neither does anybody
  // else serve in their place, and who refers to one hears that it is rejected. `gaps`: what may be an EgressPolicy and
  // could not be understood.
  Translation translate(std::span<const ConfigObjectPtr> objects, std::span<const PolicyGap> gaps = {});
  // What would be said of these objects. Changes nothing, opens nothing.
  std::map<ObjectKey, ObjectReport> try_out(std::span<const ConfigObjectPtr> objects,
                                            std::span<const PolicyGap> gaps = {});
  // Every port that this program has open now. No dynamic destination may be one of them, nor one that a Gateway asks
  // for.
  void set_open_ports(std::vector<uint16_t> ports) { open_ports_ = std::move(ports); }

 private:
  friend class Translating;

  TranslateOptions options_;
  KeptState kept_;
  uint64_t last_id_ = 0;
  std::shared_ptr<const DynamicMetrics> dynamic_metrics_;
  std::shared_ptr<const ServerMetrics> server_metrics_;
  RouterCounters router_counters_;
  Counter* services_closed_;
  Counter* redirects_too_costly_;
  Gauge* snapshots_live_;
  Gauge* policy_gaps_;
  Gauge* services_out_;
  Gauge* kept_objects_;
  // A VirtualService as it was served last, with the Secrets it was made with, and what its filters refer to.
  struct Served {
    ConfigObjectPtr object;
    std::map<ObjectKey, ConfigObjectPtr> secrets;
  };
  std::vector<uint16_t> open_ports_;
  size_t static_names_max_ = 4096;     // places for the names of static hosts: never fewer than there were
  ResolverConfig system_names_;        // servers and hosts as the system's files said last
  std::vector<IpAddress> interfaces_;  // the machine's addresses as it told last
  std::map<ObjectKey, Served> last_served_;
  std::map<ObjectKey, ConfigObjectPtr> last_gateways_;
};

std::vector<MetricFamily> translation_metric_families();
// Brings the gauges up to date that nobody counts: before a scrape, on the control thread.
void count_what_is_there(Metrics& metrics);

// The name under which objects without a Gateway are served: 127.0.0.1:8080 (design.md 2).
inline constexpr std::string_view kDefaultProxy = "gateway-proxy";

}  // namespace sluice
