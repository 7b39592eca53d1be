#include "forward/dns/resolver.h"

#include <fmt/format.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <iterator>
#include <map>

#include "base/check.h"
#include "engines/dns/system_files.h"
#include "io/system_error.h"

namespace sluice {
namespace {

constexpr size_t kSystemFileBytesMax = 4 << 20;

// An absent file says nothing; one that is there and cannot be read just now is an Error.
Result<std::string> read_file(const std::string& path) {
  const std::unique_ptr<FILE, int (*)(FILE*)> file(std::fopen(path.c_str(), "re"), &std::fclose);
  if (!file && errno == ENOENT) return std::string();
  if (!file) return std::unexpected(errno_error(errno, path));
  std::string text;
  text.resize(kSystemFileBytesMax);
  text.resize(std::fread(text.data(), 1, text.size(), file.get()));
  return text;
}

NameFailure failure_of(const Error& error) {
  switch (error.kind) {
    case ErrorKind::timeout: return NameFailure::timeout;
    case ErrorKind::unsupported: return NameFailure::invalid_name;
    case ErrorKind::invalid: return NameFailure::bad_answer;
    default: return NameFailure::server_unreachable;
  }
}

// A host file's addresses in the order and of the families that the lookup family wants.
std::vector<IpAddress> of_family(const std::vector<IpAddress>& addresses, dns::LookupFamily family) {
  std::vector<IpAddress> four, six;
  for (const IpAddress& address : addresses) (address.is_v4() ? four : six).push_back(address);
  switch (family) {
    case dns::LookupFamily::v4_only: return four;
    case dns::LookupFamily::v6_only: return six;
    case dns::LookupFamily::v4_preferred: return four.empty() ? six : four;
    case dns::LookupFamily::automatic: return six.empty() ? four : six;
    case dns::LookupFamily::all: return addresses;
  }
  return {};
}

}  // namespace

std::string ResolverConfig::key() const {
  std::string out;
  const auto add = [&out](const auto& value) { fmt::format_to(std::back_inserter(out), "{};", value); };
  for (const DnsServer& server : servers.list) {
    add(server.endpoint.to_string());
    add(static_cast<int>(server.protocol));
  }
  add(servers.patience.count());
  add(dns::lookup_family_word(names.family));
  for (const Nanos time : {names.ttl_min, names.ttl_max, names.negative_min, names.negative_max, names.failure_base,
                           names.failure_max, names.host_ttl, names.query_timeout, names.stale_max, names.family_delay})
    add(time.count());
  add(names.hosts_max);
  add(pending_max);
  std::map<std::string_view, const std::vector<IpAddress>*> sorted;
  for (const auto& [name, addresses] : hosts) sorted.emplace(name, &addresses);
  for (const auto& [name, addresses] : sorted) {
    add(name);
    for (const IpAddress& address : *addresses) add(address.to_string());
  }
  return out;
}

Status use_system_files(ResolverConfig& config, const std::string& resolv_conf, const std::string& hosts) {
  const std::string servers = TRY(read_file(resolv_conf));
  const std::string names = TRY(read_file(hosts));
  config.servers.list.clear();
  for (const Endpoint& server : dns::parse_resolv_conf(servers)) config.servers.list.push_back({server});
  if (config.servers.list.empty()) config.servers.list.push_back({{IpAddress::v4(127, 0, 0, 1), 53}});
  config.hosts = dns::parse_hosts(names);
  return {};
}

void ResolverStats::add(const ResolverStats& other) {
  names.query_attempt += other.names.query_attempt;
  names.query_success += other.names.query_success;
  names.query_failure += other.names.query_failure;
  names.query_timeout += other.names.query_timeout;
  names.host_added += other.names.host_added;
  names.host_removed += other.names.host_removed;
  names.host_address_changed += other.names.host_address_changed;
  names.host_overflow += other.names.host_overflow;
  pending_overflow += other.pending_overflow;
  questions += other.questions;
  not_found += other.not_found;
  failures += other.failures;
  questions_active += other.questions_active;
  hosts += other.hosts;
}

// ---- requests that wait ----

// One request in the list of those that wait for a name.
class Resolver::Waiting final : public Wait<Resolver::Waiting, NameState> {
 public:
  Waiting(Loop& loop, Known& known) : loop_(loop), known_(&known) {}

