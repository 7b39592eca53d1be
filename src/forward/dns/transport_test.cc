#include "forward/dns/transport.h"

#include <gtest/gtest.h>

#include <deque>
#include <filesystem>
#include <set>

#include "forward/dns/testing.h"
#include "net/testing.h"

namespace sluice {
namespace {

using dns::Answer;
using dns::Rcode;
using dns::RecordType;

// One loop with a clock turned by hand, the query's side and the servers on it.
class DnsTransport : public testing::Test {
 protected:
  void SetUp() override { loop.use_manual_clock(SteadyTime(1000s), WallTime(0s)); }

  struct Ask {
    explicit Ask(DnsTransport& t) : test(t) {}
    ~Ask() { runner.cancel(); }
    void start(const DnsServers& servers, std::string name, RecordType type) { runner.start(run(servers, name, type)); }
    Task<void> run(const DnsServers& servers, std::string name, RecordType type) {
      auto asking = ask_servers(test.loop, servers, *sockets, std::move(name), type, standing);
      answer = co_await asking;
      co_return Status{};
    }
    DnsTransport& test;
    DnsSockets* sockets = &test.sockets;
    dns::Standing standing = dns::Standing::stranger;
    std::optional<Result<Answer>> answer;
    Runner runner{this, [](void*, Result<void>) {}};
  };

  std::string text(const Ask& ask) {
    if (!ask.answer) return "waits";
    if (!*ask.answer) return "error " + ask.answer->error().message;
    std::string out = fmt::format("rcode {}", static_cast<int>((*ask.answer)->rcode));
    for (const IpAddress& address : (*ask.answer)->addresses) out += " " + address.to_string();
    return out;
  }
  // Lets bytes flow until the answer is there.
  std::string ask(const DnsServers& servers, std::string name = "a.test", RecordType type = RecordType::a) {
    Ask one(*this);
    one.start(servers, std::move(name), type);
    for (int i = 0; i < 200 && !one.answer; ++i) loop.turn(10ms);
    if (!one.answer) one.runner.cancel();
    return text(one);
  }
  void flow() {
    for (int i = 0; i < 10; ++i) loop.turn(1ms);
  }
  // Asks, and lets the first try's patience pass.
  void begin_second_try(Ask& one, const DnsServers& servers) {
    one.start(servers, "a.test", RecordType::a);
    flow();
    loop.advance(1s);
    flow();
  }

