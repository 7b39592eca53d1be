#include "forward/dynamic_upstream.h"

#include <algorithm>

#include "base/intrusive_list.h"
#include "base/log.h"
#include "base/strings.h"
#include "base/text_key.h"
#include "engines/address/authority.h"
#include "forward/exchange.h"
#include "forward/failures.h"
#include "forward/static_upstream.h"
#include "upstream/hosts_list.h"

namespace sluice {
namespace {

constexpr MetricFamily kRefused{
    "sluice_dynamic_destination_refused_total",
    "Destinations that a request asked for and that were refused because of their address; a list has several."};
constexpr MetricFamily kTlsRefused{
    "sluice_dynamic_destination_tls_refused_total",
    "Destinations that a request asked for and that were refused because of a rule's `upstreamTls`."};
constexpr MetricFamily kClosed{"sluice_dynamic_destination_closed_total",
                               "Requests refused because an EgressPolicy that may be for them is not in force."};
constexpr MetricFamily kMixed{"sluice_dynamic_destination_mixed_total",
                              "Refused although some of the name's addresses were allowed: a sign of DNS rebinding."};
constexpr MetricFamily kShadow{"sluice_dynamic_destination_shadow_refused_total",
                               "Requests that a shadow rule would have refused."};
constexpr MetricFamily kInvalid{"sluice_dynamic_destination_invalid_total",
                                "Requests whose destination is no host and port."};
constexpr MetricFamily kUnresolved{
    "sluice_dynamic_destination_unresolved_total",
    "Destinations that a request asked for and that could not be resolved; a list has several."};

constexpr MetricFamily kJudged{"sluice_dynamic_destination_judged_total",
                               "Destinations held against address rules; between changes verdicts are remembered."};
constexpr MetricFamily kEnded{"sluice_dynamic_destination_ended_total",
                              "Requests and tunnels ended because a changed policy denies their destination."};

uint16_t port_of(const Authority& authority, uint16_t default_port) {
  return authority.port ? authority.port : default_port;
}

// "host:port"
std::string canonical_text(const Authority& authority, uint16_t default_port) {
  const uint16_t port = port_of(authority, default_port);
  return authority.address ? Endpoint{*authority.address, port}.to_string()
                           : fmt::format("{}:{}", authority.host, port);
}

bool begins_with(std::string_view text, std::string_view scheme) {
  return equals_ignoring_case(text.substr(0, scheme.size()), scheme);
}

// Whether a request itself says how its destination is to be spoken to.
enum class Asked : uint8_t { nothing, tls, clear };

// What a request asks for, and what becomes of it.
struct Wanted {
  std::string_view authority;
  Asked asked = Asked::nothing;
  bool tls = false;
  std::string_view certificate_name = {};  // whom a rule has the certificate be for; empty: the destination
  uint16_t default_port() const { return tls ? 443 : 80; }
};

using Denial = ConnectionPool::UnderWay::Denial;

Denial denial_by(std::string_view host, const Verdict& verdict) {
  return {.kind = OutcomeKind::destination_denied, .rule = refusal_rule(verdict), .text = refusal_text(host, verdict)};
}

// Whether connections of the pool are as rules want them.
bool fits(const TlsDemand& demand, const ConnectionPool& pool) {
  if (!demand.contradicted_by.empty()) return false;
  switch (demand.wish) {
    case TlsWish::none: return true;
    case TlsWish::required: return pool.tls && pool.tls->certificate_name() == demand.certificate_name;
    case TlsWish::forbidden: return !pool.tls;
  }
  return false;
}

Denial denial_by(std::string_view host, const TlsDemand& demand) {
  return {.kind = OutcomeKind::tls_prohibited, .rule = std::string(demand.rule), .text = refusal_text(host, demand)};
}

// Why a request cannot go to a destination: an answer where it can go to no other. In the request's arena.
struct Refusal {
  Outcome outcome;
  std::optional<std::string_view> body = {};  // nothing: its kind's

