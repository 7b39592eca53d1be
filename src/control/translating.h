// One run of the translator over all objects; only for the files beside it. A run goes from Gateways (translate.cc) to
// VirtualServices and their routes (translate_hosts.cc) to where requests go (translate_ends.cc).
#pragma once

#include <algorithm>
#include <typeindex>
#include <unordered_map>

#include "control/translate.h"
#include "forward/cluster.h"
#include "route/route_table.h"

namespace sluice {

inline std::string short_name(const ObjectKey& key) {
  return key.ns + "." + key.name;
}

// A text that is there already is not added again.
inline void add_once(std::vector<std::string>& texts, std::string text) {
  if (std::ranges::find(texts, text) == texts.end()) texts.push_back(std::move(text));
}

class Translating {
 public:
  Translating(Translator& translator, std::span<const ConfigObjectPtr> objects, std::span<const PolicyGap> gaps,
              bool trial)
      : t_(translator),
        options_(translator.options_),
        trial_(trial),
        kept_(trial ? trial_kept_ : translator.kept_),
        metrics_(trial ? trial_metrics_ : *translator.options_.metrics),
        gaps_(gaps.begin(), gaps.end()) {
    for (const ConfigObjectPtr& object : objects) {
      if (object->rejected) {
        rejected_.push_back(object);
        rejected_at_.emplace(object->key, object);
        continue;
      }
      by_key_[object->key] = object;
      out_.reports[object->key];
    }
  }

  Translation run();

 private:
  ObjectReport& report(const ObjectKey& key) { return out_.reports[key]; }
  template <class T>
  const std::vector<ConfigObjectPtr>& all() const {
    const auto [found, is_new] = by_type_.try_emplace(typeid(T));
    if (!is_new) return found->second;
    for (const auto& [key, object] : by_key_)
      if (object->as<T>()) found->second.push_back(object);
    return found->second;
  }
  const ConfigObject* find(std::string_view kind, std::string_view ns, std::string_view name) const {
    const auto found = by_key_.find(ObjectKey{std::string(kind), std::string(ns), std::string(name)});
    return found == by_key_.end() ? nullptr : found->second.get();
  }

  // "exists but is rejected (vs.yaml:12)", or "".
  std::string why_rejected(std::string_view kind, std::string_view ns, std::string_view name) const;
  // The same, or `otherwise` with the name that was probably meant.
  std::string why_missing(std::string_view kind, std::string_view ns, std::string_view name,
                          std::string_view otherwise);
  std::string suggestion(std::string_view kind, std::string_view ns, std::string_view name);
  void check_targets(std::span<const ConfigObjectPtr> gateways);
  bool is_there(const ObjectKey& key, std::span<const ConfigObjectPtr> gateways) const;
  void index_gaps(std::span<const ConfigObjectPtr> gateways);
  const PolicyGap* gap_for(const ConfigObject* service) const;
  std::vector<ConfigObjectPtr> gateways();
  void note_own_ports(std::span<const ConfigObjectPtr> gateways);
  void reject_shared_ports(std::vector<ConfigObjectPtr>& gateways);
  bool take_address(const ConfigObject& gateway);
  bool check_log_formats(const ConfigObject& gateway);
  void translate_gateway(const ConfigObjectPtr& gateway);
  Status try_gateway(const ConfigObject& gateway);
  const kinds::ProxySettings& settings_of(const ConfigObject& gateway);
  Status build_listener(const ConfigObject& gateway, SnapshotListener& listener);
  void warn_of_log_files(const ConfigObject& gateway, const std::vector<std::string>& problems);
  void warn_of_no_services(const ConfigObject& gateway);
  Status open_access_log(SnapshotListener& listener);
  void apply_settings(const kinds::Gateway& gateway, SnapshotListener& listener);

