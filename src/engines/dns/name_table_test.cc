#include "engines/dns/name_table.h"

#include <gtest/gtest.h>

namespace sluice::dns {
namespace {

// A table, a clock turned by hand, and a notebook of what the table wants done.
struct Lab {
  explicit Lab(NameSettings settings = {}) : table(settings) {}

  // "10.0.0.1", "failed name_does_not_exist", or "asks"
  std::string lookup(std::string_view name, uint16_t worker = 0, Standing standing = Standing::stranger) {
    const auto state = table.lookup(name, worker, now, standing);
    collect();
    return state ? text(*state) : "asks";
  }
  void used(std::string_view name, uint16_t worker = 0) {
    table.used(name, worker, now);
    collect();
  }
  // Turns the clock, stopping wherever the table wants to be called.
  void pass(Nanos by) {
    const SteadyTime until = now + by;
    while (table.next_turn() <= until) {
      now = std::max(now, table.next_turn());
      table.turn(now);
      collect();
    }
    now = until;
  }
  std::vector<std::string> sent() { return std::exchange(sent_, {}); }            // "a.test A"
  std::vector<std::string> published() { return std::exchange(published_, {}); }  // "0 a.test 10.0.0.1"
  std::vector<QueryId> cancelled() { return std::exchange(cancelled_, {}); }

  void answer(std::string_view what, std::expected<Answer, NameFailure> result) {
    const auto open = std::ranges::find(open_, what, [](const auto& query) { return query.second; });
    ASSERT_NE(open, open_.end()) << what;
    const QueryId id = open->first;
    open_.erase(open);
    table.answered(id, std::move(result), now);
    collect();
  }
  bool open(std::string_view what) const {
    return std::ranges::any_of(open_, [&](const auto& query) { return query.second == what; });
  }

  static std::string text(const NameState& state) {
    if (!state.addresses) return fmt::format("failed {}", failure_word(state.failure));
    std::string out = state.stale ? "stale" : "";
    for (const IpAddress& address : state.addresses->addresses) out += (out.empty() ? "" : " ") + address.to_string();
    return out;
  }

  NameTable table;
  SteadyTime now = SteadyTime(1000s);
  std::map<std::string, NameState> last;      // by name, as published to any worker
  std::map<std::string, Standing> standings;  // by name, of its last query

 private:
  void collect() {
    for (Command& command : table.take_commands()) {
      if (const auto* send = std::get_if<SendQuery>(&command)) {
        standings[send->name] = send->standing;
        sent_.push_back(send->name + " " + std::string(record_type_name(send->type)));
        open_.emplace_back(send->id, sent_.back());
      } else if (const auto* cancel = std::get_if<CancelQuery>(&command)) {
        cancelled_.push_back(cancel->id);
        std::erase_if(open_, [&](const auto& query) { return query.first == cancel->id; });
      } else if (const auto* publish = std::get_if<Publish>(&command)) {
        published_.push_back(fmt::format("{} {} {}", publish->worker, publish->name, text(publish->state)));
        last[publish->name] = publish->state;
      }
    }
  }