  Response answer(Request& request) const { return body ? reply(request, outcome, *body) : reply(request, outcome); }
};

Refusal refusal_of(Request& request, const Denial& why) {
  Arena& arena = request.arena;
  return {{why.kind, arena.copy(why.rule)}, arena.copy(why.text)};
}

Outcome unresolved_outcome(NameFailure failure) {
  switch (failure) {
    case NameFailure::table_full: return OutcomeKind::dns_table_full;
    case NameFailure::too_many_pending: return OutcomeKind::dns_too_many_pending;
    case NameFailure::timeout: return {OutcomeKind::dns_timeout, failure_word(failure)};
    case NameFailure::invalid_name: return {OutcomeKind::dns_no_such_name, failure_word(failure)};
    default: return {OutcomeKind::dns_failure, failure_word(failure)};
  }
}

// The verdict of the rules with one number over one generation of a name's addresses.
struct Judgement {
  uint64_t guard;
  uint64_t generation;
  std::shared_ptr<const std::string> place;  // whose rules they are: where to look for their successor
  SocketAddressList allowed;                 // all of the name's, or none when one was refused
  std::unique_ptr<const Verdict> refused;
  bool mixed = false;
  bool shadowed = false;
};

// One host and port, as one worker knows it: its connections, and the addresses that may be connected to. There may be
// thousands without any connection.
struct Destination {
  Destination(Loop& loop, ClusterConnections& connections, const Authority& authority, uint16_t default_port)
      : literal(authority.address),
        canonical(canonical_text(authority, default_port)),
        host_bytes(static_cast<uint16_t>(authority.host.size())),
        port(port_of(authority, default_port)),
        pool(loop, connections),
        set(connections.endpoint_options, connections.random.next()) {}

  std::string_view host() const {
    const bool in_brackets = literal && !literal->is_v4();
    return canonical.view().substr(in_brackets ? 1 : 0, host_bytes);
  }

  const TextKey* key = nullptr;  // the authority as requests spell it, where Destinations has it
  const std::optional<IpAddress> literal;
  const TextKey canonical;  // "host:port"
  const uint16_t host_bytes;
  const uint16_t port;
  ConnectionPool pool;
  EndpointSet set;                          // of the addresses that requests may go to
  uint64_t set_generation = kNoGeneration;  // of the name's addresses
  bool used = false;                        // since the last look for one to give up
  std::vector<Judgement> judgements;        // few: services with policies of their own may share a destination
  Links<Destination> place;

  const Judgement* find(const AddressGuard& guard, uint64_t generation) const {
    for (const Judgement& one : judgements)
      if (one.guard == guard.number.value() && one.generation == generation) return &one;
    return nullptr;
  }
  const Judgement& remember(Judgement judgement);
  // Its addresses are those that requests go to from now on.
  void adopt(const Judgement& judgement) {
    if (set_generation != judgement.generation) change_set(judgement);
  }
  void drop_connections();
  void judge_again(const EgressNow& now, const DynamicMetrics& metrics);

 private:
  static constexpr uint64_t kNoGeneration = UINT64_MAX;

  void change_set(const Judgement& judgement);
  bool survives(Judgement& judgement, const EgressNow& now) const;
  std::optional<Denial> denial(const ConnectionPool::UnderWay& one, const EgressNow& now) const;
};

// Others of that guard, or of addresses that the name had before, count no more.
const Judgement& Destination::remember(Judgement judgement) {
  std::erase_if(judgements, [&](const Judgement& one) {
    return one.guard == judgement.guard || one.generation != judgement.generation;
  });
  if (judgements.size() == DynamicCluster::kJudgementsMax) judgements.erase(judgements.begin());
  judgements.push_back(std::move(judgement));
  drop_connections();
  return judgements.back();
}

void Destination::change_set(const Judgement& judgement) {
  std::vector<EndpointSet::Member> members;
  members.reserve(judgement.allowed.size());
  for (const SocketAddress& address : judgement.allowed) members.push_back({.address = address});
  set.change(members);
  set_generation = judgement.generation;
}

// To addresses that nobody may use.
void Destination::drop_connections() {
  std::vector<SocketAddress> allowed;
  for (const Judgement& one : judgements) allowed.insert(allowed.end(), one.allowed.begin(), one.allowed.end());
  pool.drop_others(allowed);
}

void Destination::judge_again(const EgressNow& now, const DynamicMetrics& metrics) {
  const size_t gone = std::erase_if(judgements, [&](Judgement& one) { return !survives(one, now); });
  if (gone > 0) drop_connections();
  pool.each_under_way([&](ConnectionPool::UnderWay& one) {
    if (const auto why = denial(one, now); why && one.end(*why)) metrics.ended->add();
  });
}

// Under rules that still allow all of it. What was refused is judged anew when somebody asks.
bool Destination::survives(Judgement& judgement, const EgressNow& now) const {
  const AddressGuard* guard = now.at(*judgement.place).guard.get();
  if (!guard) return false;
  if (guard->number.value() == judgement.guard) return true;
  if (judgement.refused || find(*guard, judgement.generation)) return false;
  judgement.shadowed = false;
  for (const SocketAddress& address : judgement.allowed) {
    const Verdict verdict = guard->rules.decide(*IpAddress::from_sockaddr(*address.get()), port);
    if (!verdict.allowed) return false;
    judgement.shadowed |= !verdict.shadow_rule.empty();
  }
  judgement.guard = guard->number.value();
  return true;
}

std::optional<Denial> Destination::denial(const ConnectionPool::UnderWay& one, const EgressNow& now) const {
  const EgressNow::Standing& standing = now.at(one.place());
  if (!standing.guard) return standing.refusal;
  TlsDemand tls;
  for (const SocketAddress& address : one.addresses()) {
    const Verdict verdict = standing.guard->rules.decide(*IpAddress::from_sockaddr(*address.get()), port);
    if (!verdict.allowed) return denial_by(host(), verdict);
    tls.add(verdict.tls);
  }
  return fits(tls, pool) ? std::nullopt : std::optional(denial_by(host(), tls));
}

}  // namespace

// Made only for destinations whose addresses are known, so that names that are nothing push out nothing; and given up
// in the order of their coming, but for those in use: whoever was used since the last look goes to the end (CLOCK).
class Destinations final : public Judged {
 public:
  // `tls`: of all of them, and `named_tls` of those with another name for the certificate; null: they are in the clear.
  Destinations(Upstreams& upstreams, const DynamicCluster& cluster, std::shared_ptr<const TlsClientContext> tls,
               std::shared_ptr<const TlsClientContext> named_tls, std::shared_ptr<const DynamicMetrics> metrics)
      : Judged(upstreams),
        loop_(upstreams.loop),
        tls_(std::move(tls)),
        named_tls_(std::move(named_tls)),
        connections_(upstreams.budget, cluster.cluster, HostsBy::client, upstreams.dialer, upstreams.random.next()),
        metrics_(std::move(metrics)) {}

