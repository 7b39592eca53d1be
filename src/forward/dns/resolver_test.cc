#include "forward/dns/resolver.h"

#include <gtest/gtest.h>

#include <fstream>
#include <thread>

#include "forward/dns/testing.h"

namespace sluice {
namespace {

using dns::LookupFamily;
using dns::Rcode;

// A request that waits for a name.
struct Request {
  Request(ResolverView& view, std::string name) { runner.start(run(view, std::move(name))); }
  Task<void> run(ResolverView& view, std::string name) {
    auto resolving = view.here().resolve(name);
    state = co_await resolving;
    co_return Status{};
  }
  std::string text() const {
    if (!state) return "waits";
    if (!*state) return "error " + state->error().message;
    if (!(*state)->addresses) return "failed " + std::string(failure_word((*state)->failure));
    std::string out;
    for (const IpAddress& address : (*state)->addresses->addresses)
      out += (out.empty() ? "" : " ") + address.to_string();
    return out;
  }

  std::optional<Result<NameState>> state;
  Runner runner{this, [](void*, Result<void>) {}};
};

// Some workers and a DNS server in one thread, on clocks turned by hand.
class ResolverTest : public testing::Test {
 protected:
  void open(unsigned workers = 1, ResolverConfig config = {}) {
    for (unsigned i = 0; i <= workers; ++i) {
      loops.push_back(std::make_unique<Loop>());
      loops.back()->use_manual_clock(SteadyTime(1000s), WallTime(0s));
    }
    std::vector<Loop*> of_workers;
    for (unsigned i = 0; i < workers; ++i) of_workers.push_back(loops[i].get());
    server = std::make_unique<FakeDns>(
        *loops.back(), [](const DnsQuestion& q) { return std::vector{q.addresses({"10.0.0.1"}, 100)}; });
    metrics.emplace(workers + 1);
    owned.emplace(of_workers);
    pool = std::make_unique<ResolverPool>(*owned, 64, &*metrics);
    config.servers.list = {{server->endpoint()}};
    view = pool->make(std::move(config));
  }
  void TearDown() override {
    view.reset();
    flow();
    server.reset();
    pool.reset();
    owned.reset();
    worker_index = 0;
  }

  void as_worker(unsigned worker) { worker_index = worker; }
  void turn_all() {
    for (unsigned i = 0; i < loops.size(); ++i) {
      as_worker(i);
      loops[i]->turn(i + 1 == loops.size() ? 1ms : 0ms);
    }
    as_worker(0);
  }
  // Lets bytes and messages flow, all loops in turn.
  void flow() {
    for (int round = 0; round < 12; ++round) turn_all();
  }
  void pass(Nanos by) {
    for (unsigned i = 0; i < loops.size(); ++i) {
      as_worker(i);
      loops[i]->advance(by);
    }
    flow();
  }
  std::string ask(std::string_view name, unsigned worker = 0) {
    as_worker(worker);
    Request request(*view, std::string(name));
    for (int i = 0; i < 200 && !request.state; ++i) turn_all();
    if (!request.state) request.runner.cancel();
    as_worker(0);
    return request.text();
  }
  std::string cached(std::string_view name, unsigned worker = 0) {
    as_worker(worker);
    const AddressSet* set = view->here().cached(name);
    as_worker(0);
    return set ? set->addresses.front().to_string() : "none";
  }
  // A name that the worker owns.
  std::string name_of(unsigned worker, int number = 0) {
    for (int i = 0;; ++i) {
      std::string name = fmt::format("n{}x{}.test", number, i);
      if (std::hash<std::string_view>{}(name) / 7 % (loops.size() - 1) == worker) return name;
    }
  }

