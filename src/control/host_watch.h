// Looks after the names of static Upstreams, on the control thread: each is asked for when it comes into force and then
// every kEvery, so that a name that is nothing is told of in the Upstream's status, in the log and in /clusters, not
// only by the requests that fail. It also keeps the names warm. When a DNS server goes, all names fail at once: what
// that changes is gathered and told of together.
#pragma once

#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "config/node.h"
#include "control/snapshot.h"

namespace sluice {

class HostWatch final : private Waiter {
 public:
  static constexpr Nanos kEvery = 5s;
  static constexpr Nanos kTellAfter = 100ms;

  // `changed` is called with the Upstreams of which warnings() says something else now, each once, at most once in
  // kTellAfter. Must outlive the workers.
  using Changed = std::function<void(const std::set<ObjectKey>&)>;
  HostWatch(Loop& loop, Changed changed) : loop_(loop), changed_(std::move(changed)) {}
  HostWatch(const HostWatch&) = delete;
  HostWatch& operator=(const HostWatch&) = delete;

  // The Upstreams in use from now on.
  void follow(std::shared_ptr<const StaticClusters> upstreams);
  // For the Upstream's status: a sentence for each host whose name has no addresses.
  std::vector<std::string> warnings(const ObjectKey& upstream) const;
  // For /clusters: cluster -> its hosts, with their addresses or why there are none.
  std::map<std::string, Node> hosts() const;

 private:
  using Key = std::pair<const ResolverView*, std::string>;
  struct Name {
    std::shared_ptr<ResolverView> view;
    std::optional<NameState> state;
    bool asked = false;
    std::vector<ObjectKey> upstreams;  // that have it
  };
  struct Telling final : Waiter {
    explicit Telling(HostWatch& w) : watch(w) {}
    void wake() override { watch.tell(); }
    void cancel() override {}
    HostWatch& watch;
    Timer timer;
  };

  void wake() override { ask_all(); }
  void cancel() override {}
  void ask_all();
  void ask(const Key& key, Name& name);
  void heard(const Key& key, const NameState& state);
  void tell();
  Name known(const Key& key, const std::shared_ptr<ResolverView>& view) const;
  const Name* find(const StaticCluster& cluster, const StaticCluster::Host& host) const;
  Node row(const StaticCluster& cluster, const StaticCluster::Host& host) const;

  Loop& loop_;
  Changed changed_;
  std::shared_ptr<const StaticClusters> clusters_ = std::make_shared<const StaticClusters>();
  std::map<Key, Name> names_;
  Timer timer_;
  std::set<ObjectKey> to_tell_;
  Telling telling_{*this};
};

}  // namespace sluice