  Destination* find(std::string_view text) {
    const auto found = by_text_.find(text);
    if (found == by_text_.end()) return nullptr;
    found->second.used = true;
    return &found->second;
  }

  // `text`: what it is found by.
  Destination& add(std::string_view text, const Wanted& to, const Authority& authority) {
    if (by_text_.size() >= DynamicCluster::kDestinationsMax) drop_one();
    const auto at = by_text_.try_emplace(TextKey(text), loop_, connections_, authority, to.default_port()).first;
    Destination& destination = at->second;
    if (tls_) destination.pool.tls = tls_of(to, destination);
    destination.key = &at->first;
    order_.push_back(destination);
    return destination;
  }

  // The next to be given up.
  void demote(Destination& destination) { order_.move_to_front(destination); }
  void judge_again(const EgressNow& now) override {
    for (auto& [text, destination] : by_text_) destination.judge_again(now, *metrics_);
  }

  // Requests and tunnels that began with a snapshot that had the cluster may go on without it.
  Task<void> stop() { return connections_.until_unused(loop_); }

 private:
  // The bound on looks keeps this cheap: every look takes a mark away, so a full table is never far from giving one up.
  void drop_one() {
    constexpr unsigned kLooks = 64;
    for (unsigned look = 0; look < kLooks; ++look) {
      Destination& oldest = order_.front();
      if (std::exchange(oldest.used, false) || oldest.pool.in_use()) {
        order_.move_to_back(oldest);
        continue;
      }
      order_.remove(oldest);
      by_text_.erase(by_text_.find(oldest.key->view()));
      return;
    }
  }

  // An address is no name to ask for (RFC 6066 3): then the certificate's is.
  std::unique_ptr<PoolTls> tls_of(const Wanted& to, const Destination& destination) const {
    if (to.certificate_name.empty()) return std::make_unique<PoolTls>(tls_, destination.host(), PoolTls::Offer::all);
    return std::make_unique<PoolTls>(named_tls_, destination.literal ? to.certificate_name : destination.host(),
                                     PoolTls::Offer::all, to.certificate_name);
  }

