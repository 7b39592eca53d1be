// Looks after the names of static Upstreams, on the control thread: each is asked for when it comes into force and then
// every kEvery, so that a name that is nothing is told of in the Upstream's status, in the log and in /clusters, not
// only by the requests that fail. It also keeps the names warm.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "config/node.h"
#include "control/snapshot.h"

namespace sluice {

class HostWatch final : private Waiter {
 public:
  static constexpr Nanos kEvery = 5s;

  // `changed` is called when what warnings() says has changed. Must outlive the workers.
  HostWatch(Loop& loop, std::function<void()> changed) : loop_(loop), changed_(std::move(changed)) {}
  HostWatch(const HostWatch&) = delete;
  HostWatch& operator=(const HostWatch&) = delete;

  // The Upstreams in use from now on.
  void follow(const std::vector<StaticUse>& upstreams);
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
  };

  void wake() override { ask_all(); }
  void cancel() override {}
  void ask_all();
  void ask(const Key& key, Name& name);
  void heard(const Key& key, const NameState& state);
  const Name* find(const StaticCluster& cluster, const StaticCluster::Host& host) const;
  Node row(const StaticCluster& cluster, const StaticCluster::Host& host) const;

  Loop& loop_;
  std::function<void()> changed_;
  std::vector<StaticUse> upstreams_;
  std::map<Key, Name> names_;
  Timer timer_;
};

}  // namespace sluice