  std::vector<std::unique_ptr<Loop>> loops;  // the last is the DNS server's
  std::optional<Metrics> metrics;
  std::unique_ptr<FakeDns> server;
  std::optional<OwnedLoops> owned;
  std::unique_ptr<ResolverPool> pool;
  std::shared_ptr<ResolverView> view;
};

TEST_F(ResolverTest, asks_once_for_a_thousand_that_wait) {
  open();
  std::vector<std::unique_ptr<Request>> requests;
  for (int i = 0; i < 1000; ++i) requests.push_back(std::make_unique<Request>(*view, "a.test"));
  EXPECT_EQ(requests.back()->text(), "waits");
  flow();
  for (const auto& request : requests) ASSERT_EQ(request->text(), "10.0.0.1");
  EXPECT_EQ(server->seen, std::vector<std::string>{"a.test A"});
}

TEST_F(ResolverTest, answers_from_memory_until_the_ttl_has_passed) {
  open();
  server->handler = [](const DnsQuestion& q) { return std::vector{q.addresses({"10.0.0.1"}, 0)}; };
  EXPECT_EQ(cached("a.test"), "none");
  EXPECT_EQ(ask("a.test"), "10.0.0.1");
  EXPECT_EQ(cached("a.test"), "10.0.0.1");
  EXPECT_EQ(ask("a.test"), "10.0.0.1");
  pass(4s);
  EXPECT_EQ(cached("a.test"), "10.0.0.1");
  EXPECT_EQ(server->seen.size(), 1u);  // a TTL of 0 holds for the floor of 5 s
  server->handler = [](const DnsQuestion& q) { return std::vector{q.addresses({"10.0.0.2"}, 60)}; };
  pass(1s);  // refreshed at 85 %, as it was in use
  EXPECT_EQ(cached("a.test"), "10.0.0.2");
  EXPECT_EQ(server->seen.size(), 2u);
  pass(60s);
  EXPECT_EQ(cached("a.test"), "10.0.0.2");
  pass(60s);  // nobody used it meanwhile
  pass(60s);
  EXPECT_EQ(cached("a.test"), "none");
}

TEST_F(ResolverTest, keeps_slow_names_from_delaying_others) {
  open();
  server->handler = [](const DnsQuestion& q) {
    return q.name.starts_with("slow") ? std::vector<dns::MessageBuilder>{} : std::vector{q.addresses({"10.0.0.1"})};
  };
  std::vector<std::unique_ptr<Request>> slow;
  for (int i = 0; i < 200; ++i) slow.push_back(std::make_unique<Request>(*view, fmt::format("slow{}.test", i)));
  EXPECT_EQ(ask("a.test"), "10.0.0.1");
  EXPECT_EQ(slow.front()->text(), "waits");
  pass(5s);
  for (const auto& request : slow) ASSERT_EQ(request->text(), "failed resolve_timeout");
  EXPECT_EQ(cached("a.test"), "10.0.0.1");
}

TEST_F(ResolverTest, does_not_ask_during_the_pause_after_a_failure) {
  open();
  server->handler = [](const DnsQuestion& q) { return std::vector{q.failure(Rcode::server_failure)}; };
  EXPECT_EQ(ask("a.test"), "failed server_failure");
  const size_t asked = server->seen.size();
  EXPECT_EQ(ask("a.test"), "failed server_failure");
  EXPECT_EQ(cached("a.test"), "none");
  EXPECT_EQ(server->seen.size(), asked);
  server->handler = [](const DnsQuestion& q) { return std::vector{q.addresses({"10.0.0.1"})}; };
  pass(1s);
  EXPECT_EQ(ask("a.test"), "10.0.0.1");
}

TEST_F(ResolverTest, remembers_that_there_is_no_such_name) {
  open();
  server->handler = [](const DnsQuestion& q) {
    return std::vector{q.answer(0, dns::kAnswerFlags | 3, 1).soa("test", 30, 30)};
  };
  EXPECT_EQ(ask("a.test"), "failed name_does_not_exist");
  pass(29s);
  EXPECT_EQ(ask("a.test"), "failed name_does_not_exist");
  EXPECT_EQ(server->seen, std::vector<std::string>{"a.test A"});
}

TEST_F(ResolverTest, takes_addresses_over_tcp_when_they_do_not_fit_a_datagram) {
  open();
  server->handler = [](const DnsQuestion& q) { return std::vector{q.tcp ? q.addresses({"10.0.0.9"}) : q.truncated()}; };
  EXPECT_EQ(ask("a.test"), "10.0.0.9");
}

TEST_F(ResolverTest, sends_nothing_for_a_name_that_no_query_can_carry) {
  open();
  EXPECT_EQ(ask(".mypaas.test"), "failed invalid_name");
  EXPECT_TRUE(server->seen.empty());
}

TEST_F(ResolverTest, lets_the_hosts_file_beat_the_servers) {
  ResolverConfig config{.names = {.family = LookupFamily::v4_preferred}};
  config.hosts["a.test"] = {*IpAddress::parse("::1"), *IpAddress::parse("127.0.0.1")};
  config.hosts["six.test"] = {*IpAddress::parse("::6")};
  open(1, config);
  EXPECT_EQ(ask("a.test"), "127.0.0.1");
  EXPECT_EQ(cached("a.test"), "127.0.0.1");
  EXPECT_EQ(ask("six.test"), "::6");
  EXPECT_TRUE(server->seen.empty());
}

TEST_F(ResolverTest, keeps_the_addresses_of_a_name_from_the_hosts_file_while_it_is_checked) {
  ResolverConfig config;
  config.hosts["a.test"] = {*IpAddress::parse("127.0.0.1")};
  open(1, config);
  const auto generation = [&] { return view->here().cached("a.test")->generation; };
  EXPECT_EQ(ask("a.test"), "127.0.0.1");
  const uint64_t before = generation();
  std::vector<uint64_t> checked;
  for (int i = 0; i < 2; ++i)
    view->check("a.test", [&](const NameState& state) { checked.push_back(state.addresses->generation); });
  flow();
  EXPECT_EQ(checked, (std::vector{before, before}));
  EXPECT_EQ(generation(), before);
}

TEST_F(ResolverTest, finds_no_records_when_the_hosts_file_has_only_the_other_family) {
  ResolverConfig config{.names = {.family = LookupFamily::v6_only}};
  config.hosts["a.test"] = {*IpAddress::parse("127.0.0.1")};
  open(1, config);
  EXPECT_EQ(ask("a.test"), "failed no_records");
}

TEST_F(ResolverTest, lets_a_waiting_request_go_away) {
  open();
  auto gone = std::make_unique<Request>(*view, "a.test");
  Request stays(*view, "a.test");
  const auto waiting = [&] { return metrics->metric({"sluice_dns_requests_waiting", ""})->value(); };
  EXPECT_EQ(waiting(), 2);
  gone->runner.cancel();
  EXPECT_EQ(gone->text(), "error cancelled");
  gone.reset();
  EXPECT_EQ(waiting(), 1);
  flow();
  EXPECT_EQ(stays.text(), "10.0.0.1");
  EXPECT_EQ(waiting(), 0);
}

TEST_F(ResolverTest, lets_a_request_go_away_that_was_told_but_has_not_resumed) {
  open();
  auto gone = std::make_unique<Request>(*view, "a.test");
  // the answer arrives in the loop's own turn, so cancel from the first request that resumes
  struct Canceller {
    Task<void> run(ResolverView& v, Request& victim) {
      auto resolving = v.here().resolve("a.test");
      CO_TRY(co_await resolving);
      victim.runner.cancel();
      co_return Status{};
    }
    Runner runner{this, [](void*, Result<void>) {}};
  } canceller;
  canceller.runner.start(canceller.run(*view, *gone));
  flow();
  EXPECT_FALSE(canceller.runner.running());
  EXPECT_EQ(gone->text(), "error cancelled");
}

TEST_F(ResolverTest, refuses_more_waiting_requests_than_the_limit_but_never_cached_names) {
  open(1, {.pending_max = 3});
  EXPECT_EQ(ask("known.test"), "10.0.0.1");
  server->handler = {};
  std::vector<std::unique_ptr<Request>> slow;
  for (int i = 0; i < 3; ++i) slow.push_back(std::make_unique<Request>(*view, "slow.test"));
  EXPECT_EQ(Request(*view, "slow.test").text(), "failed too_many_pending");
  EXPECT_EQ(Request(*view, "other.test").text(), "failed too_many_pending");
  EXPECT_EQ(Request(*view, "known.test").text(), "10.0.0.1");
  EXPECT_EQ(pool->stats_of_this_worker().pending_overflow, 2u);
  pass(5s);
  server->handler = [](const DnsQuestion& q) { return std::vector{q.addresses({"10.0.0.1"})}; };
  EXPECT_EQ(ask("other.test"), "10.0.0.1");
}

TEST_F(ResolverTest, keeps_known_names_apart_from_strangers_that_wait) {
  open(2, {.names = {.ttl_min = 1s, .hosts_max = 8}, .pending_max = 4});
  const std::string known = name_of(1, 1), expired = name_of(1, 2);
  EXPECT_EQ(ask(expired, 1), "10.0.0.1");
  pass(101s);
  EXPECT_EQ(ask(known, 1), "10.0.0.1");
  server->handler = [](const DnsQuestion& q) {
    return q.name.starts_with("x") ? std::vector<dns::MessageBuilder>{} : std::vector{q.addresses({"10.0.0.2"})};
  };
  std::vector<std::unique_ptr<Request>> strangers;
  as_worker(1);
  for (int i = 0; i < 40; ++i) strangers.push_back(std::make_unique<Request>(*view, fmt::format("x{}.test", i % 20)));
  flow();
  EXPECT_EQ(std::ranges::count(strangers, "waits", &Request::text), 4);
  EXPECT_EQ(std::ranges::count(strangers, "failed too_many_pending", &Request::text), 36);
  EXPECT_EQ(ask(expired, 1), "10.0.0.2");  // waits with its like
  EXPECT_EQ(ask(known, 0), "10.0.0.1");    // a stranger there, though not to its owner
  EXPECT_EQ(ask("other.test"), "failed too_many_pending");
  pass(5s);
}

TEST_F(ResolverTest, keeps_what_it_knows_when_thousands_of_names_fail) {
  open(1, {.names = {.hosts_max = 8}});
  EXPECT_EQ(ask("hot.test"), "10.0.0.1");
  server->handler = [](const DnsQuestion& q) { return std::vector{q.failure(Rcode::name_does_not_exist)}; };
  for (int i = 0; i < 200; ++i) ask(fmt::format("x{}.test", i));
  EXPECT_EQ(cached("hot.test"), "10.0.0.1");
  EXPECT_LE(view->here().table().size(), 16u);
}

TEST_F(ResolverTest, overflows_only_when_all_names_have_waiters) {
  open(1, {.names = {.hosts_max = 2}});
  server->handler = [](const DnsQuestion& q) {
    return q.name.starts_with("slow") ? std::vector<dns::MessageBuilder>{} : std::vector{q.addresses({"10.0.0.1"})};
  };
  EXPECT_EQ(ask("a.test"), "10.0.0.1");
  EXPECT_EQ(ask("b.test"), "10.0.0.1");
  EXPECT_EQ(ask("c.test"), "10.0.0.1");  // one of the others was forgotten
  Request one(*view, "slow1.test"), two(*view, "slow2.test");
  EXPECT_EQ(ask("d.test"), "failed table_full");
  EXPECT_EQ(pool->stats_of_this_worker().names.host_overflow, 1u);
  pass(5s);
  EXPECT_EQ(one.text(), "failed resolve_timeout");
  EXPECT_EQ(ask("d.test"), "10.0.0.1");
}

TEST_F(ResolverTest, keeps_names_in_use_when_many_others_come_once) {
  open(1, {.names = {.hosts_max = 64}});
  EXPECT_EQ(ask("hot.test"), "10.0.0.1");
  for (int i = 0; i < 300; ++i) {
    ASSERT_EQ(ask(fmt::format("cold{}.test", i)), "10.0.0.1");
    ASSERT_EQ(cached("hot.test"), "10.0.0.1");
  }
  EXPECT_EQ(server->count("hot.test A"), 1u);
  EXPECT_LE(view->here().table().size(), 64u);
}

TEST_F(ResolverTest, asks_once_for_all_workers) {
  open(3);
  const std::string name = name_of(2);
  std::vector<std::unique_ptr<Request>> requests;
  for (unsigned worker = 0; worker < 3; ++worker) {
    as_worker(worker);
    for (int i = 0; i < 100; ++i) requests.push_back(std::make_unique<Request>(*view, name));
  }
  flow();
  for (const auto& request : requests) ASSERT_EQ(request->text(), "10.0.0.1");
  EXPECT_EQ(server->seen.size(), 1u);
  for (unsigned worker = 0; worker < 3; ++worker) EXPECT_EQ(cached(name, worker), "10.0.0.1");
}

TEST_F(ResolverTest, refreshes_for_the_workers_that_used_the_name) {
  open(2);
  const std::string name = name_of(1);
  as_worker(1);
  Request of_one(*view, name);
  EXPECT_EQ(ask(name, 0), "10.0.0.1");
  EXPECT_EQ(of_one.text(), "10.0.0.1");
  EXPECT_EQ(server->seen.size(), 1u);
  const uint64_t before = view->here().cached(name)->generation;  // worker 0 says that it used it
  flow();
  server->handler = [](const DnsQuestion& q) { return std::vector{q.addresses({"10.0.0.2"}, 100)}; };
  pass(86s);
  EXPECT_EQ(server->seen.size(), 2u);
  EXPECT_EQ(cached(name, 0), "10.0.0.2");
  EXPECT_GT(view->here().cached(name)->generation, before);
  EXPECT_EQ(cached(name, 1), "10.0.0.1");  // did not use it, was not told; good until its TTL ends
  pass(15s);
  EXPECT_EQ(cached(name, 1), "none");
  EXPECT_EQ(ask(name, 1), "10.0.0.2");
  EXPECT_EQ(server->seen.size(), 2u);  // the owner knew
}

TEST_F(ResolverTest, tells_what_the_owner_learns_of_a_name_that_is_checked) {
  open(2);
  server->handler = [](const DnsQuestion& q) { return std::vector{q.failure(Rcode::name_does_not_exist)}; };
  const std::string name = name_of(1);
  std::vector<std::pair<unsigned, NameFailure>> heard;
  const auto check = [&] {
    view->check(name, [&](const NameState& state) { heard.emplace_back(worker_index, state.failure); });
  };
  check();
  check();
  flow();
  check();  // at hand now
  flow();
  EXPECT_EQ(heard, (std::vector(3, std::pair(1U, NameFailure::name_does_not_exist))));
  EXPECT_EQ(server->count(name + " A"), 1u);
}

TEST_F(ResolverTest, resolves_alone_when_the_owner_does_not_keep_up) {
  open(2, {.pending_max = 10000});
  std::vector<std::unique_ptr<Request>> requests;
  for (size_t i = 0; i < Resolver::kAskedMax; ++i)
    requests.push_back(std::make_unique<Request>(*view, name_of(1, static_cast<int>(i))));
  const std::string name = name_of(1, 99999);
  Request alone(*view, name);
  for (int i = 0; i < 20 && !alone.state; ++i)  // the owner's loop stands still
    for (const unsigned loop : {0u, 2u}) loops[loop]->turn(1ms);
  EXPECT_EQ(alone.text(), "10.0.0.1");
  EXPECT_EQ(requests.front()->text(), "waits");
  flow();
  for (int i = 0; i < 3; ++i) pass(1s);  // so many at once: the server's socket dropped some
  for (const auto& request : requests) EXPECT_EQ(request->text(), "10.0.0.1");
}

TEST_F(ResolverTest, ends_a_views_part_on_every_worker_when_nobody_holds_it) {
  open(2);
  EXPECT_EQ(ask(name_of(0), 0), "10.0.0.1");
  EXPECT_EQ(ask(name_of(1), 0), "10.0.0.1");
  server->handler = {};
  auto leaves = std::make_unique<Request>(*view, name_of(1, 7));
  flow();
  leaves->runner.cancel();  // its query goes on
  for (unsigned worker = 0; worker < 2; ++worker) {
    as_worker(worker);
    EXPECT_EQ(pool->rows_of_this_worker().size(), worker == 0 ? 1u : 2u);
  }
  as_worker(0);
  view.reset();
  flow();
  for (unsigned worker = 0; worker < 2; ++worker) {
    as_worker(worker);
    EXPECT_TRUE(pool->rows_of_this_worker().empty());
    EXPECT_EQ(pool->stats_of_this_worker().names.host_added, worker == 0 ? 1u : 2u);  // counters never go back
  }
}

TEST_F(ResolverTest, asks_once_for_workers_on_threads_of_their_own) {
  constexpr unsigned kWorkers = 3;
  Loop server_loop;
  FakeDns dns(server_loop, [](const DnsQuestion& q) { return std::vector{q.addresses({"10.0.0.1"})}; });
  std::vector<std::unique_ptr<Loop>> worker_loops;
  std::vector<Loop*> pointers;
  for (unsigned i = 0; i < kWorkers; ++i) pointers.push_back(worker_loops.emplace_back(std::make_unique<Loop>()).get());
  const OwnedLoops threads_loops(pointers);
  ResolverPool threads_pool(threads_loops);
  ResolverConfig config;
  config.servers.list = {{dns.endpoint()}};
  auto shared_view = threads_pool.make(std::move(config));

  constexpr int kNames = 40;
  std::atomic<unsigned> finished{0};
  std::atomic<unsigned> wrong{0};
  std::vector<std::thread> threads;
  for (unsigned worker = 0; worker < kWorkers; ++worker)
    threads.emplace_back([&, worker] {
      worker_index = worker;
      Loop& loop = *worker_loops[worker];
      std::vector<std::unique_ptr<Request>> requests;
      for (int i = 0; i < kNames * 5; ++i)
        requests.push_back(std::make_unique<Request>(*shared_view, fmt::format("n{}.test", i % kNames)));
      const auto waits = [&] {
        return std::ranges::any_of(requests, [](const auto& request) { return !request->state; });
      };
      while (waits()) loop.turn(10ms);
      for (const auto& request : requests) wrong += request->text() != "10.0.0.1";
      ++finished;
      while (finished < kWorkers) loop.turn(1ms);  // others may ask this owner still
    });
  while (finished < kWorkers) server_loop.turn(10ms);
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(wrong, 0u);
  for (int i = 0; i < kNames; ++i) EXPECT_EQ(dns.count(fmt::format("n{}.test A", i)), 1u) << i;
  shared_view.reset();
}

TEST(ResolverConfig, has_one_key_for_equal_content) {
  const ResolverConfig plain;
  EXPECT_EQ(plain.key(), ResolverConfig().key());
  std::vector<ResolverConfig> others(9);
  others[0].servers.list = {{*Endpoint::parse("127.0.0.1:53")}};
  others[1].servers.list = {{*Endpoint::parse("127.0.0.1:53"), DnsProtocol::tcp}};
  others[2].servers.patience = 2s;
  others[3].names.family = LookupFamily::all;
  others[4].names.query_timeout = 1s;
  others[5].names.hosts_max = 7;
  others[6].pending_max = 7;
  others[7].hosts["a"] = {IpAddress::v4(1)};
  others[8].hosts["a"] = {IpAddress::v4(2)};
  std::set<std::string> keys{plain.key()};
  for (const ResolverConfig& other : others) keys.insert(other.key());
  EXPECT_EQ(keys.size(), 10u);
}

TEST(ResolverConfig, stays_as_it_was_when_a_file_of_the_system_cannot_be_read) {
  ResolverConfig config;
  config.servers.list = {{{IpAddress::v4(10, 0, 0, 1), 53}}};
  EXPECT_FALSE(use_system_files(config, "/dev/null/below", "/etc/hosts"));  // ENOTDIR, as EMFILE cannot be had here
  EXPECT_FALSE(use_system_files(config, "/etc/resolv.conf", "/dev/null/below"));
  EXPECT_EQ(config.servers.list.front().endpoint.to_string(), "10.0.0.1:53");
  EXPECT_TRUE(use_system_files(config, "/nonexistent", "/nonexistent"));
  EXPECT_EQ(config.servers.list.front().endpoint.to_string(), "127.0.0.1:53");
}

TEST(ResolverConfig, takes_the_systems_servers_and_hosts) {
  const std::string folder = testing::TempDir();
  std::ofstream(folder + "/resolv.conf") << "nameserver 10.0.0.53\nnameserver ::53\n";
  std::ofstream(folder + "/hosts") << "10.0.0.9 a.test\n";
  ResolverConfig config;
  use_system_files(config, folder + "/resolv.conf", folder + "/hosts");
  ASSERT_EQ(config.servers.list.size(), 2u);
  EXPECT_EQ(config.servers.list[0].endpoint.to_string(), "10.0.0.53:53");
  EXPECT_EQ(config.hosts.count("a.test"), 1u);
  use_system_files(config, folder + "/absent", folder + "/absent");
  ASSERT_EQ(config.servers.list.size(), 1u);
  EXPECT_EQ(config.servers.list[0].endpoint.to_string(), "127.0.0.1:53");
  EXPECT_TRUE(config.hosts.empty());
}

}  // namespace
}  // namespace sluice
