// The endpoints that requests to one destination, or to the hosts of one Upstream, are spread over: addresses with
// their weight, their load and what is known of their health, and who of them is next.
//
// One worker's own. Its members change when names resolve anew; an endpoint that stays keeps what is known of it, one
// that is gone lives on as long as a request is on its way to it. Choosing allocates nothing.
#pragma once

#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/metrics.h"
#include "net/address.h"
#include "upstream/balancer.h"
#include "upstream/ejection.h"

namespace sluice {

// What outlier detection decided on the endpoints of a cluster; Envoy's names.
struct EjectionMetrics {
  EjectionMetrics(MetricSet& set, const Labels& labels);
  Counter* enforced;                   // in all
  Counter* overflow;                   // not done, as too many are ejected already
  std::vector<Counter*> by_cause;      // enforced, by EjectionCause; null for connects
  std::vector<Counter*> detected_for;  // found, whether enforced or not
};
std::vector<MetricFamily> ejection_metric_families();

class EndpointSet final : private EjectionListener {
 public:
  struct Options {
    kinds::LoadBalancerConfig balancing{.balancing = Balancing::least_request};
    const kinds::OutlierDetection* detection = nullptr;  // none: only what cannot be connected to is left out
    const EjectionMetrics* metrics = nullptr;            // with detection
    std::string_view name;                               // the cluster's, for the log
  };
  struct Member {
    SocketAddress address;  // none: of a host whose name has not been resolved
    uint32_t weight = 1;
    uint32_t host = 0;  // to which of the hosts it belongs, as whoever made the set counts them
    friend bool operator==(const Member&, const Member&) = default;
  };
  // Of an endpoint, whichever set it is in; never used again, so it may be kept when the endpoint is gone.
  using Id = uint64_t;
  class Endpoint {
   public:
    Id id() const { return id_; }
    const SocketAddress& address() const { return member_.address; }
    uint32_t host() const { return member_.host; }

   private:
    friend class EndpointSet;
    explicit Endpoint(const Member& member);
    const Id id_;
    const Member member_;
    uint32_t active_ = 0;
    uint32_t place_ = 0;
    bool gone_ = false;
  };

  // The options, which many sets share, and what they point to outlive it.
  EndpointSet(const Options& options, uint64_t seed) : options_(options), seed_(seed) {}
  EndpointSet(Options&&, uint64_t) = delete;
  EndpointSet(const EndpointSet&) = delete;
  EndpointSet& operator=(const EndpointSet&) = delete;
  // No request may be on its way.
  ~EndpointSet();

  void change(std::span<const Member> members);
  size_t size() const { return endpoints_.size(); }

  // The next one; not one of `tried`. Null when there is none.
  Endpoint* pick(std::span<const Id> tried, SteadyTime now);
  // The one with that address; null where there is none, or it is left out just now, or one of `tried`. None at all
  // stands for an endpoint of a name that has not been resolved.
  Endpoint* pick_at(const SocketAddress& address, std::span<const Id> tried, SteadyTime now);
  // The other endpoints of the same host that have not been tried: for a race. In no particular order; those that are
  // left out just now go to `last_resort`.
  void others(const Endpoint& endpoint, std::span<const Id> tried, SteadyTime now, std::vector<SocketAddress>& good,
              std::vector<SocketAddress>& last_resort);
  // The endpoint with that address, of that host; null when it is gone.
  Endpoint* find(const SocketAddress& address, uint32_t host);

  // A request that is on its way to an endpoint, which outlives it.
  class Use {
   public:
    Use() = default;
    Use(EndpointSet& set, Endpoint& endpoint) : set_(&set), endpoint_(&endpoint) { ++endpoint.active_; }
    Use(Use&& other) noexcept : set_(std::exchange(other.set_, nullptr)), endpoint_(other.endpoint_) {}
    Use& operator=(Use&& other) noexcept {
      std::swap(set_, other.set_);
      std::swap(endpoint_, other.endpoint_);
      return *this;
    }
    ~Use() {
      if (set_) set_->end_use(*endpoint_);
    }
    explicit operator bool() const { return set_ != nullptr; }
    EndpointSet& set() const { return *set_; }
    Endpoint& operator*() const { return *endpoint_; }
    Endpoint* operator->() const { return endpoint_; }

   private:
    EndpointSet* set_ = nullptr;
    Endpoint* endpoint_ = nullptr;
  };

  // --- how tries ended ---

  // How long it is left out from now on because of it; 0: no longer than before.
  Nanos failed(const Endpoint& endpoint, Ejections::Failure how, SteadyTime now);
  // Whether connects had failed before.
  bool connected(const Endpoint& endpoint);
  void answered(const Endpoint& endpoint, uint16_t status, SteadyTime now);

 private:
  Ejections& ejections();
  void end_use(Endpoint& endpoint);
  void decided(size_t endpoint, EjectionCause cause, EjectionDecision decision, Nanos lasts) override;

  const Options& options_;
  uint64_t seed_;
  std::vector<std::unique_ptr<Endpoint>> endpoints_;
  std::vector<std::unique_ptr<Endpoint>> leaving_;  // not members any more, but in use
  std::unique_ptr<Balancer> balancer_;              // where there are several: most names have one address
  std::unique_ptr<Ejections> ejections_;            // once there is something to remember: most sets never fail
  Nanos pause_{};                                   // that the failure just told began
};

}  // namespace sluice
