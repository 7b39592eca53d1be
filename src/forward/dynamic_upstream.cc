#include "forward/dynamic_upstream.h"

#include <algorithm>
#include <list>

#include "base/log.h"
#include "engines/address/authority.h"
#include "forward/exchange.h"
#include "forward/failures.h"
#include "forward/static_upstream.h"

namespace sluice {
namespace {

constexpr MetricFamily kRefused{"sluice_dynamic_destination_refused_total",
                                "Requests refused because of the destination's address."};
constexpr MetricFamily kClosed{"sluice_dynamic_destination_closed_total",
                               "Requests refused because an EgressPolicy that may be for them is not in force."};
constexpr MetricFamily kMixed{"sluice_dynamic_destination_mixed_total",
                              "Refused although some of the name's addresses were allowed: a sign of DNS rebinding."};
constexpr MetricFamily kShadow{"sluice_dynamic_destination_shadow_refused_total",
                               "Requests that a shadow rule would have refused."};
constexpr MetricFamily kInvalid{"sluice_dynamic_destination_invalid_total",
                                "Requests whose destination is no host and port."};
constexpr MetricFamily kUnresolved{"sluice_dynamic_destination_unresolved_total",
                                   "Requests whose destination could not be resolved."};

// "host:port"
std::string canonical_text(const Authority& authority, uint16_t default_port) {
  const uint16_t port = authority.port ? authority.port : default_port;
  return authority.address ? Endpoint{*authority.address, port}.to_string()
                           : fmt::format("{}:{}", authority.host, port);
}

// One host and port, as one worker knows it: its connections, and the addresses that may be connected to.
struct Destination {
  Destination(Loop& loop, ClusterConnections& connections) : pool(loop, connections) {}

  std::string text;  // the authority as requests spell it: the key
  std::string host;  // canonical
  std::optional<IpAddress> literal;
  uint16_t port = 0;
  std::string canonical;  // "host:port", for logs
  ConnectionPool pool;

  // The verdict over `generation` of the name's addresses under the rules with the number `guard`.
  std::vector<SocketAddress> allowed;
  std::optional<Verdict> refused;
  bool mixed = false;
  bool shadowed = false;
  uint64_t generation = 0;
  size_t guard = SIZE_MAX;

  bool used = false;  // since the last look for one to give up
  std::list<Destination*>::iterator place;
};

// Made only for destinations whose addresses are known, so that names that are nothing push out nothing; and given up
// in the order of their coming, but for those in use: whoever was used since the last look goes to the end (CLOCK).
class Destinations final : public ClusterState {
 public:
  Destinations(Upstreams& upstreams, std::shared_ptr<const DynamicCluster> cluster)
      : loop_(upstreams.loop),
        cluster_(std::move(cluster)),
        connections_(upstreams.budget, cluster_->cluster, HostsBy::client) {}

  Destination* find(std::string_view text) {
    const auto found = by_text_.find(text);
    if (found == by_text_.end()) return nullptr;
    found->second->used = true;
    return found->second.get();
  }

  Destination& add(std::string_view text, const Authority& authority) {
    if (by_text_.size() >= DynamicCluster::kDestinationsMax) drop_one();
    auto made = std::make_unique<Destination>(loop_, connections_);
    Destination& destination = *made;
    destination.text = text;
    destination.host = authority.host;
    destination.literal = authority.address;
    destination.port = authority.port ? authority.port : cluster_->default_port;
    destination.canonical = canonical_text(authority, cluster_->default_port);
    destination.place = order_.insert(order_.end(), &destination);
    by_text_.emplace(text, std::move(made));
    return destination;
  }

  // The next to be given up.
  void demote(const Destination& destination) { order_.splice(order_.begin(), order_, destination.place); }

  bool unused() const override {
    return std::ranges::all_of(order_, [](const Destination* d) { return d->pool.exchanges == 0; });
  }

 private:
  // The bound on looks keeps this cheap: every look takes a mark away, so a full table is never far from giving one up.
  void drop_one() {
    constexpr unsigned kLooks = 64;
    for (unsigned look = 0; look < kLooks; ++look) {
      Destination& oldest = *order_.front();
      if (std::exchange(oldest.used, false) || oldest.pool.exchanges > 0) {
        order_.splice(order_.end(), order_, oldest.place);
        continue;
      }
      order_.pop_front();
      by_text_.erase(by_text_.find(oldest.text));
      return;
    }
  }