  Loop loop;
  DnsSockets sockets{loop, 32};  // 16 for strangers by UDP, 4 by TCP, 8 and 4 for names in use
};

TEST_F(DnsTransport, asks_over_udp_from_a_fresh_port_with_a_fresh_id) {
  FakeDns server(loop, [](const DnsQuestion& q) { return std::vector{q.addresses({"10.0.0.1"})}; });
  const DnsServers servers{{{server.endpoint()}}};
  for (int i = 0; i < 20; ++i) EXPECT_EQ(ask(servers), "rcode 0 10.0.0.1");
  std::set<uint16_t> ports, ids;
  for (const DnsQuestion& question : server.questions) {
    ports.insert(question.source_port);
    ids.insert(question.id);
  }
  EXPECT_GT(ports.size(), 15u);
  EXPECT_GT(ids.size(), 15u);
}

TEST_F(DnsTransport, passes_over_what_is_no_answer_to_the_query) {
  FakeDns server(loop, [](const DnsQuestion& q) {
    DnsQuestion other_id = q, other_name = q, other_type = q;
    other_id.id ^= 1;
    other_name.name = "b.test";
    other_type.type = RecordType::aaaa;
    dns::MessageBuilder cut = q.addresses({"6.6.6.6"});
    cut.bytes.pop_back();
    return std::vector{dns::MessageBuilder(),
                       other_id.addresses({"6.6.6.6"}),
                       other_name.addresses({"6.6.6.6"}),
                       other_type.addresses({"::6"}),
                       cut,
                       q.addresses({"10.0.0.1"})};
  });
  EXPECT_EQ(ask({{{server.endpoint()}}}), "rcode 0 10.0.0.1");
}

TEST_F(DnsTransport, takes_a_loop_of_cnames_for_the_answer_and_asks_nobody_else) {
  const auto loops = [](const DnsQuestion& q) { return std::vector{q.answer(1).cname(q.name, q.name, 60)}; };
  FakeDns first(loop, loops), second(loop, loops);
  EXPECT_EQ(ask({{{first.endpoint()}, {second.endpoint()}}}), "rcode 0");
  EXPECT_TRUE(second.seen.empty());
}

TEST_F(DnsTransport, asks_over_tcp_when_the_answer_was_truncated) {
  FakeDns server(loop, [](const DnsQuestion& q) {
    return std::vector{q.tcp ? q.addresses({"10.0.0.1", "10.0.0.2"}) : q.truncated()};
  });
  EXPECT_EQ(ask({{{server.endpoint()}}}), "rcode 0 10.0.0.1 10.0.0.2");
  EXPECT_EQ(server.seen, (std::vector<std::string>{"a.test A", "a.test A tcp"}));
}

TEST_F(DnsTransport, asks_over_tcp_only_when_told_so) {
  FakeDns server(loop, [](const DnsQuestion& q) { return std::vector{q.addresses({"10.0.0.1"})}; });
  EXPECT_EQ(ask({{{server.endpoint(), DnsProtocol::tcp}}}), "rcode 0 10.0.0.1");
  EXPECT_EQ(server.seen, std::vector<std::string>{"a.test A tcp"});
}

TEST_F(DnsTransport, takes_what_tcp_brings_only_whole_and_true) {
  FakeDns closes(loop, [](const DnsQuestion&) { return std::vector<dns::MessageBuilder>{}; });
  EXPECT_EQ(ask({{{closes.endpoint(), DnsProtocol::tcp}}}), "error the server closed the connection");
  FakeDns lies(loop, [](const DnsQuestion& q) { return std::vector{q.truncated()}; });
  EXPECT_EQ(ask({{{lies.endpoint(), DnsProtocol::tcp}}}), "error an answer over TCP that says it was cut off");
  FakeDns confused(loop, [](DnsQuestion q) {
    q.id ^= 1;
    return std::vector{q.addresses({"6.6.6.6"})};
  });
  EXPECT_EQ(ask({{{confused.endpoint(), DnsProtocol::tcp}}}), "error the id is another query's");
}

TEST_F(DnsTransport, asks_the_next_server_when_one_fails_or_refuses) {
  for (const Rcode rcode : {Rcode::server_failure, Rcode::refused, Rcode::not_implemented}) {
    FakeDns bad(loop, [rcode](const DnsQuestion& q) { return std::vector{q.failure(rcode)}; });
    FakeDns good(loop, [](const DnsQuestion& q) { return std::vector{q.addresses({"10.0.0.1"})}; });
    EXPECT_EQ(ask({{{bad.endpoint()}, {good.endpoint()}}}), "rcode 0 10.0.0.1");
    EXPECT_EQ(ask({{{bad.endpoint()}, {bad.endpoint()}}}), fmt::format("rcode {}", static_cast<int>(rcode)));
    EXPECT_EQ(bad.seen.size(), 3u);  // each once
  }
  FakeDns none(loop, [](const DnsQuestion& q) { return std::vector{q.failure(Rcode::name_does_not_exist)}; });
  FakeDns never(loop);
  EXPECT_EQ(ask({{{none.endpoint()}, {never.endpoint()}}}), "rcode 3");  // that is an answer
  EXPECT_TRUE(never.seen.empty());
}

TEST_F(DnsTransport, goes_on_without_edns_where_the_server_does_not_know_it) {
  FakeDns old(loop, [](const DnsQuestion& q) {
    return std::vector{q.edns ? q.failure(Rcode::format_error) : q.addresses({"10.0.0.1"})};
  });
  EXPECT_EQ(ask({{{old.endpoint()}}}), "rcode 0 10.0.0.1");
  EXPECT_EQ(old.seen.size(), 2u);
}

TEST_F(DnsTransport, asks_the_next_server_when_one_is_silent_and_comes_back_with_twice_the_patience) {
  FakeDns first(loop), second(loop);
  const DnsServers servers{{{first.endpoint()}, {second.endpoint()}}};
  Ask one(*this);
  one.start(servers, "a.test", RecordType::a);
  const auto seen = [&] { return std::pair(first.seen.size(), second.seen.size()); };
  flow();
  EXPECT_EQ(seen(), std::pair(size_t{1}, size_t{0}));
  const std::tuple<Nanos, size_t, size_t> steps[] = {{1s, 1, 1}, {1s, 2, 1}, {2s, 2, 2}, {2s, 3, 2},
                                                     {4s, 3, 3}, {4s, 4, 3}, {8s, 4, 4}};
  for (const auto& [wait, a, b] : steps) {
    loop.advance(wait - 5ms);
    flow();
    EXPECT_NE(seen(), std::pair(a, b));
    loop.advance(5ms);
    flow();
    EXPECT_EQ(seen(), std::pair(a, b));
  }
  loop.advance(8s);
  flow();
  EXPECT_EQ(text(one), "error timed out");
}

TEST_F(DnsTransport, takes_an_answer_to_an_earlier_try_as_soon_as_it_comes) {
  FakeDns server(loop);
  const DnsServers servers{{{server.endpoint()}}};
  Ask one(*this);
  begin_second_try(one, servers);
  loop.advance(200ms);
  ASSERT_EQ(server.seen.size(), 2u);
  const DnsQuestion &first = server.questions[0], &second = server.questions[1];
  EXPECT_NE(first.source_port, second.source_port);

  DnsQuestion wrong_id = first;
  wrong_id.id = static_cast<uint16_t>(first.id + 1);
  server.say(wrong_id, wrong_id.addresses({"6.6.6.6"}));
  flow();
  EXPECT_EQ(text(one), "waits");
  server.say(first, first.addresses({"10.0.0.1"}));
  flow();
  EXPECT_EQ(text(one), "rcode 0 10.0.0.1");
  EXPECT_EQ(server.seen.size(), 2u);
}

TEST_F(DnsTransport, takes_a_late_answer_of_any_server_in_any_round) {
  struct Row {
    size_t server, question;
    Nanos after;
  };
  const Row rows[] = {{0, 0, 1s}, {1, 0, 3s}, {0, 1, 5s}, {1, 3, 29s}};
  for (const Row& row : rows) {
    FakeDns first(loop), second(loop);
    const DnsServers servers{{{first.endpoint()}, {second.endpoint()}}};
    Ask one(*this);
    one.start(servers, "a.test", RecordType::a);
    for (Nanos passed{}; passed < row.after; passed += 1s) {
      flow();
      loop.advance(1s);
    }
    flow();
    FakeDns& server = row.server == 0 ? first : second;
    ASSERT_LT(row.question, server.questions.size());
    EXPECT_EQ(text(one), "waits");
    server.say(server.questions[row.question], server.questions[row.question].addresses({"10.0.0.1"}));
    flow();
    EXPECT_EQ(text(one), "rcode 0 10.0.0.1") << row.server << " " << row.question;
  }
}

TEST_F(DnsTransport, asks_over_tcp_when_a_late_answer_was_truncated) {
  FakeDns server(loop, [](const DnsQuestion& q) {
    return q.tcp ? std::vector{q.addresses({"10.0.0.1"})} : std::vector<dns::MessageBuilder>{};
  });
  const DnsServers servers{{{server.endpoint()}}};
  Ask one(*this);
  begin_second_try(one, servers);
  const DnsQuestion first = server.questions[0];
  server.say(first, first.truncated());
  flow();
  EXPECT_EQ(text(one), "rcode 0 10.0.0.1");
  EXPECT_EQ(server.seen, (std::vector<std::string>{"a.test A", "a.test A", "a.test A tcp"}));
}

TEST_F(DnsTransport, gives_a_server_up_that_refuses_late) {
  FakeDns refuses(loop), silent(loop);
  const DnsServers servers{{{refuses.endpoint()}, {silent.endpoint()}}};
  Ask one(*this);
  begin_second_try(one, servers);
  const DnsQuestion first = refuses.questions[0];
  refuses.say(first, first.failure(Rcode::refused));
  flow();
  EXPECT_EQ(text(one), "waits");
  for (const Nanos wait : {1s, 2s, 4s, 8s}) {
    loop.advance(wait);
    flow();
  }
  EXPECT_EQ(text(one), "rcode 5");
  EXPECT_EQ(refuses.seen.size(), 1u);
  EXPECT_EQ(silent.seen.size(), 4u);
}

TEST_F(DnsTransport, has_a_socket_for_each_try_and_none_in_the_end) {
  const auto open_descriptors = [] {
    return std::ranges::distance(std::filesystem::directory_iterator("/proc/self/fd"));
  };
  FakeDns first(loop), second(loop);
  const DnsServers servers{{{first.endpoint()}, {second.endpoint()}}};
  const auto before = open_descriptors();
  Ask one(*this);
  one.start(servers, "a.test", RecordType::a);
  flow();
  EXPECT_EQ(open_descriptors(), before + 1);
  for (const Nanos wait : {1s, 1s, 2s, 2s, 4s, 4s, 8s}) {
    loop.advance(wait);
    flow();
  }
  EXPECT_EQ(open_descriptors(), before + 8);
  second.say(second.questions[0], second.questions[0].addresses({"10.0.0.1"}));
  flow();
  EXPECT_EQ(text(one), "rcode 0 10.0.0.1");
  EXPECT_EQ(open_descriptors(), before);
}

TEST_F(DnsTransport, shares_a_bounded_number_of_sockets_when_many_questions_are_on_their_way) {
  FakeDns server(loop);
  const DnsServers servers{{{server.endpoint()}}};
  std::deque<Ask> asks;
  for (int i = 0; i < 200; ++i) asks.emplace_back(*this).start(servers, fmt::format("n{}.test", i), RecordType::a);
  flow();
  EXPECT_EQ(server.questions.size(), 200u);
  EXPECT_EQ(sockets.stats().open, 16u);
  std::set<uint16_t> ports;
  std::set<std::pair<uint16_t, uint16_t>> ids;
  for (const DnsQuestion& question : server.questions) {
    ports.insert(question.source_port);
    ids.emplace(question.source_port, question.id);
  }
  EXPECT_EQ(ports.size(), 16u);
  EXPECT_EQ(ids.size(), 200u);
  // An answer is held against the question with its id, whatever else is asked by that socket.
  for (size_t i = 0; i < 200; ++i) {
    DnsQuestion other = server.questions[i];
    other.name = "n0.test";
    if (i > 0) server.say(server.questions[i], other.addresses({"6.6.6.6"}));
  }
  flow();
  for (size_t i = 199; i > 0; --i) {
    const DnsQuestion& question = server.questions[i];
    server.say(question, question.addresses({fmt::format("10.0.0.{}", i).c_str()}));
  }
  flow();
  EXPECT_EQ(text(asks[0]), "waits");
  for (size_t i = 1; i < 200; ++i) {
    const std::string& name = server.questions[i].name;
    EXPECT_EQ(text(asks[std::stoul(name.substr(1))]), fmt::format("rcode 0 10.0.0.{}", i));
  }
  EXPECT_EQ(sockets.stats().open, 1u);
  asks.clear();
  EXPECT_EQ(sockets.stats().open, 0u);
}

TEST_F(DnsTransport, asks_by_another_port_once_a_socket_has_carried_its_share) {
  DnsSockets one(loop, 2);
  FakeDns server(loop);
  const DnsServers servers{{{server.endpoint()}}};
  std::deque<Ask> asks;
  for (size_t i = 0; i < DnsSockets::kQuestionsMax + 2; ++i) {
    asks.emplace_back(*this).sockets = &one;
    asks.back().start(servers, fmt::format("n{}.test", i), RecordType::a);
  }
  flow();
  EXPECT_EQ(server.questions.size(), DnsSockets::kQuestionsMax);
  EXPECT_EQ(one.stats().waited, 2u);
  const auto first = server.questions;
  for (const DnsQuestion& question : first) server.say(question, question.addresses({"10.0.0.1"}));
  flow();
  ASSERT_EQ(server.questions.size(), DnsSockets::kQuestionsMax + 2);
  EXPECT_NE(server.questions.back().source_port, first[0].source_port);
  EXPECT_EQ(one.stats().open, 1u);
}

TEST_F(DnsTransport, keeps_names_in_use_apart_from_strangers_that_nobody_answers) {
  DnsSockets few(loop, 8);  // 4 and 1 for strangers, 2 and 1 for names in use
  FakeDns server(loop);
  const DnsServers by_udp{{{server.endpoint()}}}, by_tcp{{{server.endpoint(), DnsProtocol::tcp}}};
  std::deque<Ask> asks;
  for (size_t i = 0; i < 4 * DnsSockets::kQuestionsMax + 10; ++i) {
    asks.emplace_back(*this).sockets = &few;
    asks.back().start(i % 2 == 0 ? by_udp : by_tcp, fmt::format("n{}.test", i), RecordType::a);
  }
  flow();
  server.handler = [](const DnsQuestion& q) { return std::vector{q.addresses({"10.0.0.1"})}; };
  for (const DnsServers* servers : {&by_udp, &by_tcp}) {
    Ask one(*this);
    one.sockets = &few;
    one.standing = dns::Standing::in_use;
    one.start(*servers, "hot.test", RecordType::a);
    flow();
    EXPECT_EQ(text(one), "rcode 0 10.0.0.1");
  }
}

TEST_F(DnsTransport, has_few_connections_over_tcp_and_asks_the_rest_when_one_ends) {
  FakeDns server(loop, [](const DnsQuestion& q) { return std::vector{q.addresses({"10.0.0.1"})}; });
  const DnsServers servers{{{server.endpoint(), DnsProtocol::tcp}}};
  std::deque<Ask> asks;
  size_t most = 0;
  for (int i = 0; i < 20; ++i) asks.emplace_back(*this).start(servers, fmt::format("n{}.test", i), RecordType::a);
  EXPECT_TRUE(turn_until(loop, [&] {
    most = std::max(most, sockets.stats().open);
    return std::ranges::all_of(asks, [](const Ask& ask) { return ask.answer.has_value(); });
  }));
  for (const Ask& ask : asks) EXPECT_EQ(text(ask), "rcode 0 10.0.0.1");
  EXPECT_EQ(most, 4u);
  EXPECT_EQ(sockets.stats().waited, 16u);
}

TEST_F(DnsTransport, lets_no_silent_server_shut_another_out) {
  DnsSockets one(loop, 2);
  FakeDns silent(loop), good(loop, [](const DnsQuestion& q) { return std::vector{q.addresses({"10.0.0.1"})}; });
  const DnsServers servers{{{silent.endpoint()}, {good.endpoint()}}};
  std::deque<Ask> asks;
  for (int i = 0; i < 100; ++i) {
    asks.emplace_back(*this).sockets = &one;
    asks.back().start(servers, fmt::format("n{}.test", i), RecordType::a);
  }
  flow();
  loop.advance(1s);
  flow();
  for (const Ask& ask : asks) EXPECT_EQ(text(ask), "rcode 0 10.0.0.1");
}

TEST_F(DnsTransport, tells_all_on_a_socket_that_nobody_is_there) {
  Endpoint nobody;
  {
    FakeDns gone(loop);
    nobody = gone.endpoint();
  }
  DnsSockets one(loop, 2);
  const DnsServers servers{{{nobody}}};
  std::deque<Ask> asks;
  for (int i = 0; i < 10; ++i) {
    asks.emplace_back(*this).sockets = &one;
    asks.back().start(servers, fmt::format("n{}.test", i), RecordType::a);
  }
  turn_until(loop, [&] { return std::ranges::all_of(asks, [](const Ask& ask) { return ask.answer.has_value(); }); });
  for (const Ask& ask : asks) EXPECT_EQ(text(ask), "error Connection refused");
  EXPECT_EQ(one.stats().open, 0u);
}

TEST_F(DnsTransport, says_that_nobody_is_there) {
  Endpoint nobody;
  {
    FakeDns gone(loop);
    nobody = gone.endpoint();
  }
  EXPECT_EQ(ask({{{nobody}}}), "error Connection refused");
  EXPECT_EQ(ask({{{nobody, DnsProtocol::tcp}}}), "error Connection refused");
  EXPECT_EQ(ask({}), "error there is no DNS server to ask");
  FakeDns good(loop, [](const DnsQuestion& q) { return std::vector{q.addresses({"10.0.0.1"})}; });
  EXPECT_EQ(ask({{{nobody}, {good.endpoint()}}}), "rcode 0 10.0.0.1");
}

TEST_F(DnsTransport, sends_nothing_for_a_name_that_no_query_can_carry) {
  FakeDns server(loop);
  EXPECT_EQ(ask({{{server.endpoint()}}}, ".mypaas.test"), "error no query can carry this name");
  flow();
  EXPECT_TRUE(server.seen.empty());
}

TEST_F(DnsTransport, ends_when_it_is_cancelled) {
  FakeDns server(loop);
  const DnsServers servers{{{server.endpoint()}}};
  Ask one(*this);
  begin_second_try(one, servers);
  EXPECT_EQ(server.seen.size(), 2u);
  one.runner.cancel();
  EXPECT_EQ(text(one), "error cancelled");
}

}  // namespace
}  // namespace sluice