  Loop& loop_;
  const std::shared_ptr<const TlsClientContext> tls_, named_tls_;
  ClusterConnections connections_;
  std::shared_ptr<const DynamicMetrics> metrics_;
  TextMap<Destination> by_text_;
  LinkedList<Destination, &Destination::place> order_;  // the next to be looked at first
};

DynamicCluster::DynamicCluster(const WorkerLoops& loops)
    : destinations(loops,
                   [this](Loop&, Upstreams& upstreams, const std::shared_ptr<const DynamicMetrics>& metrics) {
                     return std::make_unique<Destinations>(upstreams, *this, nullptr, nullptr, metrics);
                   }),
      tls_destinations(loops,
                       [this](Loop&, Upstreams& upstreams, const std::shared_ptr<const DynamicMetrics>& metrics) {
                         return std::make_unique<Destinations>(
                             upstreams, *this, cluster->tls ? cluster->tls : scheme_tls, named_tls, metrics);
                       }) {}

namespace {

class DynamicUpstream final : public Service, private AddressJudge {
 public:
  DynamicUpstream(std::shared_ptr<const DynamicCluster> cluster, std::shared_ptr<const AddressGuard> guard,
                  DynamicRoute route, std::shared_ptr<const DynamicMetrics> metrics)
      : cluster_(std::move(cluster)),
        guard_(std::move(guard)),
        route_(std::move(route)),
        metrics_(std::move(metrics)) {}

  Task<Response> handle(Request& request) const override {
    compute_authority(request);
    if (request.authority.empty()) return reply(request, OutcomeKind::empty_host);
    if (is_list(request)) [[unlikely]]
      return go_to_one_of(request);
    const Wanted to = wanted(request, request.authority);
    request.authority = to.authority;
    auto reaching = reach(request, to);
    if (!reaching.ready()) return wait_and_go(request, to, std::move(reaching));
    auto reached = reaching.take();
    if (!reached) return std::unexpected(std::move(reached).error());
    return go(request, to, *reached);
  }

  Task<Response> explain(Request& request, Explanation& out) const override {
    compute_authority(request);
    if (request.authority.empty()) return reply(request, OutcomeKind::empty_host);
    return is_list(request) ? explain_list(request, out) : explain_one(request, out);
  }

 private:
  void compute_authority(Request& request) const {
    request.info.upstream_cluster = cluster_->cluster->name;
    if (!route_.host_rewrite.empty()) {
      request.authority = route_.host_rewrite;
    } else if (!route_.host_header.empty()) {
      if (const auto value = request.headers.get(route_.host_header)) request.authority = *value;
    }
  }
  // The destination is what the request itself names, not what the route has instead of it.
  bool is_own(const Request& request) const {
    return route_.host_rewrite.empty() && (route_.host_header.empty() || !request.headers.get(route_.host_header));
  }
  // Without `schemes` the text is an authority, and its port says nothing (gloo-core 4.4).
  Wanted wanted(const Request& request, std::string_view text) const {
    Wanted to{.authority = text};
    if (route_.schemes && begins_with(text, "https://"))
      to = {.authority = text.substr(8), .asked = Asked::tls};
    else if (route_.schemes && begins_with(text, "http://"))
      to = {.authority = text.substr(7), .asked = Asked::clear};
    else if (route_.schemes && (text.ends_with(":443") || (request.asks_for_https && is_own(request))))
      to.asked = Asked::tls;
    to.tls = to.asked == Asked::tls || (to.asked == Asked::nothing && cluster_->cluster->tls);
    return to;
  }
  // Where no rule has a say.
  Status check_default(const Wanted& to) const {
    if (to.asked != Asked::clear || !cluster_->cluster->tls) return {};
    return sluice::invalid("http:// is refused: sslConfig of the Gateway has all destinations go by TLS");
  }

  // The rules that hold now; null: everything is refused.
  const AddressGuard* guard_now(const Request& request) const {
    const EgressNow::Standing* now = standing(request);
    return now ? now->guard.get() : guard_.get();
  }
  // Where they have a say in TLS; null: they have none, or everything is refused.
  const AddressRules* tls_rules(const Request& request) const {
    const EgressNow* now = request.upstreams ? request.upstreams->egress() : nullptr;
    if (now && !now->says_of_tls) [[likely]]
      return nullptr;
    const AddressGuard* guard = guard_now(request);
    return guard && guard->rules.says_of_tls() ? &guard->rules : nullptr;
  }
  // What the rules of all addresses together say. Those that are refused say nothing.
  static TlsDemand demand_of(const AddressRules& rules, std::span<const IpAddress> addresses) {
    TlsDemand out;
    for (const IpAddress& address : addresses) out.add(rules.decide(address, 0).tls);
    return out;
  }
  // A rule may be newer than the snapshot that the request began with, which has no TLS then.
  bool can_reach(const Wanted& to) const {
    if (!to.certificate_name.empty()) return cluster_->named_tls != nullptr;
    return !to.tls || cluster_->cluster->tls || cluster_->scheme_tls;
  }
  // What rules say goes before what the Gateway says, and what the request says is done or refused (decision 0104).
  std::optional<Denial> settle(const AddressRules& rules, Wanted& to, std::string_view host,
                               std::span<const IpAddress> addresses) const {
    const TlsDemand demand = demand_of(rules, addresses);
    if (demand.wish != TlsWish::none) to.tls = demand.wish == TlsWish::required;
    to.certificate_name = demand.certificate_name;
    const bool is_asked_otherwise = to.asked != Asked::nothing && to.tls != (to.asked == Asked::tls);
    if (!demand.contradicted_by.empty() || is_asked_otherwise || !can_reach(to)) return denial_by(host, demand);
    if (demand.wish == TlsWish::none)
      if (const Status good = check_default(to); !good)
        return Denial{.kind = OutcomeKind::invalid_destination, .rule = {}, .text = good.error().message};
    return std::nullopt;
  }
  bool is_list(const Request& request) const { return route_.lists && request.authority.contains(','); }