  Loop& loop_;
  std::shared_ptr<const DynamicCluster> cluster_;
  ClusterConnections connections_;
  StringMap<std::unique_ptr<Destination>> by_text_;
  std::list<Destination*> order_;  // the next to be looked at first
};

class DynamicUpstream final : public Filter {
 public:
  DynamicUpstream(std::shared_ptr<const DynamicCluster> cluster, std::shared_ptr<const AddressGuard> guard,
                  DynamicRoute route, std::shared_ptr<const DynamicMetrics> metrics)
      : cluster_(std::move(cluster)),
        guard_(std::move(guard)),
        route_(std::move(route)),
        metrics_(std::move(metrics)) {}

  Task<Response> handle(Request& request, Next) const override {
    request.info.upstream_cluster = cluster_->cluster->name;
    if (!route_.host_rewrite.empty()) {
      request.authority = route_.host_rewrite;
    } else if (!route_.host_header.empty()) {
      if (const auto value = request.headers.get(route_.host_header)) request.authority = *value;
    }
    if (request.authority.empty()) return refuse(request, 400, "Empty host header", "empty_host_header");

    if (request.explanation) return explain(request);
    Destination* destination = mine(request).find(request.authority);
    if (!destination) return first_time(request);
    request.info.destination = request.arena.copy(destination->canonical);
    if (destination->literal) return go(request, *destination, nullptr);
    if (const AddressSet* known = cluster_->resolver->mine().cached(destination->host))
      return go(request, *destination, known);
    return resolve_and_go(request, request.arena.copy(destination->host));
  }

 private:
  Response explain(Request& request) const {
    Explanation& out = *request.explanation;
    out.cluster = cluster_->cluster->name;
    HostScratch scratch;
    const auto authority = parse_authority(request.authority, scratch);
    if (!authority) return refuse(request, 400, request.arena.copy(authority.error().message), "invalid_destination");
    if (authority->unresolvable_name) return unresolved(request, NameFailure::invalid_name);
    out.reached = true;
    out.destination = canonical_text(*authority, cluster_->default_port);
    if (!authority->address) {
      out.address_class = "known once the name is resolved, which explain does not do";
      out.verdict = "by the class of each address; only global ones are allowed unless an EgressPolicy opens more";
      return local_reply(request, 200, "", "explained");
    }
    const uint16_t port = authority->port ? authority->port : cluster_->default_port;
    const Verdict verdict = guard_->rules.decide(*authority->address, port);
    out.address_class = class_word(verdict.address_class);
    out.verdict = fmt::format("{} by rule {}", verdict.allowed ? "allowed" : "refused", verdict.rule);
    return local_reply(request, 200, "", "explained");
  }

  Destinations& mine(Request& request) const {
    return request.upstreams->get<Destinations>(
        cluster_->id, [this](Upstreams& upstreams) { return std::make_unique<Destinations>(upstreams, cluster_); });
  }

  // This worker does not know the destination, at least not by this spelling.
  Task<Response> first_time(Request& request) const {
    HostScratch scratch;
    const auto authority = parse_authority(request.authority, scratch);
    if (!authority) {
      metrics_->invalid->add();
      return refuse(request, 400, request.arena.copy(authority.error().message), "invalid_destination");
    }
    if (authority->unresolvable_name) return unresolved(request, NameFailure::invalid_name);
    request.info.destination = request.arena.copy(canonical_text(*authority, cluster_->default_port));
    if (authority->address) return go(request, added(request, *authority, nullptr), nullptr);
    if (const AddressSet* known = cluster_->resolver->mine().cached(authority->host))
      return go(request, added(request, *authority, known), known);
    return resolve_and_go(request, request.arena.copy(authority->host));
  }

  // A destination that no request may go to is the first to be given up.
  Destination& added(Request& request, const Authority& authority, const AddressSet* addresses) const {
    Destinations& destinations = mine(request);
    Destination& destination = destinations.add(request.authority, authority);
    judge(destination, addresses);
    if (destination.refused) destinations.demote(destination);
    return destination;
  }

  Task<Response> resolve_and_go(Request& request, std::string_view host) const {
    auto resolving = cluster_->resolver->mine().resolve(host);
    const NameState state = CO_TRY(co_await resolving);
    if (!state.addresses || state.addresses->addresses.empty()) co_return unresolved(request, state.failure);
    Destination* destination = mine(request).find(request.authority);
    if (!destination) {
      HostScratch scratch;
      const auto authority = parse_authority(request.authority, scratch);  // as before
      destination = &added(request, *authority, state.addresses.get());
    }
    auto going = go(request, *destination, state.addresses.get());
    co_return co_await going;
  }

