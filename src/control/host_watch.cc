#include "control/host_watch.h"

#include "base/log.h"

namespace sluice {
namespace {

bool is_nothing(const NameState& state) {
  return !state.addresses || state.addresses->addresses.empty();
}

}  // namespace

void HostWatch::follow(std::shared_ptr<const StaticClusters> upstreams) {
  if (upstreams == clusters_) return ask_all();
  clusters_ = std::move(upstreams);
  std::map<Key, Name> now;
  for (const auto& [upstream, cluster] : *clusters_) {
    for (const StaticCluster::Host& host : cluster->hosts) {
      if (host.address) continue;
      const Key key{cluster->resolver.get(), host.name};
      const auto [at, added] = now.try_emplace(key);
      Name& name = at->second;
      if (added) name = known(key, cluster->resolver);
      if (name.upstreams.empty() || name.upstreams.back() != upstream) name.upstreams.push_back(upstream);
    }
  }
  names_ = std::move(now);
  ask_all();
}

// As it was followed until now, if it was; of no Upstream yet.
HostWatch::Name HostWatch::known(const Key& key, const std::shared_ptr<ResolverView>& view) const {
  const auto before = names_.find(key);
  if (before == names_.end()) return {.view = view, .state = {}, .asked = false, .upstreams = {}};
  return {.view = view, .state = before->second.state, .asked = before->second.asked, .upstreams = {}};
}

void HostWatch::ask_all() {
  for (auto& [key, name] : names_) ask(key, name);
  if (!names_.empty()) timer_.arm(loop_, loop_.now() + kEvery, *this);
}

void HostWatch::ask(const Key& key, Name& name) {
  if (std::exchange(name.asked, true)) return;
  name.view->check(key.second,
                   [this, key](const NameState& state) { loop_.post([this, key, state] { heard(key, state); }); });
}

void HostWatch::heard(const Key& key, const NameState& state) {
  const auto found = names_.find(key);
  if (found == names_.end()) return;
  Name& name = found->second;
  name.asked = false;
  const auto before = std::exchange(name.state, state);
  const bool was_nothing = before && is_nothing(*before);
  if (is_nothing(state) == was_nothing && (!before || before->failure == state.failure)) return;
  // Once for each change, so at most once in kEvery.
  if (is_nothing(state))
    log::warn("upstream", "the name of a static host cannot be resolved: requests to it get 503 no_healthy_upstream",
              {{"host", key.second}, {"reason", failure_word(state.failure)}});
  else
    log::info("upstream", "the name of a static host is resolved again", {{"host", key.second}});
  to_tell_.insert(name.upstreams.begin(), name.upstreams.end());
  if (!telling_.timer.armed()) telling_.timer.arm(loop_, loop_.now() + kTellAfter, telling_);
}

void HostWatch::tell() {
  changed_(std::exchange(to_tell_, {}));
}

const HostWatch::Name* HostWatch::find(const StaticCluster& cluster, const StaticCluster::Host& host) const {
  if (host.address) return nullptr;
  const auto found = names_.find({cluster.resolver.get(), host.name});
  return found == names_.end() ? nullptr : &found->second;
}

std::vector<std::string> HostWatch::warnings(const ObjectKey& upstream) const {
  std::vector<std::string> out;
  const auto use = clusters_->find(upstream);
  if (use == clusters_->end()) return out;
  for (const StaticCluster::Host& host : use->second->hosts) {
    const Name* name = find(*use->second, host);
    if (!name || !name->state || !is_nothing(*name->state)) continue;
    out.push_back(fmt::format("Upstream Warning: host {}:{} cannot be resolved: {}", host.name, host.port,
                              failure_word(name->state->failure)));
  }
  return out;
}

Node HostWatch::row(const StaticCluster& cluster, const StaticCluster::Host& host) const {
  Node row;
  row.set("host", Node(host.address ? Endpoint{*host.address, host.port}.to_string()
                                    : fmt::format("{}:{}", host.name, host.port)));
  row.set("weight", Node(host.weight));
  const Name* name = find(cluster, host);
  if (host.address) {
    row.set("state", Node("address"));
  } else if (!name || !name->state) {
    row.set("state", Node("resolving"));
  } else if (is_nothing(*name->state)) {
    row.set("state", Node("unresolved"));
    row.set("failure", Node(std::string(failure_word(name->state->failure))));
  } else {
    row.set("state", Node(name->state->stale ? "stale" : "resolved"));
    Node::List addresses;
    for (const IpAddress& address : name->state->addresses->addresses) addresses.emplace_back(address.to_string());
    row.set("addresses", Node(std::move(addresses)));
  }
  return row;
}

std::map<std::string, Node> HostWatch::hosts() const {
  std::map<std::string, Node> out;
  for (const auto& [upstream, cluster] : *clusters_) {
    Node::List rows;
    for (const StaticCluster::Host& host : cluster->hosts) rows.push_back(row(*cluster, host));
    out[cluster->cluster->name] = Node(std::move(rows));
  }
  return out;
}

}  // namespace sluice
