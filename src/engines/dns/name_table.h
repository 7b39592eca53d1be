// The life of names: what is known, when it is asked again, when it is forgotten. No I/O, and the caller's clock.
//
//   lookup() of an unknown or expired name -> a round of queries -> publish to the workers that asked
//
//   a round   asks the record types of the family, one query in flight for each; ends with the last answer or after
//             `query_timeout`. With both types asked together, the first addresses wait `family_delay` for the others.
//   addresses hold for the TTL (clamped), and are asked for again at 85 % of it if a worker said used() meanwhile. If
//             that fails, they go on serving as stale for at most `stale_max` behind their TTL.
//   negative  NXDOMAIN and "no such record" are answers: they withdraw addresses and hold for the SOA's time (clamped).
//   failure   everything else: asked again, by a lookup or for stale addresses in use, after a growing pause.
//   idle      a name that nobody used for `host_ttl` is forgotten; a full table forgets the least recently used.
//   strangers names without addresses have `hosts_max` places of their own, beside the `hosts_max` of names that have
//             resolved: however many are asked for, they push out only each other.
//
// The caller performs the commands: sends queries and hands their results to answered(), passes publications to the
// workers. One thread only.
#pragma once

#include <expected>
#include <memory>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <variant>
#include <vector>

#include "base/intrusive_list.h"
#include "base/text_key.h"
#include "base/time.h"
#include "engines/dns/message.h"
#include "engines/dns/name_state.h"

namespace sluice::dns {

using QueryId = uint64_t;

// Of a name for whoever asks: strangers must never take what names in use need.
enum class Standing : uint8_t { stranger, in_use };

struct SendQuery {
  QueryId id;
  std::string name;
  RecordType type;
  Standing standing;
};
struct CancelQuery {  // its result is of no interest any more
  QueryId id;
};
struct Publish {
  uint16_t worker;
  std::string name;
  NameState state;
};
using Command = std::variant<SendQuery, CancelQuery, Publish>;

class NameTable {
 public:
  explicit NameTable(const NameSettings& settings) : settings_(settings) {}
  NameTable(const NameTable&) = delete;
  NameTable& operator=(const NameTable&) = delete;

  // What is known of the canonical name, or nothing: then a Publish to the worker follows, within query_timeout.
  // Either way the worker counts as a user until the next Publish of the name. `in_use`: the worker has had addresses
  // of it, so it gets a place though strangers have taken all of theirs.
  std::optional<NameState> lookup(std::string_view name, uint16_t worker, SteadyTime now,
                                  Standing standing = Standing::stranger);
  // As lookup() of a name whose state is at hand; otherwise nothing, and nobody is asked.
  std::optional<NameState> recall(std::string_view name, uint16_t worker, SteadyTime now);
  // The worker used the addresses since they were published to it.
  void used(std::string_view name, uint16_t worker, SteadyTime now);
  // The result of a query; of a cancelled or unknown one it is ignored.
  void answered(QueryId id, std::expected<Answer, NameFailure> result, SteadyTime now);
  // Does what is due. Call it at next_turn() or later; calling it early is harmless.
  void turn(SteadyTime now);
  SteadyTime next_turn() const;  // SteadyTime::max(): nothing will be due
  // Forgets a name; its waiters, if any, get `server_failure`.
  void forget(std::string_view name, SteadyTime now);

  // What is to be done since the last call. Ask after every call of the above.
  std::vector<Command> take_commands() { return std::exchange(commands_, {}); }

  size_t size() const { return names_.size(); }
  const NameStats& stats() const { return stats_; }
  const NameSettings& settings() const { return settings_; }

  struct Row {
    std::string name;
    NameState state;
    bool asking;
    SteadyTime last_used;
  };
  std::vector<Row> rows() const;  // for people; in no order

 private:
  enum class Outcome : uint8_t { not_asked, asking, addresses, no_records, name_does_not_exist, failed };

  // One type's part of a round: what was asked, and what came.
  struct Records {
    RecordType type;
    Outcome outcome = Outcome::not_asked;
    NameFailure failure = NameFailure::none;
    QueryId query = 0;
    SteadyTime expires{};  // of addresses
    Nanos ttl{};           // of addresses, or of their absence
  };