  // A destination that the request may go to, or why there is none.
  struct Reached {
    Destination* destination = nullptr;
    Refusal refusal;
  };

  // From host to host, and from address to address of each, in the order in which the request names them. One that
  // cannot be reached is passed over.
  class Hosts final : public OtherTargets {
   public:
    Hosts(const DynamicUpstream& upstream, std::string_view authority, std::vector<Wanted> hosts)
        : upstream_(upstream), hosts_(std::move(hosts)), present_(authority) {}

    Task<std::optional<ForwardTarget>> next(Request& request, Tried tried) override {
      if (tried.empty()) at_ = 0;
      for (; at_ < hosts_.size(); ++at_) {
        // The upstream is told the host that it is, unless the route has it told another.
        if (request.authority.data() == present_.data()) request.authority = present_ = hosts_[at_].authority;
        auto reaching = upstream_.reach(request, hosts_[at_]);
        const Reached reached = CO_TRY(co_await reaching);
        if (!reached.destination) {
          if (!refusal) refusal = reached.refusal;
          continue;
        }
        if (auto* endpoint = pick_endpoint(reached.destination->set, request.endpoint_wish, tried, request.loop.now()))
          co_return upstream_.target(*reached.destination, *endpoint);
      }
      co_return std::nullopt;
    }
    std::optional<Refusal> refusal;  // of the first that was refused

   private:
    const DynamicUpstream& upstream_;
    std::vector<Wanted> hosts_;
    std::string_view present_;  // what the request's authority is, if nobody has rewritten it
    size_t at_ = 0;
  };

  Response explain_one(Request& request, Explanation& out) const {
    out.cluster = cluster_->cluster->name;
    Wanted to = wanted(request, request.authority);
    request.authority = to.authority;
    const AddressRules* rules = tls_rules(request);
    if (const Status good = check_default(to); !rules && !good)
      return reply(request, OutcomeKind::invalid_destination, request.arena.copy(good.error().message));
    HostScratch scratch;
    const auto authority = parse_authority(request.authority, scratch);
    if (!authority)
      return reply(request, OutcomeKind::invalid_destination, request.arena.copy(authority.error().message));
    if (authority->unresolvable_name) return reply(request, unresolved_outcome(NameFailure::invalid_name));
    if (authority->address && rules)
      if (const auto why = settle(*rules, to, authority->host, {&*authority->address, 1}))
        return refusal_of(request, *why).answer(request);
    out.reached = true;
    out.destination = (to.tls ? "https://" : "") + canonical_text(*authority, to.default_port());
    if (!authority->address) {
      out.address_class = "known once the name is resolved, which explain does not do";
      out.verdict = "by the class of each address; only global ones are allowed unless an EgressPolicy opens more";
      if (rules) out.verdict += "; whether by TLS say the rules of its addresses, too (upstreamTls)";
      return local_reply(request, 200, "", "explained");
    }
    const Verdict verdict = guard_->rules.decide(*authority->address, port_of(*authority, to.default_port()));
    out.address_class = class_word(verdict.address_class);
    out.verdict =
        fmt::format("{} by rule {}{}", verdict.allowed ? "allowed" : "refused", verdict.rule, explain_tls(verdict.tls));
    if (!verdict.shadow_rule.empty())
      out.verdict += fmt::format("; the shadow rule {} would refuse it", verdict.shadow_rule);
    return local_reply(request, 200, "", "explained");
  }

  static std::string explain_tls(const TlsDemand& tls) {
    if (tls.wish == TlsWish::none) return {};
    if (tls.wish == TlsWish::forbidden) return fmt::format("; in the clear, as {} says", tls.rule);
    return fmt::format(
        "; by TLS{}, as {} says",
        tls.certificate_name.empty() ? "" : fmt::format(" with a certificate for {}", tls.certificate_name), tls.rule);
  }

