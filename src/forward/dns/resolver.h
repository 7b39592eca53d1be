// Resolves the names of upstreams, dynamic destinations and static hosts, on every worker, with one query per name in
// the whole process.
//
//   request -> Resolver::cached()      what this worker knows: a hash lookup, nothing else
//           -> Resolver::resolve()     waits; the worker that owns the name (by its hash) looks it up in its NameTable
//                                      and sends what it learnt to every worker that asked or used the name since
//
// A ResolverView is one set of servers and rules, shared by all routes whose DNS configuration is equal; it outlives
// snapshots, and has a Resolver on each worker that asked. A ResolverPool makes views, and knows what their Resolvers
// on a worker have in common.
#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <unordered_map>

#include "base/intrusive_list.h"
#include "base/metrics.h"
#include "base/strings.h"
#include "base/text_key.h"
#include "engines/dns/name_table.h"
#include "forward/dns/dns_metrics.h"
#include "forward/dns/transport.h"
#include "io/local.h"
#include "io/loop.h"
#include "io/task.h"

namespace sluice {

using dns::AddressSet;
using dns::NameFailure;
using dns::NameState;

struct ResolverConfig {
  DnsServers servers;
  dns::NameSettings names;
  StringMap<std::vector<IpAddress>> hosts;  // beats the servers; canonical names
  // Requests that wait for names nobody knows, over all workers; and again as many for names that were known before.
  size_t pending_max = 1024;

  // Equal text means equal behaviour: the key under which a view is kept over snapshots.
  std::string key() const;
};

// resolv.conf's servers and /etc/hosts. Without the files: the server at 127.0.0.1, no hosts. A file that is there and
// cannot be read just now (no descriptor left) is an Error, and `config` is as it was.
Status use_system_files(ResolverConfig& config, const std::string& resolv_conf = "/etc/resolv.conf",
                        const std::string& hosts = "/etc/hosts");

struct ResolverStats {
  dns::NameStats names;
  uint64_t pending_overflow = 0;
  uint64_t questions = 0;
  uint64_t not_found = 0;
  uint64_t failures = 0;  // of questions: neither addresses nor "there is none"
  size_t questions_active = 0;
  DnsSocketStats sockets;  // of the worker, all resolvers together
  size_t hosts = 0;        // names this worker owns just now

  void add(const ResolverStats& other);
};

class Resolver;
class ResolverPool;
class ResolverView;

// What the Resolvers of all views have in common.
struct ResolverCommons {
  // On one worker.
  struct Here {
    DnsSockets sockets;
    std::vector<const Resolver*> resolvers;
    ResolverStats ended;  // of those that are gone

    ResolverStats stats() const;
  };

  ResolverCommons(const WorkerLoops& loops, size_t descriptors, Metrics* metrics);
  // The worker that asks for a name.
  uint16_t owner_of(std::string_view name) const {
    return static_cast<uint16_t>(std::hash<std::string_view>{}(name) / 7 % here.loops().workers());
  }

  const Local<Here> here;
  const std::optional<DnsMetrics> metrics;
};

// What one worker knows and waits for. Belongs to that worker's thread.
class Resolver {
 public:
  ~Resolver();
  Resolver(const Resolver&) = delete;
  Resolver& operator=(const Resolver&) = delete;

  // The addresses of a canonical name (parse_authority's host, not a literal), if this worker has fresh ones; nullptr
  // otherwise: then resolve(). The set stays valid until the next co_await.
  const AddressSet* cached(std::string_view name) {
    const auto found = known_.find(name);
    if (found == known_.end()) return nullptr;
    Known& known = found->second;
    const SteadyTime now = loop_.now();
    if (now >= known.state.expires) return nullptr;
    known.recently_used = true;
    if (now >= known.report_at) report_use(known);
    return known.state.addresses.get();
  }

  // Addresses, or why there are none. Waits no longer than names.query_timeout. The only Error is `cancelled`.
  // Whoever asks for a stranger waits in a budget of its own: over it, only what its owner knows is answered.
  // `in_use`: the operator wrote the name down, so it is no stranger.
  Task<NameState> resolve(std::string_view name, dns::Standing standing = dns::Standing::stranger);

  const dns::NameTable& table() const { return table_; }  // of the names this worker owns
  ResolverStats stats() const;

  // While so many names are with other workers, the next is resolved here, alone.
  static constexpr size_t kAskedMax = 512;

 private:
  friend class ResolverView;
  class Waiting;

  struct Known {
    std::string_view name() const { return key->view(); }