  // Connects to what the rules allow. `addresses` is null for a literal.
  Task<Response> go(Request& request, Destination& destination, const AddressSet* addresses) const {
    const uint64_t generation = addresses ? addresses->generation : 0;
    if (destination.guard != guard_->number.value() || destination.generation != generation) [[unlikely]]
      judge(destination, addresses);
    request.info.upstream_address_saved = cluster_->save_upstream_address;
    if (destination.shadowed) metrics_->shadow_refused->add();
    if (destination.refused) {
      metrics_->refused->add();
      if (destination.mixed) metrics_->mixed->add();
      return refuse(request, 403, request.arena.copy(refusal_text(destination.host, *destination.refused)),
                    request.arena.copy(refusal_details(*destination.refused)));
    }
    if (destination.allowed.size() == 1) [[likely]] {
      // Most names have one address: it is kept in the arena, as the list may change while the request connects.
      auto* one = request.arena.make<SocketAddress>(destination.allowed.front());
      return forward(request, {destination.pool, std::span(one, 1)});
    }
    auto* all = request.arena.make<std::vector<SocketAddress>>(destination.allowed);
    std::rotate(all->begin(), all->begin() + static_cast<long>(destination.pool.turn++ % all->size()), all->end());
    return forward(request, {destination.pool, *all});
  }

  // S5-S7: every address is classified; one that is refused refuses all of the name.
  void judge(Destination& destination, const AddressSet* addresses) const {
    destination.guard = guard_->number.value();
    destination.generation = addresses ? addresses->generation : 0;
    destination.allowed.clear();
    destination.refused.reset();
    destination.shadowed = false;
    const std::span<const IpAddress> all = addresses ? std::span<const IpAddress>(addresses->addresses)
                                                     : std::span<const IpAddress>(&*destination.literal, 1);
    for (const IpAddress& address : all) {
      const Verdict verdict = guard_->rules.decide(address, destination.port);
      destination.shadowed |= !verdict.shadow_rule.empty();
      if (verdict.allowed)
        destination.allowed.push_back(to_socket_address(address, destination.port));
      else if (!destination.refused)
        destination.refused = verdict;
    }
    destination.mixed = destination.refused && !destination.allowed.empty();
    if (destination.refused) tell(destination);
    destination.pool.drop_others(destination.refused ? std::span<const SocketAddress>() : destination.allowed);
  }

  void tell(const Destination& destination) const {
    const Verdict& verdict = *destination.refused;
    const std::string_view word = class_word(verdict.address_class);
    const std::string remedy = verdict.can_be_opened ? fmt::format(
                                                           "an EgressPolicy with targetRefs to Gateway {} and a rule "
                                                           "{{action: allow, match: {{addresses: [{}]}}}} opens it",
                                                           guard_->suggestion_name, word)
                                                     : "no policy can open it";
    log::warn("egress", "a destination is refused",
              {{"destination", destination.canonical}, {"class", word}, {"rule", verdict.rule}, {"remedy", remedy}});
  }

  Response unresolved(Request& request, NameFailure failure) const {
    metrics_->unresolved->add();
    if (failure == NameFailure::table_full) return refuse(request, 503, "DNS cache overflow", "dns_cache_overflow");
    if (failure == NameFailure::too_many_pending)
      return refuse(request, 503, "Dynamic forward proxy pending request overflow",
                    "dynamic_forward_proxy_pending_request_overflow");
    request.info.set(ResponseFlag::dns_failure);
    return refuse(request, 503, "DNS resolution failure",
                  request.arena.concat(std::string_view("dns_resolution_failure{"), failure_word(failure),
                                       std::string_view("}")));
  }

  static Response refuse(Request& request, uint16_t status, std::string_view body, std::string_view details) {
    return local_reply(request, status, body, details);
  }

  std::shared_ptr<const DynamicCluster> cluster_;
  std::shared_ptr<const AddressGuard> guard_;
  DynamicRoute route_;
  std::shared_ptr<const DynamicMetrics> metrics_;
};

}  // namespace

DynamicMetrics::DynamicMetrics(Metrics& metrics)
    : refused(metrics.metric(kRefused)),
      closed(metrics.metric(kClosed)),
      mixed(metrics.metric(kMixed)),
      shadow_refused(metrics.metric(kShadow)),
      invalid(metrics.metric(kInvalid)),
      unresolved(metrics.metric(kUnresolved)) {}

std::vector<MetricFamily> dynamic_metric_families() {
  return {kRefused, kClosed, kMixed, kShadow, kInvalid, kUnresolved};
}

std::shared_ptr<const Filter> make_dynamic_upstream(std::shared_ptr<const DynamicCluster> cluster,
                                                    std::shared_ptr<const AddressGuard> guard, DynamicRoute route,
                                                    std::shared_ptr<const DynamicMetrics> metrics) {
  return std::make_shared<DynamicUpstream>(std::move(cluster), std::move(guard), std::move(route), std::move(metrics));
}

}  // namespace sluice