  // Each host as if it stood alone.
  Response explain_list(Request& request, Explanation& out) const {
    const auto list = parse_list(request);
    if (!list) return invalid(request, list.error()).answer(request);
    std::string destinations, classes, verdicts;
    for (const Wanted& host : *list) {
      request.authority = host.authority;
      const Response one = explain_one(request, out);
      if (one.status != 200) return one;
      const char* gap = destinations.empty() ? "" : ", ";
      destinations += gap + out.destination;
      classes += gap + out.address_class;
      verdicts += gap + out.verdict;
    }
    out.destination = destinations;
    out.address_class = classes;
    out.verdict = verdicts;
    return local_reply(request, 200, "", "explained");
  }

  // Every host of a list must be one; each is held against the policies by itself, when its turn comes.
  Result<std::vector<Wanted>> parse_list(const Request& request) const {
    const auto list = TRY(HostsList::split(request.authority));
    std::vector<Wanted> out;
    for (const std::string_view host : list.hosts()) {
      out.push_back(wanted(request, host));
      if (!tls_rules(request)) TRY(check_default(out.back()));
      HostScratch scratch;
      TRY(parse_authority(out.back().authority, scratch));
    }
    return out;
  }

  Refusal invalid(Request& request, const Error& why) const {
    metrics_->invalid->add();
    return {OutcomeKind::invalid_destination, request.arena.copy(why.message)};
  }

  Task<Response> go_to_one_of(Request& request) const {
    auto list = parse_list(request);
    if (!list) co_return invalid(request, list.error()).answer(request);
    auto* hosts = request.arena.make<Hosts>(*this, request.authority, *std::move(list));
    auto choosing = hosts->next(request, {});
    auto first = CO_TRY(co_await choosing);
    if (!first && !hosts->refusal) co_return no_endpoint(request, *cluster_->cluster);
    if (!first) co_return hosts->refusal->answer(request);  // none could be reached, and each said why
    auto forwarding = forward(request, *std::move(first), hosts);
    co_return co_await forwarding;
  }

  Destinations& mine(Request& request, bool tls) const {
    return (tls ? cluster_->tls_destinations : cluster_->destinations).here(*request.upstreams, metrics_);
  }
  // Known to this worker from now on. No connection is used for another name than it was verified for: a space stands
  // in no authority.
  Destination& enter(Request& request, const Wanted& to, const Authority& authority) const {
    Destinations& all = mine(request, to.tls);
    const std::string_view text = to.certificate_name.empty()
                                      ? to.authority
                                      : request.arena.concat(to.certificate_name, std::string_view(" "), to.authority);
    Destination* known = all.find(text);
    return known ? *known : all.add(text, to, authority);
  }

  // The destination that an authority names: resolved, and allowed.
  Task<Reached> reach(Request& request, const Wanted& to) const {
    if (tls_rules(request)) [[unlikely]]
      return reach_first_time(request, to);  // how, its addresses say: they come first
    if (const Status good = check_default(to); !good) return Reached{.refusal = invalid(request, good.error())};
    Destination* destination = mine(request, to.tls).find(to.authority);
    if (!destination) return reach_first_time(request, to);
    request.info.destination = request.arena.copy(destination->canonical.view());
    if (destination->literal) return allow(request, to, *destination, nullptr);
    if (const AddressSet* known = cluster_->resolver->here().cached(destination->host()))
      return allow(request, to, *destination, known);
    return resolve_and_reach(request, to, request.arena.copy(destination->host()));
  }

  // This worker does not know the destination, at least not by this spelling.
  Task<Reached> reach_first_time(Request& request, const Wanted& to) const {
    HostScratch scratch;
    const auto authority = parse_authority(to.authority, scratch);
    if (!authority) return Reached{.refusal = invalid(request, authority.error())};
    if (authority->unresolvable_name) return Reached{.refusal = unresolved(NameFailure::invalid_name)};
    request.info.destination = request.arena.copy(canonical_text(*authority, to.default_port()));
    if (authority->address) return arrive(request, to, *authority, nullptr);
    if (const AddressSet* known = cluster_->resolver->here().cached(authority->host))
      return arrive(request, to, *authority, known);
    return resolve_and_reach(request, to, request.arena.copy(authority->host));
  }