    const TextKey* key = nullptr;  // in known_
    NameState state{};
    SteadyTime report_at{};  // from when on a use is worth a message to the owner
    bool recently_used = false;
    bool asked = false;         // the owner was asked and has not answered
    bool asked_abroad = false;  // and is another worker
    bool recalled = false;      // the owner was asked for what it knows only
    bool resolved = false;      // in resolved_: had addresses when it was last heard of
    Waiting* waiting = nullptr;
    Links<Known> place;
  };
  using KnownList = LinkedList<Known, &Known::place>;
  struct Asking;
  // Requests that wait, over all workers.
  struct PendingCounts {
    std::atomic<size_t> strangers{0};
    std::atomic<size_t> in_use{0};
  };
  class Pending;
  struct Counted;
  struct TableTimer final : Waiter {
    explicit TableTimer(Resolver& r) : resolver(r) {}
    void wake() override;
    void cancel() override {}
    Resolver& resolver;
    Timer timer;
  };

  Resolver(const std::shared_ptr<ResolverView>& view, Loop& loop);

  Task<NameState> wait_for(std::string name, dns::Standing standing);
  const NameState& take_from_hosts(std::string_view name, const std::vector<IpAddress>& addresses);
  Known& know(std::string_view name);
  void make_room(KnownList& order);
  void set_resolved(Known& known, bool resolved);
  void learn(std::string_view name, const NameState& state);
  void report_use(Known& known);
  void ask_owner(Known& known, dns::Standing standing);
  void recall_from_owner(Known& known);
  void ask(uint16_t owner, Known& known, std::move_only_function<void(Resolver&)> question);

  // As the owner of a name.
  void look_up_for(uint16_t worker, const std::string& name, dns::Standing standing);
  void recall_for(uint16_t worker, const std::string& name);
  void check(std::string name, std::move_only_function<void(const NameState&)> done);
  void used_by(uint16_t worker, const std::string& name);
  void answered(dns::QueryId id, Result<dns::Answer> result);
  void count_answer(const Result<dns::Answer>& result);
  void perform_commands();
  void perform(dns::Command command);
  void send(dns::SendQuery query);
  void cancel(dns::QueryId id);
  void publish(uint16_t worker, std::string name, NameState state);

  // Runs `job` on that worker's Resolver of the same view; at once when it is this one.
  void tell(uint16_t worker, std::move_only_function<void(Resolver&)> job);
  // The worker's stats into the metrics: after whatever changed them.
  void publish_stats();

  const std::shared_ptr<const ResolverCommons> commons_;
  ResolverCommons::Here& here_;
  std::weak_ptr<ResolverView> view_;
  std::shared_ptr<const ResolverConfig> config_;
  std::shared_ptr<PendingCounts> pending_;
  uint16_t worker_;
  Loop& loop_;

  TextMap<Known> known_;
  // Oldest first; used ones get a second chance. Each holds hosts_max: names without addresses push out only their
  // like.
  KnownList resolved_;
  KnownList unresolved_;
  size_t asked_ = 0;      // names that other workers were asked for
  ResolverStats counts_;  // what the table does not count

  StringMap<std::vector<std::move_only_function<void(const NameState&)>>> checks_;  // by name, that wait
  dns::NameTable table_;
  TableTimer table_timer_{*this};
  std::unordered_map<dns::QueryId, std::unique_ptr<Asking>> queries_;
  bool performing_ = false;
  bool ending_ = false;
};

class ResolverView : public std::enable_shared_from_this<ResolverView> {
 public:
  ResolverView(const ResolverView&) = delete;
  ResolverView& operator=(const ResolverView&) = delete;

  // This worker's part. Workers only.
  Resolver& here() const { return resolvers_.here(); }
  const ResolverConfig& config() const { return *config_; }

  // For names that the operator wrote down: `done` is told what the name's owner knows, on that worker's thread, as
  // soon as it does. The name counts as used meanwhile. Any thread.
  using Checked = std::move_only_function<void(const NameState&)>;
  void check(std::string name, Checked done);

 private:
  friend class ResolverPool;
  friend class Resolver;
  ResolverView(std::shared_ptr<const ResolverCommons> commons, std::shared_ptr<const ResolverConfig> config);

  const std::shared_ptr<const ResolverCommons> commons_;
  const std::shared_ptr<const ResolverConfig> config_;
  const std::shared_ptr<Resolver::PendingCounts> pending_;
  const Local<Resolver> resolvers_;
};

class ResolverPool {
 public:
  // `descriptors`: those of a worker for asking servers.
  explicit ResolverPool(const WorkerLoops& loops, size_t descriptors = 64, Metrics* metrics = nullptr);
  ResolverPool(const ResolverPool&) = delete;
  ResolverPool& operator=(const ResolverPool&) = delete;

  const WorkerLoops& loops() const { return commons_->here.loops(); }

  // Views may outlive the pool. Any thread.
  std::shared_ptr<ResolverView> make(ResolverConfig config);

  // What all resolvers of this worker have counted so far, also those that are gone. On its thread.
  ResolverStats stats_of_this_worker() const;
  // The names this worker owns, of all views. On its thread.
  std::vector<dns::NameTable::Row> rows_of_this_worker() const;

 private:
  const std::shared_ptr<const ResolverCommons> commons_;
};

}  // namespace sluice