  struct Round {
    Records four{RecordType::a};
    Records six{RecordType::aaaa};
    SteadyTime ends = SteadyTime::max();
    SteadyTime settles = SteadyTime::max();
  };

  // What a name keeps of its rounds: the last addresses that came of each type, and how long they may serve. Those of
  // the other type are seldom there, so that both are one list.
  class Held {
   public:
    std::span<const IpAddress> of(RecordType type) const;
    SteadyTime stale_until(RecordType type) const { return stale_until_[index(type)]; }
    void replace(RecordType type, std::span<const IpAddress> addresses, SteadyTime stale_until);
    void withdraw(RecordType type) { replace(type, {}, {}); }

   private:
    static size_t index(RecordType type) { return type == RecordType::a ? 0 : 1; }
    AddressList addresses_;  // IPv4 first
    SteadyTime stale_until_[2] = {};
  };

  // There may be a hundred thousand: what only a round needs is in the Round.
  struct Name {
    std::string_view text() const { return key->view(); }

    const TextKey* key = nullptr;  // in names_
    Held held;
    NameState state;
    std::unique_ptr<Round> round;              // that goes on
    SteadyTime ask_again = SteadyTime::max();  // if used
    SteadyTime last_used{};
    SteadyTime timer = SteadyTime::max();  // its entry in timers_
    ShortList<uint16_t, 4> users;          // workers, since the last Publish
    Links<Name> idle;
    bool known = false;                      // state has been set
    bool waiting = false;                    // a worker waits for it: not to be evicted, and not among the idle
    bool resolved = false;                   // has addresses: which population it belongs to
    Standing standing = Standing::stranger;  // with which it came in
    uint8_t failures = 0;                    // rounds in a row: how long the next pause is
  };

  struct Population {
    size_t size = 0;
    LinkedList<Name, &Name::idle> idle;  // without waiters; most recently used first
  };

  struct Merged {
    AddressList addresses;
    SteadyTime expires = SteadyTime::max();
    SteadyTime stale_until = SteadyTime::max();
    Nanos ttl = Nanos::max();
    bool fresh = false;
  };

  Name* find(std::string_view name);
  Name* insert(std::string_view name, SteadyTime now, Standing standing);
  bool make_room(Standing standing);
  void remove(Name& name);
  Population& population(const Name& name) { return name.resolved ? resolved_ : unresolved_; }
  void purge_idle(SteadyTime now);
  void touch(Name& name, uint16_t worker, SteadyTime now);
  void set_waiting(Name& name, bool waiting);
  void set_resolved(Name& name, bool resolved);
  void reschedule(Name& name);

  void begin_round(Name& name, SteadyTime now);
  void ask(Name& name, Records& records);
  void cancel(Records& records, NameFailure why);
  void record(Name& name, Records& records, const std::expected<Answer, NameFailure>& result, SteadyTime now) const;
  static void withdraw_missing(Name& name);
  void go_on(Name& name, SteadyTime now);
  bool wants_second_type(const Name& name, SteadyTime now) const;
  void time_out(Name& name, SteadyTime now);
  void end_round(Name& name, SteadyTime now);

  Merged merge(const Name& name, SteadyTime now) const;
  void settle_early(Name& name, SteadyTime now);
  void settle(Name& name, const Merged& merged, SteadyTime now);
  void settle_fresh(Name& name, const Merged& merged);
  void settle_stale(Name& name, const Merged& merged, SteadyTime now);
  void settle_without(Name& name, SteadyTime now);
  void set_addresses(Name& name, AddressList addresses);
  Nanos next_pause(Name& name) const;
  void publish(Name& name);

  NameSettings settings_;
  NameStats stats_;
  QueryId query_last_ = 0;
  TextMap<Name> names_;
  Population resolved_;
  Population unresolved_;
  std::set<std::pair<SteadyTime, Name*>> timers_;
  std::unordered_map<QueryId, std::pair<Name*, Records*>> queries_;
  std::vector<Command> commands_;
};

}  // namespace sluice::dns