  // Its addresses are known.
  Reached arrive(Request& request, Wanted to, const Authority& authority, const AddressSet* addresses) const {
    if (const AddressRules* rules = tls_rules(request)) {
      const auto all = addresses ? std::span<const IpAddress>(addresses->addresses)
                                 : std::span<const IpAddress>(&*authority.address, 1);
      if (const auto why = settle(*rules, to, authority.host, all)) {
        (why->kind == OutcomeKind::tls_prohibited ? metrics_->tls_refused : metrics_->invalid)->add();
        return {.refusal = refusal_of(request, *why)};
      }
      request.info.destination = request.arena.copy(canonical_text(authority, to.default_port()));
    }
    return allow(request, to, enter(request, to, authority), addresses);
  }

  Task<Reached> resolve_and_reach(Request& request, Wanted to, std::string_view host) const {
    auto resolving = cluster_->resolver->here().resolve(host);
    const NameState state = CO_TRY(co_await resolving);
    if (!state.addresses || state.addresses->addresses.empty()) co_return Reached{.refusal = unresolved(state.failure)};
    if (const EgressNow::Standing* now = standing(request); now && !now->guard)
      co_return Reached{.refusal = closed(request, *now)};
    HostScratch scratch;
    const auto authority = parse_authority(to.authority, scratch);  // as before
    co_return arrive(request, to, *authority, state.addresses.get());
  }

  // Held against the rules. `addresses` is null for a literal.
  Reached allow(Request& request, const Wanted& to, Destination& destination, const AddressSet* addresses) const {
    request.info.upstream_address_saved = cluster_->save_upstream_address;
    const Judgement* judgement = destination.find(*guard_, addresses ? addresses->generation : 0);
    if (!judgement) [[unlikely]] {
      // S7: by the rules that hold now, which may be newer than those that this request began with.
      const EgressNow::Standing* now = standing(request);
      const bool is_closed = now && !now->guard;
      if (!is_closed) judgement = &judge(now ? *now->guard : *guard_, destination, addresses);
      // A destination that no request may go to is the first to be given up.
      if (is_closed || judgement->refused) mine(request, to.tls).demote(destination);
      if (is_closed) return {.refusal = closed(request, *now)};
    }
    if (judgement->shadowed) metrics_->shadow_refused->add();
    if (judgement->refused) {
      metrics_->refused->add();
      if (judgement->mixed) metrics_->mixed->add();
      return {.refusal = refusal_of(request, denial_by(destination.host(), *judgement->refused))};
    }
    destination.adopt(*judgement);
    return {.destination = &destination};
  }

  Task<Response> wait_and_go(Request& request, Wanted to, Task<Reached> reaching) const {
    const Reached reached = CO_TRY(co_await reaching);
    auto going = go(request, to, reached);
    co_return co_await going;
  }

  Task<Response> go(Request& request, const Wanted& to, const Reached& reached) const {
    if (!reached.destination) return reached.refusal.answer(request);
    EndpointSet& set = reached.destination->set;
    // Where there is one address and nothing is tried again there is nowhere else to go.
    const bool others = set.size() > 1 || (request.route.rules && request.route.rules->retries);
    EndpointSet::Endpoint* endpoint = pick_endpoint(set, request.endpoint_wish, {}, request.loop.now());
    if (!endpoint) [[unlikely]]
      return no_endpoint(request, *cluster_->cluster);
    return forward(request, target(*reached.destination, *endpoint),
                   others ? request.arena.make<Hosts>(*this, request.authority, std::vector{to}) : nullptr);
  }
  ForwardTarget target(Destination& destination, EndpointSet::Endpoint& endpoint) const {
    return {destination.pool, EndpointSet::Use(destination.set, endpoint), *route_.place, this};
  }

  // S7 of an address that is no judgement's: it came into the set by another service's, or lost its own.
  bool allows(const Request& request, const ConnectionPool& pool, const SocketAddress& address) const override {
    const AddressGuard* guard = guard_now(request);
    if (!guard) return false;
    const Verdict verdict = guard->rules.decide(*IpAddress::from_sockaddr(*address.get()), address.port());
    return verdict.allowed && fits(verdict.tls, pool);
  }

  // Of the route's place now; nothing when nobody has told (as in tests), or explain has no worker.
  const EgressNow::Standing* standing(const Request& request) const {
    const EgressNow* now = request.upstreams ? request.upstreams->egress() : nullptr;
    return now ? &now->at(*route_.place) : nullptr;
  }
  Refusal closed(Request& request, const EgressNow::Standing& standing) const {
    metrics_->closed->add();
    return refusal_of(request, standing.refusal);
  }