  std::vector<std::pair<QueryId, std::string>> open_;
  std::vector<std::string> sent_;
  std::vector<std::string> published_;
  std::vector<QueryId> cancelled_;
};

using Strings = std::vector<std::string>;

Answer addresses(std::initializer_list<const char*> list, Seconds ttl = 60s) {
  Answer answer{.ttl = ttl};
  for (const char* text : list) answer.addresses.push_back(*IpAddress::parse(text));
  return answer;
}
Answer no_records(Seconds ttl = 10s) {
  return {.negative_ttl = ttl};
}
Answer no_name(Seconds ttl = 10s) {
  return {.rcode = Rcode::name_does_not_exist, .negative_ttl = ttl};
}
Answer servfail() {
  return {.rcode = Rcode::server_failure};
}
std::unexpected<NameFailure> unreachable() {
  return std::unexpected(NameFailure::server_unreachable);
}

TEST(NameTable, asks_once_for_all_who_wait_and_tells_each_worker_once) {
  Lab lab;
  EXPECT_EQ(lab.lookup("a.test", 0), "asks");
  EXPECT_EQ(lab.lookup("a.test", 0), "asks");
  EXPECT_EQ(lab.lookup("a.test", 3), "asks");
  EXPECT_EQ(lab.sent(), Strings{"a.test A"});
  lab.answer("a.test A", addresses({"10.0.0.1", "10.0.0.2"}));
  EXPECT_EQ(lab.published(), (Strings{"0 a.test 10.0.0.1 10.0.0.2", "3 a.test 10.0.0.1 10.0.0.2"}));
  EXPECT_EQ(lab.lookup("a.test", 1), "10.0.0.1 10.0.0.2");
  EXPECT_EQ(lab.sent(), Strings{});
}

TEST(NameTable, holds_addresses_for_their_ttl_within_the_limits) {
  const std::pair<Seconds, Nanos> rows[] = {{0s, 5s}, {4s, 5s}, {6s, 6s}, {3600s, 3600s}, {100000s, 3600s}};
  for (const auto& [ttl, held] : rows) {
    Lab lab({.host_ttl = 24h});
    lab.lookup("a.test");
    lab.answer("a.test A", addresses({"10.0.0.1"}, ttl));
    lab.pass(held - 1ms);
    EXPECT_EQ(lab.table.lookup("a.test", 0, lab.now)->expires, lab.now + 1ms) << ttl.count();
    lab.table.take_commands();
    Lab other({.host_ttl = 24h});
    other.lookup("a.test");
    other.answer("a.test A", addresses({"10.0.0.1"}, ttl));
    other.pass(held);
    EXPECT_EQ(other.lookup("a.test"), "asks") << ttl.count();
  }
}

TEST(NameTable, asks_again_at_85_percent_of_the_ttl_when_used) {
  Lab lab;
  lab.lookup("a.test");
  lab.answer("a.test A", addresses({"10.0.0.1"}, 100s));
  lab.sent();
  lab.used("a.test");
  lab.pass(84s);
  EXPECT_EQ(lab.sent(), Strings{});
  lab.pass(1s);
  EXPECT_EQ(lab.sent(), Strings{"a.test A"});
  EXPECT_EQ(lab.lookup("a.test"), "10.0.0.1");  // nobody waits for it
  lab.published();
  lab.answer("a.test A", addresses({"10.0.0.2"}, 100s));
  EXPECT_EQ(lab.published(), Strings{"0 a.test 10.0.0.2"});
}

TEST(NameTable, does_not_ask_again_for_a_name_that_nobody_used) {
  Lab lab;
  lab.lookup("a.test");
  lab.answer("a.test A", addresses({"10.0.0.1"}, 100s));
  lab.sent();
  lab.pass(90s);
  EXPECT_EQ(lab.sent(), Strings{});
  lab.used("a.test");  // late, but in time
  EXPECT_EQ(lab.sent(), Strings{"a.test A"});
}

TEST(NameTable, tells_only_the_workers_that_used_the_name_since) {
  Lab lab;
  lab.lookup("a.test", 0);
  lab.lookup("a.test", 1);
  lab.answer("a.test A", addresses({"10.0.0.1"}, 100s));
  lab.published();
  lab.used("a.test", 1);
  lab.pass(85s);
  lab.answer("a.test A", addresses({"10.0.0.1"}, 100s));
  EXPECT_EQ(lab.published(), Strings{"1 a.test 10.0.0.1"});
}

TEST(NameTable, asks_for_ipv6_only_when_there_is_no_ipv4) {
  Lab lab;
  lab.lookup("a.test");
  lab.answer("a.test A", no_records());
  EXPECT_EQ(lab.sent(), (Strings{"a.test A", "a.test AAAA"}));
  lab.answer("a.test AAAA", addresses({"2001:db8::1"}));
  EXPECT_EQ(lab.published(), Strings{"0 a.test 2001:db8::1"});

  lab.lookup("b.test");
  lab.answer("b.test A", servfail());  // an error for one type never fails the other
  lab.answer("b.test AAAA", addresses({"2001:db8::2"}));
  EXPECT_EQ(lab.published(), Strings{"0 b.test 2001:db8::2"});

  lab.sent();
  lab.lookup("c.test");
  lab.answer("c.test A", no_name());
  EXPECT_EQ(lab.sent(), Strings{"c.test A"});  // no such name of any type
  EXPECT_EQ(lab.published(), Strings{"0 c.test failed name_does_not_exist"});
}

TEST(NameTable, asks_only_for_the_family_that_is_wanted) {
  Lab four({.family = LookupFamily::v4_only});
  four.lookup("a.test");
  four.answer("a.test A", no_records());
  EXPECT_EQ(four.sent(), Strings{"a.test A"});
  EXPECT_EQ(four.published(), Strings{"0 a.test failed no_records"});
  Lab six({.family = LookupFamily::v6_only});
  six.lookup("a.test");
  six.answer("a.test AAAA", addresses({"::2"}));
  EXPECT_EQ(six.sent(), Strings{"a.test AAAA"});
  EXPECT_EQ(six.published(), Strings{"0 a.test ::2"});
}

TEST(NameTable, takes_both_families_in_turns) {
  Lab lab({.family = LookupFamily::all});
  lab.lookup("a.test");
  EXPECT_EQ(lab.sent(), (Strings{"a.test A", "a.test AAAA"}));
  lab.answer("a.test A", addresses({"10.0.0.1", "10.0.0.2"}));
  EXPECT_EQ(lab.published(), Strings{});
  lab.answer("a.test AAAA", addresses({"::2"}));
  EXPECT_EQ(lab.published(), Strings{"0 a.test ::2 10.0.0.1 10.0.0.2"});
  lab.lookup("b.test");
  lab.answer("b.test AAAA", servfail());
  lab.answer("b.test A", addresses({"10.0.0.1"}));
  EXPECT_EQ(lab.published(), Strings{"0 b.test 10.0.0.1"});
}

TEST(NameTable, waits_only_a_moment_for_the_second_family) {
  Lab lab({.family = LookupFamily::all});
  lab.lookup("a.test");
  lab.answer("a.test A", addresses({"10.0.0.1"}, 60s));
  lab.pass(49ms);
  EXPECT_EQ(lab.published(), Strings{});
  lab.pass(1ms);
  EXPECT_EQ(lab.published(), Strings{"0 a.test 10.0.0.1"});
  EXPECT_EQ(lab.lookup("a.test"), "10.0.0.1");
  lab.answer("a.test AAAA", addresses({"::2"}, 60s));
  EXPECT_EQ(lab.published(), Strings{"0 a.test ::2 10.0.0.1"});
  // a family that never answers neither fails nor prolongs the other
  lab.lookup("b.test");
  lab.answer("b.test A", addresses({"10.0.0.1"}, 60s));
  const SteadyTime came = lab.now;
  lab.pass(5s);
  EXPECT_EQ(lab.last["b.test"].expires, came + 60s);
  EXPECT_EQ(lab.table.stats().query_timeout, 1u);
}

TEST(NameTable, prefers_ipv6_when_the_family_is_automatic) {
  Lab lab({.family = LookupFamily::automatic});
  lab.lookup("a.test");
  lab.answer("a.test AAAA", addresses({"::2"}));
  EXPECT_EQ(lab.published(), Strings{"0 a.test ::2"});
  EXPECT_EQ(lab.cancelled().size(), 1u);
  lab.lookup("b.test");
  lab.answer("b.test A", addresses({"10.0.0.1"}));
  lab.answer("b.test AAAA", no_records());
  EXPECT_EQ(lab.published(), Strings{"0 b.test 10.0.0.1"});
}

TEST(NameTable, remembers_for_the_soas_time_that_there_is_nothing) {
  const std::tuple<std::optional<Seconds>, Nanos> rows[] = {{0s, 1s}, {7s, 7s}, {3600s, 60s}, {std::nullopt, 1s}};
  for (const auto& [ttl, held] : rows) {
    for (const Rcode rcode : {Rcode::no_error, Rcode::name_does_not_exist}) {
      Lab lab({.family = LookupFamily::v4_only});
      lab.lookup("a.test");
      lab.answer("a.test A", Answer{.rcode = rcode, .negative_ttl = ttl});
      const std::string failed = rcode == Rcode::no_error ? "failed no_records" : "failed name_does_not_exist";
      lab.pass(held - 1ms);
      EXPECT_EQ(lab.lookup("a.test"), failed);
      lab.pass(1ms);
      EXPECT_EQ(lab.lookup("a.test"), "asks");
    }
  }
}

TEST(NameTable, pauses_longer_and_longer_after_failures) {
  Lab lab({.family = LookupFamily::v4_only});
  for (const Nanos pause : {1s, 2s, 4s, 8s, 16s, 30s, 30s}) {
    EXPECT_EQ(lab.lookup("a.test"), "asks");
    lab.answer("a.test A", servfail());
    lab.pass(pause - 1ms);
    EXPECT_EQ(lab.lookup("a.test"), "failed server_failure") << pause.count();
    lab.pass(1ms);
  }
  EXPECT_EQ(lab.lookup("a.test"), "asks");
  lab.answer("a.test A", addresses({"10.0.0.1"}, 10s));
  lab.pass(10s);
  EXPECT_EQ(lab.lookup("a.test"), "asks");
  lab.answer("a.test A", no_name(1s));
  lab.pass(1s);
  EXPECT_EQ(lab.lookup("a.test"), "asks");
  lab.answer("a.test A", servfail());  // the first failure of a new row
  lab.pass(1s);
  EXPECT_EQ(lab.lookup("a.test"), "asks");
}

TEST(NameTable, pauses_as_configured_after_failures) {
  Lab lab({.family = LookupFamily::v4_only, .failure_base = 3s, .failure_max = 5s});
  for (const Nanos pause : {3s, 5s, 5s}) {
    EXPECT_EQ(lab.lookup("a.test"), "asks");
    lab.answer("a.test A", unreachable());
    lab.pass(pause - 1ms);
    EXPECT_EQ(lab.lookup("a.test"), "failed server_unreachable");
    lab.pass(1ms);
  }
}

TEST(NameTable, fails_at_once_for_a_loop_of_cnames) {
  Lab lab;
  lab.lookup("a.test");
  lab.answer("a.test A", Answer{.endless = true});
  lab.answer("a.test AAAA", Answer{.endless = true});
  EXPECT_EQ(lab.published(), Strings{"0 a.test failed cname_loop"});
  EXPECT_EQ(lab.lookup("a.test"), "failed cname_loop");  // remembered for the pause of a failure
}

TEST(NameTable, gives_up_after_the_query_timeout) {
  Lab lab({.query_timeout = 2s});
  lab.lookup("a.test");
  lab.pass(2s - 1ms);
  EXPECT_EQ(lab.published(), Strings{});
  lab.pass(1ms);
  EXPECT_EQ(lab.published(), Strings{"0 a.test failed resolve_timeout"});
  EXPECT_EQ(lab.cancelled().size(), 1u);
  EXPECT_EQ(lab.table.stats().query_timeout, 1u);
  EXPECT_EQ(lab.table.stats().query_failure, 1u);
}

TEST(NameTable, bounds_both_types_together_by_one_timeout) {
  Lab lab;
  lab.lookup("a.test");
  lab.pass(4s);
  lab.answer("a.test A", servfail());
  lab.pass(1s);
  EXPECT_EQ(lab.published(), Strings{"0 a.test failed server_failure"});
}

TEST(NameTable, waits_for_ever_when_the_timeout_is_zero) {
  Lab lab({.query_timeout = 0s});
  lab.lookup("a.test");
  lab.pass(24h);
  EXPECT_EQ(lab.published(), Strings{});
  EXPECT_TRUE(lab.open("a.test A"));
}

TEST(NameTable, ignores_the_answer_to_a_query_it_gave_up) {
  Lab lab({.family = LookupFamily::v4_only});
  lab.lookup("a.test");
  lab.pass(5s);
  lab.published();
  lab.table.answered(1, addresses({"6.6.6.6"}), lab.now);
  lab.table.answered(99, addresses({"6.6.6.6"}), lab.now);
  EXPECT_TRUE(lab.table.take_commands().empty());
  EXPECT_EQ(lab.lookup("a.test"), "failed resolve_timeout");
}

TEST(NameTable, serves_stale_addresses_while_the_servers_fail) {
  Lab lab({.host_ttl = 24h});
  lab.lookup("a.test");
  lab.answer("a.test A", addresses({"10.0.0.1"}, 10s));
  lab.pass(10s);
  EXPECT_EQ(lab.lookup("a.test"), "asks");
  lab.answer("a.test A", servfail());
  EXPECT_EQ(lab.sent(), (Strings{"a.test A", "a.test A"}));  // no AAAA: old IPv4 is better
  EXPECT_EQ(lab.published().back(), "0 a.test stale 10.0.0.1");
  EXPECT_EQ(lab.lookup("a.test"), "stale 10.0.0.1");
  lab.pass(1s);  // after the pause it is asked again by itself, as it is in use
  EXPECT_EQ(lab.sent(), Strings{"a.test A"});
  EXPECT_EQ(lab.lookup("a.test"), "stale 10.0.0.1");
  lab.answer("a.test A", addresses({"10.0.0.2"}, 10s));
  EXPECT_EQ(lab.lookup("a.test"), "10.0.0.2");
}

TEST(NameTable, never_uses_addresses_older_than_the_longest_staleness) {
  Lab lab({.host_ttl = 24h, .stale_max = 10min});
  lab.lookup("a.test");
  lab.answer("a.test A", addresses({"10.0.0.1"}, 10s));
  const SteadyTime end = lab.now + 10s + 10min;
  lab.pass(10s);
  lab.lookup("a.test");
  while (lab.now < end) {
    if (lab.open("a.test A")) lab.answer("a.test A", servfail());
    if (lab.open("a.test AAAA")) lab.answer("a.test AAAA", servfail());
    ASSERT_EQ(lab.lookup("a.test"), "stale 10.0.0.1") << (end - lab.now).count();
    ASSERT_LE(lab.table.lookup("a.test", 0, lab.now)->expires, end);
    lab.pass(1s);
  }
  const std::string after = lab.lookup("a.test");
  EXPECT_TRUE(after == "asks" || after == "failed server_failure") << after;
}

TEST(NameTable, serves_stale_addresses_at_once_to_a_late_comer_and_asks_again) {
  Lab lab({.host_ttl = 24h});
  lab.lookup("a.test");
  lab.answer("a.test A", addresses({"10.0.0.1"}, 10s));
  lab.pass(10s);
  lab.lookup("a.test");
  lab.answer("a.test A", servfail());
  lab.sent();
  lab.pass(5min);  // nobody used it
  lab.sent();
  EXPECT_EQ(lab.lookup("a.test"), "stale 10.0.0.1");
  EXPECT_EQ(lab.sent(), Strings{"a.test A"});
}

TEST(NameTable, withdraws_addresses_when_the_name_is_gone) {
  for (const bool gone : {true, false}) {
    Lab lab({.family = LookupFamily::all});
    lab.lookup("a.test");
    lab.answer("a.test A", addresses({"10.0.0.1"}, 10s));
    lab.answer("a.test AAAA", addresses({"::2"}, 10s));
    lab.pass(10s);
    lab.lookup("a.test");
    lab.answer("a.test A", gone ? no_name() : no_records());
    lab.answer("a.test AAAA", gone ? no_name() : no_records());
    EXPECT_EQ(lab.lookup("a.test"), gone ? "failed name_does_not_exist" : "failed no_records");
  }
  Lab preferred;
  preferred.lookup("a.test");
  preferred.answer("a.test A", no_records());
  preferred.answer("a.test AAAA", addresses({"::2"}, 10s));
  preferred.pass(10s);
  preferred.lookup("a.test");
  preferred.answer("a.test A", no_name());
  EXPECT_EQ(preferred.lookup("a.test"), "failed name_does_not_exist");
}

TEST(NameTable, keeps_one_familys_old_addresses_when_only_its_query_fails) {
  Lab lab({.family = LookupFamily::all});
  lab.lookup("a.test");
  lab.answer("a.test A", addresses({"10.0.0.1"}, 10s));
  lab.answer("a.test AAAA", addresses({"::2"}, 10s));
  lab.pass(10s);
  lab.lookup("a.test");
  lab.answer("a.test A", servfail());
  lab.answer("a.test AAAA", addresses({"::3"}, 10s));
  EXPECT_EQ(lab.lookup("a.test"), "::3 10.0.0.1");
}

TEST(NameTable, shows_a_change_of_addresses_by_the_generation) {
  Lab lab;
  const auto refresh = [&lab](Answer answer) {
    lab.used("a.test");
    lab.pass(10s);
    if (!lab.open("a.test A")) lab.lookup("a.test");
    lab.answer("a.test A", std::move(answer));
    return lab.last["a.test"].addresses->generation;
  };
  lab.lookup("a.test");
  lab.answer("a.test A", addresses({"10.0.0.1", "10.0.0.2"}, 10s));
  const uint64_t first = lab.last["a.test"].addresses->generation;
  EXPECT_EQ(refresh(addresses({"10.0.0.2", "10.0.0.1"}, 10s)), first);  // rotated, the same set
  const uint64_t second = refresh(addresses({"10.0.0.2"}, 10s));
  EXPECT_GT(second, first);
  EXPECT_FALSE(lab.last["a.test"].addresses->contains(*IpAddress::parse("10.0.0.1")));
  EXPECT_EQ(lab.table.stats().host_address_changed, 2u);
}

TEST(NameTable, forgets_names_that_nobody_uses) {
  Lab lab({.ttl_min = 1h, .host_ttl = 5min});
  lab.lookup("a.test");
  lab.answer("a.test A", addresses({"10.0.0.1"}));
  lab.pass(4min);
  lab.used("a.test");
  lab.pass(5min - 1ms);
  EXPECT_EQ(lab.table.size(), 1u);
  lab.pass(1ms);
  EXPECT_EQ(lab.table.size(), 0u);
  EXPECT_EQ(lab.table.stats().host_removed, 1u);
  EXPECT_EQ(lab.table.next_turn(), SteadyTime::max());
}

TEST(NameTable, forgets_the_least_recently_used_name_when_full) {
  Lab lab({.hosts_max = 2});
  for (const char* name : {"a.test", "b.test"}) {
    lab.lookup(name);
    lab.answer(fmt::format("{} A", name), addresses({"10.0.0.1"}));
  }
  lab.used("a.test");
  EXPECT_EQ(lab.lookup("c.test"), "asks");
  EXPECT_EQ(lab.lookup("b.test"), "10.0.0.1");  // c.test may yet be nothing
  lab.used("a.test");
  lab.answer("c.test A", addresses({"10.0.0.3"}));
  EXPECT_EQ(lab.table.size(), 2u);
  EXPECT_EQ(lab.lookup("a.test"), "10.0.0.1");
  EXPECT_EQ(lab.lookup("c.test"), "10.0.0.3");
  EXPECT_EQ(lab.lookup("b.test"), "asks");
}

TEST(NameTable, gives_up_no_name_with_addresses_for_strangers) {
  Lab lab({.query_timeout = 5s, .hosts_max = 2});
  for (const char* name : {"a.test", "b.test"}) {
    lab.lookup(name);
    lab.answer(fmt::format("{} A", name), addresses({"10.0.0.1"}, 1h));
  }
  for (int i = 0; i < 200; ++i) {  // silent, unknown, refused: nothing that has an address
    const std::string name = fmt::format("x{}.test", i);
    if (lab.lookup(name) == "asks" && i % 3 == 1) lab.answer(name + " A", no_name());
    if (i % 10 == 0) lab.pass(1s);
    EXPECT_LE(lab.table.size(), 4u);
  }
  EXPECT_GT(lab.table.stats().host_overflow, 0u);
  EXPECT_EQ(lab.lookup("a.test"), "10.0.0.1");
  EXPECT_EQ(lab.lookup("b.test"), "10.0.0.1");
}

TEST(NameTable, has_a_place_for_a_name_in_use_though_strangers_have_taken_theirs) {
  Lab lab({.hosts_max = 2});
  lab.lookup("x.test");
  lab.lookup("y.test");
  EXPECT_EQ(lab.lookup("a.test"), "failed table_full");
  EXPECT_EQ(lab.lookup("a.test", 0, Standing::in_use), "asks");
  EXPECT_EQ(lab.standings["x.test"], Standing::stranger);
  EXPECT_EQ(lab.standings["a.test"], Standing::in_use);
  EXPECT_EQ(lab.lookup("b.test", 0, Standing::in_use), "asks");
  EXPECT_EQ(lab.lookup("c.test", 0, Standing::in_use), "failed table_full");  // there is an end
}

TEST(NameTable, asks_again_for_a_resolved_name_with_the_standing_of_a_name_in_use) {
  Lab lab;
  lab.lookup("a.test");
  EXPECT_EQ(lab.standings["a.test"], Standing::stranger);
  lab.answer("a.test A", addresses({"10.0.0.1"}, 100s));
  lab.used("a.test");
  lab.pass(90s);
  EXPECT_EQ(lab.sent(), (Strings{"a.test A", "a.test A"}));
  EXPECT_EQ(lab.standings["a.test"], Standing::in_use);
}

TEST(NameTable, counts_a_name_that_lost_its_addresses_among_the_strangers) {
  Lab lab({.ttl_min = 1s, .hosts_max = 1});
  lab.lookup("a.test");
  lab.answer("a.test A", addresses({"10.0.0.1"}, 1s));
  lab.pass(2s);
  lab.lookup("a.test");
  lab.answer("a.test A", no_name());
  EXPECT_EQ(lab.lookup("b.test"), "asks");  // in the place of a.test
  EXPECT_EQ(lab.table.size(), 1u);
}

TEST(NameTable, recalls_only_what_is_at_hand) {
  Lab lab;
  EXPECT_FALSE(lab.table.recall("a.test", 0, lab.now));
  lab.lookup("a.test");
  EXPECT_FALSE(lab.table.recall("a.test", 0, lab.now));
  lab.answer("a.test A", addresses({"10.0.0.1"}, 100s));
  EXPECT_TRUE(lab.table.recall("a.test", 0, lab.now));
  lab.pass(101s);
  EXPECT_FALSE(lab.table.recall("a.test", 0, lab.now));
}

TEST(NameTable, overflows_only_when_every_stranger_has_waiters) {
  Lab lab({.hosts_max = 2});
  lab.lookup("a.test");
  lab.lookup("b.test");
  EXPECT_EQ(lab.lookup("c.test"), "failed table_full");
  EXPECT_EQ(lab.table.stats().host_overflow, 1u);
  lab.answer("b.test A", addresses({"10.0.0.1"}));
  EXPECT_EQ(lab.lookup("c.test"), "asks");
  lab.published();
  lab.answer("a.test A", addresses({"10.0.0.1"}));  // was never in danger
  EXPECT_EQ(lab.published(), Strings{"0 a.test 10.0.0.1"});
}

TEST(NameTable, takes_back_the_query_of_a_name_it_forgets) {
  Lab lab({.hosts_max = 1});
  lab.lookup("a.test");
  lab.answer("a.test A", addresses({"10.0.0.1"}, 10s));
  lab.used("a.test");
  lab.pass(9s);  // asking again, nobody waits
  EXPECT_TRUE(lab.open("a.test A"));
  EXPECT_EQ(lab.lookup("b.test"), "asks");
  lab.answer("b.test A", addresses({"10.0.0.2"}, 10s));
  EXPECT_EQ(lab.cancelled().size(), 1u);
  EXPECT_EQ(lab.lookup("c.test"), "asks");
  lab.table.forget("c.test", lab.now);
  EXPECT_EQ(lab.table.size(), 1u);
  const auto commands = lab.table.take_commands();
  ASSERT_EQ(commands.size(), 2u);
  EXPECT_EQ(std::get<Publish>(commands[0]).state.failure, NameFailure::server_failure);
  EXPECT_TRUE(std::holds_alternative<CancelQuery>(commands[1]));
}

TEST(NameTable, keeps_slow_names_from_delaying_others) {
  Lab lab({.hosts_max = 10000});
  for (int i = 0; i < 5000; ++i) lab.lookup(fmt::format("slow{}.test", i));
  lab.sent();
  EXPECT_EQ(lab.lookup("a.test"), "asks");
  EXPECT_EQ(lab.sent(), Strings{"a.test A"});
  lab.answer("a.test A", addresses({"10.0.0.1"}));
  EXPECT_EQ(lab.published(), Strings{"0 a.test 10.0.0.1"});
}

TEST(NameTable, counts_as_envoy_does) {
  Lab lab;
  lab.lookup("a.test");
  lab.answer("a.test A", addresses({"10.0.0.1"}));
  lab.lookup("b.test");
  lab.answer("b.test A", no_records());
  lab.answer("b.test AAAA", no_records());
  const NameStats& stats = lab.table.stats();
  EXPECT_EQ(stats.query_attempt, 2u);
  EXPECT_EQ(stats.query_success, 1u);
  EXPECT_EQ(stats.query_failure, 1u);
  EXPECT_EQ(stats.query_timeout, 0u);
  EXPECT_EQ(stats.host_added, 2u);
  EXPECT_EQ(stats.host_address_changed, 1u);
  EXPECT_EQ(lab.table.rows().size(), 2u);
}

TEST(LookupFamily, has_gloos_words) {
  for (const char* word : {"V4_PREFERRED", "V4_ONLY", "V6_ONLY", "AUTO", "ALL"})
    EXPECT_EQ(lookup_family_word(*parse_lookup_family(word)), word);
  for (const char* wrong : {"", "auto", "V4", "V6_PREFERRED"}) EXPECT_FALSE(parse_lookup_family(wrong)) << wrong;
}

}  // namespace
}  // namespace sluice::dns