  std::vector<ConfigObjectPtr> select_services(const ConfigObject& gateway);
  bool is_selected(const ConfigObject& service) const;
  Result<std::vector<VirtualHostEntry>> build_hosts(const ConfigObject& gateway,
                                                    std::span<const ConfigObjectPtr> services);
  Status close_hosts_of(const ConfigObject& service, std::set<std::string>& claimed,
                        std::vector<VirtualHostEntry>& hosts);
  std::vector<ConfigObjectPtr> settle_domains(const ConfigObject& gateway, std::span<const ConfigObjectPtr> services);
  void check_unserved();
  bool check_headers(const ConfigObject& service, ObjectReport& report);
  void check_host(const ConfigObject& service);
  bool has_host(const ConfigObject& service);
  std::optional<VirtualHostEntry> build_host_or_last_good(const ConfigObjectPtr& service);
  std::optional<VirtualHostEntry> build_last_good(const ObjectKey& key);
  // Nothing: why not is in the report, all of it.
  std::optional<VirtualHostEntry> build_host(const ConfigObject& service, ObjectReport& report);
  Status build_route(const ConfigObject& service, size_t index, VirtualHostEntry& host, ObjectReport& report);
  Result<std::unique_ptr<RouteEntry>> build_entry(const ConfigObject& service, size_t route, size_t matcher,
                                                  const kinds::WeightedDestination* destination, ObjectReport& report);
  Result<std::shared_ptr<const Filter>> build_terminal(const ConfigObject& service, const kinds::Route& route,
                                                       const RequestMatcher& matcher,
                                                       const kinds::WeightedDestination* destination,
                                                       ObjectReport& report);
  Result<std::vector<StagedFilter>> build_filters(const ConfigObject& service, size_t route,
                                                  const kinds::WeightedDestination* destination);
  std::shared_ptr<const StaticCluster> static_cluster(const ConfigObject& upstream);
  std::shared_ptr<const Filter> static_terminal(const ConfigObject& service, const kinds::Destination& destination,
                                                ObjectReport& report);
  Result<std::shared_ptr<const Filter>> dynamic_terminal(const ConfigObject& service,
                                                         const kinds::DynamicForwardProxyRoute& route,
                                                         ObjectReport& report);
  std::shared_ptr<const Filter> closed_terminal(const EgressNow::Standing& standing, const PolicyGap& gap,
                                                ObjectReport& report);
  Status note_gateway_egress();
  std::string place_of(const ConfigObject* service) const;
  Result<std::shared_ptr<const AddressGuard>> guard_for(const ConfigObject* service);
  Result<std::shared_ptr<const AddressGuard>> guard_of(const std::string& name, std::string key,
                                                       const std::vector<AddressPolicy>& policies);
  std::shared_ptr<const DynamicCluster> dynamic_cluster(const kinds::DynamicForwardProxyConfig& config);
  const std::shared_ptr<ResolverView>& static_resolver();
  std::shared_ptr<ResolverView> resolver_view(const kinds::DnsCacheConfig& config, size_t pending_max);
  FindHeaderSecret secret_finder();
  // What filters refer to.
  class FilterReferences;
  Result<ConfigObjectPtr> find_data(std::string_view kind, const ObjectRef& ref);
  Result<UpstreamEnd> upstream_end(const ObjectRef& ref);
  void note_cluster(const Cluster& cluster, const ClusterId& id);
  void remember();

  Translator& t_;
  const TranslateOptions& options_;
  const bool trial_;
  // A trial counts and keeps in its own, which go with it.
  Metrics trial_metrics_{options_.workers + 1};
  KeptState trial_kept_{t_.kept_};
  KeptState& kept_;
  Metrics& metrics_;
  std::vector<PolicyGap> gaps_;                       // and, as they are found, policies for objects that are not there
  std::map<ObjectKey, const PolicyGap*> gap_for_;     // by target; by namespace alone; by nothing: for all
  std::vector<ConfigObjectPtr> rejected_;             // of which no version is in force
  std::map<ObjectKey, ConfigObjectPtr> rejected_at_;  // the first of each key
  std::map<ObjectKey, ConfigObjectPtr> by_key_;       // stays as it is
  mutable std::unordered_map<std::type_index, std::vector<ConfigObjectPtr>> by_type_;  // what all() has found
  int suggestions_left_ = 20;  // each looks at all objects of a kind
  Translation out_;
  std::shared_ptr<Snapshot> snapshot_;
  std::shared_ptr<EgressNow> egress_ = std::make_shared<EgressNow>();
  LocalAddresses local_;
  std::map<std::string, std::shared_ptr<const AddressGuard>> guards_;  // by key, of this run
  // The last one: a service's routes come one after the other.
  struct {
    const ConfigObject* gateway = nullptr;
    const ConfigObject* service = nullptr;
    std::shared_ptr<const AddressGuard> guard;
  } last_guard_;
  std::shared_ptr<ResolverView> static_resolver_;  // of all static hosts that are names; null: there was none yet
  std::map<ObjectKey, Translator::Served> built_;  // VirtualServices that could be, and are served as they are now
  std::set<ObjectKey> failed_;                     // and that could not, on some Gateway
  std::set<ObjectKey> closed_;                     // whose hosts refuse
  std::string refused_;                            // what the end of the route being built refuses all for
  std::map<ObjectKey, ConfigObjectPtr> gateways_built_;
  std::map<ObjectKey, ConfigObjectPtr>* secrets_used_ =
      nullptr;  // and all else that its filters refer to: of the host being built
  const std::map<ObjectKey, ConfigObjectPtr>* secrets_kept_ = nullptr;  // of a last good version
  std::set<std::string> addresses_;                                     // that a Gateway has now

  // Of the Gateway being translated.
  const ConfigObject* gateway_ = nullptr;
  const kinds::Gateway* spec_ = nullptr;
  const kinds::ProxySettings* settings_ = nullptr;
  std::shared_ptr<const DynamicCluster> dynamic_;  // null: off, or nothing is sent anyway
  std::vector<uint16_t> own_ports_;
  bool unserved_ = false;  // it stands for none: what is built is thrown away, only the report counts
};

}  // namespace sluice