  // S5-S7: every address is classified; one that is refused refuses all of the name.
  const Judgement& judge(const AddressGuard& guard, Destination& destination, const AddressSet* addresses) const {
    const uint64_t generation = addresses ? addresses->generation : 0;
    if (const Judgement* known = destination.find(guard, generation)) return *known;
    metrics_->judged->add();
    Judgement out{
        .guard = guard.number.value(), .generation = generation, .place = route_.place, .allowed = {}, .refused = {}};
    const std::span<const IpAddress> all = addresses ? std::span<const IpAddress>(addresses->addresses)
                                                     : std::span<const IpAddress>(&*destination.literal, 1);
    const IpAddress* refused = nullptr;
    for (const IpAddress& address : all) {
      const Verdict verdict = guard.rules.decide(address, destination.port);
      if (!verdict.shadow_rule.empty() && !std::exchange(out.shadowed, true)) tell_shadow(destination, verdict);
      if (verdict.allowed)
        out.allowed.push_back(SocketAddress::of({address, destination.port}));
      else if (!out.refused)
        out.refused = std::make_unique<const Verdict>(verdict), refused = &address;
    }
    out.mixed = out.refused && !out.allowed.empty();
    if (out.refused) {
      out.allowed.clear();
      tell(guard, destination, *refused, *out.refused);
    }
    return destination.remember(std::move(out));
  }

  void tell(const AddressGuard& guard, const Destination& destination, const IpAddress& address,
            const Verdict& verdict) const {
    static log::Site site{LogLevel::warn, "egress", "a destination is refused"};
    if (!site.admits()) return;
    const std::string_view word = class_word(verdict.address_class);
    const bool is_wrapped =
        unwrap(address, guard.rules.local()).count > 0;  // all of its forms would have to be allowed
    std::string remedy = "no policy can open it";
    if (verdict.denied_by_policy)
      remedy = fmt::format("the rule {} of an EgressPolicy denies it", verdict.rule);
    else if (verdict.can_be_opened)
      remedy = fmt::format(
          "an EgressPolicy with targetRefs to Gateway {} and a rule {{name: allow-{}, action: allow, match: "
          "{{addresses: [{}]}}}} opens {}",
          guard.suggestion_name, word, is_wrapped ? word : address.to_string(), is_wrapped ? "its class" : "it");
    site.write(
        {{"destination", destination.canonical.view()}, {"class", word}, {"rule", verdict.rule}, {"remedy", remedy}});
  }

  // Once for each destination, not for each request; those are counted.
  static void tell_shadow(const Destination& destination, const Verdict& verdict) {
    static log::Site site{LogLevel::info, "egress", "a shadow rule would refuse a destination"};
    if (!site.admits()) return;
    site.write({{"destination", destination.canonical.view()},
                {"class", class_word(verdict.address_class)},
                {"rule", verdict.shadow_rule}});
  }

  Refusal unresolved(NameFailure failure) const {
    metrics_->unresolved->add();
    return {unresolved_outcome(failure)};
  }

  std::shared_ptr<const DynamicCluster> cluster_;
  std::shared_ptr<const AddressGuard> guard_;
  DynamicRoute route_;
  std::shared_ptr<const DynamicMetrics> metrics_;
};

}  // namespace

const EgressNow::Standing& EgressNow::at(std::string_view place) const {
  for (const std::string_view key : {place, place.substr(0, place.find('|') + 1)})
    if (const auto found = places.find(key); found != places.end()) return found->second;
  return elsewhere;
}

DynamicMetrics::DynamicMetrics(Metrics& metrics)
    : refused(metrics.metric(kRefused)),
      tls_refused(metrics.metric(kTlsRefused)),
      closed(metrics.metric(kClosed)),
      mixed(metrics.metric(kMixed)),
      shadow_refused(metrics.metric(kShadow)),
      invalid(metrics.metric(kInvalid)),
      unresolved(metrics.metric(kUnresolved)),
      judged(metrics.metric(kJudged)),
      ended(metrics.metric(kEnded)) {}

std::vector<MetricFamily> dynamic_metric_families() {
  return {kRefused, kTlsRefused, kClosed, kMixed, kShadow, kInvalid, kUnresolved, kJudged, kEnded};
}

std::shared_ptr<const Service> make_dynamic_upstream(std::shared_ptr<const DynamicCluster> cluster,
                                                     std::shared_ptr<const AddressGuard> guard, DynamicRoute route,
                                                     std::shared_ptr<const DynamicMetrics> metrics) {
  return std::make_shared<DynamicUpstream>(std::move(cluster), std::move(guard), std::move(route), std::move(metrics));
}

}  // namespace sluice