  bool start() {
    next_ = std::exchange(known_->waiting, this);
    return false;
  }
  void stop() {
    if (!known_) return loop_.undefer(*this);
    Waiting** link = &known_->waiting;
    while (*link != this) link = &(*link)->next_;
    *link = next_;
  }
  NameState result() { return std::move(state_); }

  // Tells all of a list; they resume from the loop, not from here.
  static void tell_all(Waiting* first, const NameState& state) {
    while (first) {
      Waiting& one = *std::exchange(first, first->next_);
      one.state_ = state;
      one.known_ = nullptr;
      one.loop_.defer(one);
    }
  }

 private:
  Loop& loop_;
  Known* known_;  // in whose list this is
  Waiting* next_ = nullptr;
  NameState state_;
};

Task<NameState> Resolver::resolve(std::string_view name, dns::Standing standing) {
  if (const auto found = known_.find(name); found != known_.end() && loop_.now() < found->second.state.expires) {
    found->second.recently_used = true;
    return found->second.state;
  }
  if (const auto host = config_->hosts.find(name); host != config_->hosts.end())
    return take_from_hosts(name, host->second);
  return wait_for(std::string(name), standing);
}

const NameState& Resolver::take_from_hosts(std::string_view name, const std::vector<IpAddress>& addresses) {
  Known& known = know(name);
  if (loop_.now() < known.state.expires) return known.state;
  auto usable = of_family(addresses, config_->names.family);
  set_resolved(known, !usable.empty());
  known.report_at = known.state.expires = SteadyTime::max();
  if (usable.empty()) {
    known.state.failure = NameFailure::no_records;
  } else {
    known.state.addresses = std::make_shared<const AddressSet>(
        AddressSet{.generation = dns::next_generation(), .addresses = dns::AddressList(usable)});
  }
  return known.state;
}

// One request that waits, for the metrics.
struct Resolver::Counted {
  explicit Counted(const std::optional<DnsMetrics>& m) : metrics(m) {
    if (metrics) metrics->waiting->add();
  }
  Counted(const Counted&) = delete;
  Counted& operator=(const Counted&) = delete;
  ~Counted() {
    if (metrics) metrics->waiting->add(-1);
  }
  const std::optional<DnsMetrics>& metrics;
};

// One request's place among those that wait.
class Resolver::Pending {
 public:
  Pending(std::shared_ptr<PendingCounts> counts, size_t max) : counts_(std::move(counts)), max_(max) {}
  Pending(const Pending&) = delete;
  Pending& operator=(const Pending&) = delete;
  ~Pending() {
    if (taken_) taken_->fetch_sub(1);
  }
  bool take(std::atomic<size_t> PendingCounts::* which) {
    std::atomic<size_t>& count = (*counts_).*which;
    if (count.fetch_add(1) < max_) {
      taken_ = &count;
      return true;
    }
    count.fetch_sub(1);
    return false;
  }

 private:
  std::shared_ptr<PendingCounts> counts_;
  std::atomic<size_t>* taken_ = nullptr;
  size_t max_;
};

Task<NameState> Resolver::wait_for(std::string name, dns::Standing standing) {
  Pending pending(pending_, config_->pending_max);
  const auto found = known_.find(name);
  if (found != known_.end() && found->second.resolved) standing = dns::Standing::in_use;
  const bool in_use = standing == dns::Standing::in_use;
  const bool stranger_asked = found != known_.end() && found->second.asked && !found->second.recalled;
  const bool may_ask = in_use ? pending.take(&PendingCounts::in_use) : pending.take(&PendingCounts::strangers);
  // A stranger to this worker may be none to its owner, who answers that at once.
  const bool may_wait = may_ask || (!in_use && !stranger_asked && pending.take(&PendingCounts::in_use));
  if (!may_wait) {
    ++counts_.pending_overflow;
    publish_stats();
    co_return NameState{.failure = NameFailure::too_many_pending};
  }
  for (;;) {
    Known& known = know(name);
    const bool recalling = known.asked ? known.recalled : !may_ask;
    if (!known.asked) recalling ? recall_from_owner(known) : ask_owner(known, standing);
    NameState state = known.state;
    if (known.asked) {
      const Counted counted(commons_->metrics);
      Waiting waiting(loop_, known);  // NOLINT(misc-const-correctness): awaiting it changes it
      state = CO_TRY(co_await waiting);
    }
    // Whoever may ask must not be content with what another was told who may not.
    const bool again = may_ask && recalling && state.failure == NameFailure::too_many_pending;
    if (!again) co_return state;
  }
}

// ---- what this worker knows ----

Resolver::Known& Resolver::know(std::string_view name) {
  if (const auto found = known_.find(name); found != known_.end()) return found->second;
  make_room(unresolved_);
  const auto at = known_.try_emplace(TextKey(name)).first;
  Known& known = at->second;
  known.key = &at->first;
  unresolved_.push_back(known);
  return known;
}

// Names that wait stay; they are bounded by pending_max. The bound on looks keeps an insert cheap: every look takes a
// name's second chance, so a full map is never far from giving one up.
void Resolver::make_room(KnownList& order) {
  constexpr unsigned kLooks = 16;
  for (unsigned look = 0; look < kLooks && order.size() >= config_->names.hosts_max; ++look) {
    Known& oldest = order.front();
    const bool second_chance = std::exchange(oldest.recently_used, false) && loop_.now() < oldest.state.expires;
    if (oldest.asked || second_chance) {
      order.move_to_back(oldest);
    } else {
      order.remove(oldest);
      known_.erase(known_.find(oldest.name()));
    }
  }
}

void Resolver::set_resolved(Known& known, bool resolved) {
  if (known.resolved == resolved) return;
  KnownList& from = known.resolved ? resolved_ : unresolved_;
  KnownList& to = resolved ? resolved_ : unresolved_;
  make_room(to);
  from.remove(known);
  to.push_back(known);
  known.resolved = resolved;
}

void Resolver::learn(std::string_view name, const NameState& state) {
  if (const auto checks = checks_.find(name); checks != checks_.end()) {
    auto waiting = std::move(checks->second);
    checks_.erase(checks);
    for (auto& done : waiting) done(state);
  }
  const auto found = known_.find(name);
  if (found == known_.end()) return;
  Known& known = found->second;
  known.state = state;
  known.report_at = SteadyTime::min();
  known.asked = known.recalled = false;
  if (std::exchange(known.asked_abroad, false)) --asked_;
  set_resolved(known, state.addresses != nullptr);
  if (state.failure == NameFailure::too_many_pending) ++counts_.pending_overflow;
  Waiting::tell_all(std::exchange(known.waiting, nullptr), state);
}

void Resolver::report_use(Known& known) {
  known.report_at = later(loop_.now(), config_->names.host_ttl / 2);
  tell(commons_->owner_of(known.name()),
       [name = std::string(known.name()), worker = worker_](Resolver& theirs) { theirs.used_by(worker, name); });
}

void Resolver::ask_owner(Known& known, dns::Standing standing) {
  known.asked = true;
  // Where too many are out already, this worker looks it up for itself.
  const uint16_t owner = asked_ < kAskedMax ? commons_->owner_of(known.name()) : worker_;
  ask(owner, known, [name = std::string(known.name()), worker = worker_, standing](Resolver& theirs) {
    theirs.look_up_for(worker, name, standing);
  });
}

// The strangers' budget is used up, but to its owner the name may be none.
void Resolver::recall_from_owner(Known& known) {
  known.asked = known.recalled = true;
  ask(commons_->owner_of(known.name()), known,
      [name = std::string(known.name()), worker = worker_](Resolver& theirs) { theirs.recall_for(worker, name); });
}

void Resolver::ask(uint16_t owner, Known& known, std::move_only_function<void(Resolver&)> question) {
  if (owner != worker_) {
    known.asked_abroad = true;
    ++asked_;
  }
  tell(owner, std::move(question));
}

// ---- as the owner of a name ----

void Resolver::look_up_for(uint16_t worker, const std::string& name, dns::Standing standing) {
  auto state = table_.lookup(name, worker, loop_.now(), standing);
  if (state) publish(worker, name, *std::move(state));
  perform_commands();
}

void Resolver::recall_for(uint16_t worker, const std::string& name) {
  auto state = table_.recall(name, worker, loop_.now());
  if (!state) state = NameState{.failure = NameFailure::too_many_pending, .expires = loop_.now()};
  publish(worker, name, *std::move(state));
  perform_commands();
}

void Resolver::check(std::string name, std::move_only_function<void(const NameState&)> done) {
  if (const auto host = config_->hosts.find(name); host != config_->hosts.end())
    return done(take_from_hosts(name, host->second));
  auto state = table_.lookup(name, worker_, loop_.now(), dns::Standing::in_use);
  if (state)
    done(*state);
  else
    checks_[std::move(name)].push_back(std::move(done));
  perform_commands();
}

void Resolver::used_by(uint16_t worker, const std::string& name) {
  table_.used(name, worker, loop_.now());
  perform_commands();
}

void Resolver::TableTimer::wake() {
  resolver.table_.turn(resolver.loop_.now());
  resolver.perform_commands();
}

void Resolver::perform_commands() {
  if (performing_) return;  // called from a command: the loop below goes on
  performing_ = true;
  for (auto commands = table_.take_commands(); !commands.empty(); commands = table_.take_commands())
    for (dns::Command& command : commands) perform(std::move(command));
  performing_ = false;
  publish_stats();
  table_timer_.timer.arm(loop_, table_.next_turn(), table_timer_);
}

void Resolver::perform(dns::Command command) {
  if (auto* query = std::get_if<dns::SendQuery>(&command)) return send(std::move(*query));
  if (const auto* query = std::get_if<dns::CancelQuery>(&command)) return cancel(query->id);
  auto& publication = std::get<dns::Publish>(command);
  publish(publication.worker, std::move(publication.name), std::move(publication.state));
}

void Resolver::publish(uint16_t worker, std::string name, NameState state) {
  tell(worker, [name = std::move(name), state = std::move(state)](Resolver& theirs) { theirs.learn(name, state); });
}

void Resolver::tell(uint16_t worker, std::move_only_function<void(Resolver&)> job) {
  if (worker == worker_) return job(*this);
  auto view = view_.lock();
  if (!view) return;  // nobody is left to tell
  commons_->here.loops().post(worker, [view = std::move(view), job = std::move(job)]() mutable { job(view->here()); });
}

// ---- queries ----

struct Resolver::Asking {
  Asking(Resolver& r, dns::QueryId i) : resolver(r), id(i) {}

  Task<void> run(dns::SendQuery query) {
    auto asking = ask_servers(resolver.loop_, resolver.config_->servers, resolver.here_.sockets, std::move(query.name),
                              query.type, query.standing);
    answer = co_await asking;
    co_return Status{};
  }
  static void done(void* self, Result<void>) {
    auto& asking = *static_cast<Asking*>(self);
    Resolver& resolver = asking.resolver;
    const dns::QueryId id = asking.id;
    Result<dns::Answer> answer = std::move(asking.answer);
    resolver.queries_.erase(id);  // and with it `asking`
    resolver.answered(id, std::move(answer));
  }

  Resolver& resolver;
  dns::QueryId id;
  Result<dns::Answer> answer;
  Runner runner{this, &done};
};

void Resolver::send(dns::SendQuery query) {
  ++counts_.questions;
  auto& asking = *queries_.emplace(query.id, std::make_unique<Asking>(*this, query.id)).first->second;
  asking.runner.start(asking.run(std::move(query)));  // may be done, and gone, at once
}

void Resolver::cancel(dns::QueryId id) {
  if (const auto found = queries_.find(id); found != queries_.end()) found->second->runner.cancel();
}

void Resolver::answered(dns::QueryId id, Result<dns::Answer> result) {
  if (ending_) return;
  const SteadyTime now = loop_.now();
  count_answer(result);
  if (result) {
    table_.answered(id, *std::move(result), now);
  } else {
    table_.answered(id, std::unexpected(failure_of(result.error())), now);
  }
  perform_commands();
}

void Resolver::count_answer(const Result<dns::Answer>& result) {
  if (!result) {
    counts_.failures += result.error().kind != ErrorKind::timeout && result.error().kind != ErrorKind::cancelled;
  } else if (result->rcode == dns::Rcode::name_does_not_exist ||
             (result->rcode == dns::Rcode::no_error && result->addresses.empty() && !result->endless)) {
    ++counts_.not_found;
  } else if (result->addresses.empty()) {
    ++counts_.failures;
  }
}

// ---- lives ----

Resolver::Resolver(const std::shared_ptr<ResolverView>& view, Loop& loop)
    : commons_(view->commons_),
      here_(commons_->here.here()),
      view_(view),
      config_(view->config_),
      pending_(view->pending_),
      worker_(static_cast<uint16_t>(worker_index)),
      loop_(loop),
      table_([&] {
        // Every owner has its share of the names; a little more, as hashes are not even.
        dns::NameSettings settings = config_->names;
        const size_t workers = commons_->here.loops().workers();
        settings.hosts_max = std::max<size_t>(1, (settings.hosts_max + workers - 1) / workers);
        return settings;
      }()) {
  here_.resolvers.push_back(this);
}

Resolver::~Resolver() {
  ending_ = true;
  while (!queries_.empty()) queries_.begin()->second->runner.cancel();
  for (const auto& [name, known] : known_) CHECK(!known.waiting);  // whoever waits holds the view
  ResolverStats last = stats();
  last.names.host_removed += std::exchange(last.hosts, 0);
  here_.ended.add(last);
  std::erase(here_.resolvers, this);
  publish_stats();
}

ResolverStats Resolver::stats() const {
  ResolverStats out = counts_;
  out.names = table_.stats();
  out.questions_active = queries_.size();
  out.hosts = table_.size();
  return out;
}

void Resolver::publish_stats() {
  if (commons_->metrics) commons_->metrics->set(here_.stats());
}

ResolverView::ResolverView(std::shared_ptr<const ResolverCommons> commons, std::shared_ptr<const ResolverConfig> config)
    : commons_(std::move(commons)),
      config_(std::move(config)),
      pending_(std::make_shared<Resolver::PendingCounts>()),
      resolvers_(commons_->here.loops(),
                 [this](Loop& loop) { return std::unique_ptr<Resolver>(new Resolver(shared_from_this(), loop)); }) {}

void ResolverView::check(std::string name, Checked done) {
  const uint16_t owner = commons_->owner_of(name);
  commons_->here.loops().post(owner,
                              [view = shared_from_this(), name = std::move(name), done = std::move(done)]() mutable {
                                view->here().check(std::move(name), std::move(done));
                              });
}

// --- what all have in common --------------------------------------------------------------------------------------

ResolverCommons::ResolverCommons(const WorkerLoops& loops, size_t descriptors, Metrics* registry)
    : here(loops,
           [descriptors](Loop& loop) {
             return std::unique_ptr<Here>(
                 new Here{.sockets = DnsSockets(loop, descriptors), .resolvers = {}, .ended = {}});
           }),
      metrics(registry ? std::optional<DnsMetrics>(*registry) : std::nullopt) {}

ResolverStats ResolverCommons::Here::stats() const {
  ResolverStats out = ended;
  for (const Resolver* resolver : resolvers) out.add(resolver->stats());
  out.sockets = sockets.stats();
  return out;
}

ResolverPool::ResolverPool(const WorkerLoops& loops, size_t descriptors, Metrics* metrics)
    : commons_(std::make_shared<const ResolverCommons>(loops, descriptors, metrics)) {}

std::shared_ptr<ResolverView> ResolverPool::make(ResolverConfig config) {
  return std::shared_ptr<ResolverView>(
      new ResolverView(commons_, std::make_shared<const ResolverConfig>(std::move(config))));
}

ResolverStats ResolverPool::stats_of_this_worker() const {
  const auto* here = commons_->here.here_if_made();
  return here ? here->stats() : ResolverStats();
}

std::vector<dns::NameTable::Row> ResolverPool::rows_of_this_worker() const {
  std::vector<dns::NameTable::Row> out;
  const auto* here = commons_->here.here_if_made();
  if (!here) return out;
  for (const Resolver* resolver : here->resolvers)
    for (auto& row : resolver->table().rows()) out.push_back(std::move(row));
  return out;
}

}  // namespace sluice
