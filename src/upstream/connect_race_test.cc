#include "upstream/connect_race.h"

#include <gtest/gtest.h>

#include <cerrno>

#include "net/memory_stream.h"
#include "net/testing.h"

namespace sluice {
namespace {

// A stream in memory that is established when the test says so.
class SlowStream final : public Stream {
 public:
  SlowStream(Loop& loop, int& open) : pair_(memory_streams(loop)), open_(open) { ++open_; }
  ~SlowStream() override { --open_; }

  void say(Status fate) {
    fate_ = std::move(fate);
    told_.notify(loop());
  }

  Task<void> established(SteadyTime deadline) override {
    if (!fate_) {
      auto waiting = told_.wait(loop(), deadline);
      const Status waited = co_await waiting;
      if (!waited && waited.error().kind == ErrorKind::timeout)
        co_return fail(ErrorKind::timeout, "timed out", Side::upstream);
      CO_TRY(waited);
    }
    co_return *fate_;
  }
  void abort() override { say(fail(ErrorKind::reset, "given up", Side::upstream)); }

  Loop& loop() const override { return pair_.upstream->loop(); }
  SocketAddress local_address() const override { return pair_.upstream->local_address(); }
  bool has_buffered() const override { return pair_.upstream->has_buffered(); }
  size_t buffered_bytes() override { return pair_.upstream->buffered_bytes(); }
  Attempt try_read(std::span<char> into) override { return pair_.upstream->try_read(into); }
  Task<size_t> read(std::span<char> into, SteadyTime deadline) override { return pair_.upstream->read(into, deadline); }
  Task<void> readable(SteadyTime deadline) override { return pair_.upstream->readable(deadline); }
  Side side() const override { return Side::upstream; }
  void when_readable(Waiter* waiter) override { pair_.upstream->when_readable(waiter); }
  bool is_silent() override { return pair_.upstream->is_silent(); }
  Attempt try_write(std::span<const iovec> parts) override { return pair_.upstream->try_write(parts); }
  void end_writing() override { pair_.upstream->end_writing(); }
  bool peer_ended() const override { return pair_.upstream->peer_ended(); }
  bool is_broken() const override { return pair_.upstream->is_broken(); }
  void when_hung_up(Waiter* waiter) override { pair_.upstream->when_hung_up(waiter); }

 protected:
  Task<void> writable(SteadyTime) override { return Status{}; }

 private:
  StreamPair pair_;
  int& open_;
  Event told_;
  std::optional<Status> fate_;
};

std::unexpected<Error> refused() {
  return fail(ErrorKind::refused, "connection refused", Side::upstream);
}

class SlowDialer final : public Dialer {
 public:
  Result<std::unique_ptr<Stream>> dial(Loop& loop, const SocketAddress& address) override {
    dialled += fmt::format("{}{}", dialled.empty() ? "" : " ", address.port());
    if (no_descriptors) {
      Error error{.kind = ErrorKind::io, .message = "too many open files", .side = Side::ours, .code = EMFILE};
      return std::unexpected(std::move(error));
    }
    if (std::ranges::find(refusing, address.port()) != refusing.end()) return refused();
    auto stream = std::make_unique<SlowStream>(loop, open);
    streams.push_back(stream.get());
    return stream;
  }
  std::string dialled;  // the ports, in order
  std::vector<uint16_t> refusing;
  bool no_descriptors = false;
  std::vector<SlowStream*> streams;  // in the order of their making
  int open = 0;
};

SocketAddress v4(uint16_t port) {
  return SocketAddress::v4(INADDR_LOOPBACK, port);
}
SocketAddress v6(uint16_t port) {
  return *SocketAddress::parse("::1", port);
}

class Race : public testing::Test {
 protected:
  Race() { loop.use_manual_clock(SteadyTime(1000s), WallTime(0s)); }
  ~Race() override {
    runner.cancel();
    CHECK(turn_until(loop, [&] { return !runner.running(); }));
    EXPECT_EQ(dialer.open, stream ? 1 : 0);  // nothing but the winner is left
  }

  void start(std::vector<SocketAddress> list, ConnectRace::Limits limits = {.connect_timeout = 5s}) {
    addresses = std::move(list);
    order.emplace(addresses);
    race.emplace(loop, dialer, *order, limits);
    runner.start(go());
    settle(loop);
  }
  Task<void> go() {
    auto running = race->run();
    auto result = co_await running;
    if (result)
      stream = *std::move(result);
    else
      error = result.error();
    co_return Status{};
  }
  void advance(Nanos by) {
    loop.advance(by);
    settle(loop);
  }
  void say(size_t which, Status fate) {
    dialer.streams.at(which)->say(std::move(fate));
    settle(loop);
  }
  std::string failed() const {
    std::string out;
    for (const auto& failure : race->failures())
      out += fmt::format("{}{}", out.empty() ? "" : " ", failure.address->port());
    return out;
  }

  Loop loop;
  SlowDialer dialer;
  std::vector<SocketAddress> addresses;
  std::optional<FamiliesByTurns> order;
  std::optional<ConnectRace> race;
  std::unique_ptr<Stream> stream;
  std::optional<Error> error;
  Runner runner{this, [](void*, Result<void>) {}};
};

TEST_F(Race, with_one_address_is_a_dial) {
  start({v4(1)});
  say(0, {});
  ASSERT_TRUE(stream);
  EXPECT_EQ(race->winner(), v4(1));
  EXPECT_EQ(failed(), "");
}

TEST_F(Race, with_one_address_tells_why_it_failed) {
  start({v4(1)});
  say(0, refused());
  EXPECT_EQ(error->kind, ErrorKind::refused);
  EXPECT_EQ(failed(), "1");
}

TEST_F(Race, begins_attempts_a_quarter_of_a_second_apart_and_ends_the_others_when_one_wins) {
  start({v4(1), v4(2), v4(3), v4(4)});
  EXPECT_EQ(dialer.dialled, "1");
  advance(249ms);
  EXPECT_EQ(dialer.dialled, "1");
  advance(2ms);
  EXPECT_EQ(dialer.dialled, "1 2");
  advance(251ms);
  EXPECT_EQ(dialer.dialled, "1 2 3");
  EXPECT_EQ(dialer.open, 3);
  say(1, {});
  ASSERT_TRUE(stream);
  EXPECT_EQ(race->winner(), v4(2));
  EXPECT_EQ(dialer.open, 1);
  EXPECT_EQ(failed(), "");
}

TEST_F(Race, is_over_when_the_first_attempt_is_quick) {
  start({v4(1), v4(2)});
  say(0, {});
  ASSERT_TRUE(stream);
  advance(10s);
  EXPECT_EQ(dialer.dialled, "1");
}

TEST_F(Race, goes_on_at_once_when_an_attempt_fails) {
  dialer.refusing = {1, 2};
  start({v4(1), v4(2), v4(3), v4(4), v4(5)});
  EXPECT_EQ(dialer.dialled, "1 2 3");
  say(0, refused());
  EXPECT_EQ(dialer.dialled, "1 2 3 4");
  EXPECT_EQ(failed(), "1 2 3");
  say(1, {});
  EXPECT_EQ(race->winner(), v4(4));
}

TEST_F(Race, takes_the_families_by_turns) {
  dialer.refusing = {1, 2, 3, 4, 5, 6};
  start({v6(1), v6(2), v6(3), v4(4), v4(5), v6(6)});
  EXPECT_EQ(dialer.dialled, "1 4 2 5 3 6");
  EXPECT_EQ(error->kind, ErrorKind::refused);
  EXPECT_EQ(failed(), "1 4 2 5 3 6");
}

TEST_F(Race, ends_with_the_last_error_when_all_fail) {
  start({v4(1), v4(2)});
  advance(251ms);
  say(1, refused());
  say(0, fail(ErrorKind::unreachable, "no route to host", Side::upstream));
  EXPECT_EQ(error->kind, ErrorKind::unreachable);
  EXPECT_EQ(failed(), "2 1");
}

TEST_F(Race, gives_each_attempt_its_own_time) {
  start({v4(1), v4(2)}, {.connect_timeout = 1s});
  advance(251ms);
  advance(750ms);
  EXPECT_EQ(failed(), "1");
  EXPECT_FALSE(error);
  advance(251ms);
  EXPECT_EQ(failed(), "1 2");
  EXPECT_EQ(error->kind, ErrorKind::timeout);
}

TEST_F(Race, ends_at_its_deadline_which_is_no_fault_of_an_address) {
  start({v4(1), v4(2), v4(3)}, {.connect_timeout = 5s, .deadline = loop.now() + 300ms});
  advance(251ms);
  advance(50ms);
  ASSERT_TRUE(error);
  EXPECT_EQ(error->kind, ErrorKind::timeout);
  EXPECT_EQ(dialer.dialled, "1 2");
  EXPECT_EQ(failed(), "");
}

TEST_F(Race, has_a_bounded_number_of_attempts_at_a_time) {
  std::vector<SocketAddress> many;
  for (uint16_t port = 1; port <= 20; ++port) many.push_back(v4(port));
  start(many, {.connect_timeout = 1h});
  for (int i = 0; i < 20; ++i) advance(251ms);
  EXPECT_EQ(dialer.open, static_cast<int>(ConnectRace::kAttemptsMax));
  say(0, refused());
  EXPECT_EQ(dialer.streams.size(), ConnectRace::kAttemptsMax + 1);
}

struct CountedPlaces final : AttemptPlaces {
  explicit CountedPlaces(int count) : free(count) {}
  bool take() override {
    if (free == 0) return false;
    --free;
    return true;
  }
  void give_back() override { ++free; }
  int free;
};

TEST_F(Race, has_no_more_attempts_than_places) {
  CountedPlaces places(2);
  start({v4(1), v4(2), v4(3), v4(4), v4(5), v4(6)}, {.connect_timeout = 1h, .places = &places});
  EXPECT_EQ(places.free, 2) << "whoever connects has a place for the first";
  for (int i = 0; i < 10; ++i) advance(251ms);
  EXPECT_EQ(dialer.dialled, "1 2 3");
  EXPECT_EQ(places.free, 0);
  say(1, refused());
  EXPECT_EQ(dialer.dialled, "1 2 3 4") << "in the place of the one that failed";
  say(0, refused());
  EXPECT_EQ(dialer.dialled, "1 2 3 4 5") << "of the first as well";
  EXPECT_EQ(places.free, 0);
  places.free = 1;
  advance(251ms);
  EXPECT_EQ(dialer.dialled, "1 2 3 4 5 6") << "somebody else gave one back";
  EXPECT_EQ(dialer.open, 4);
  say(2, refused());
  EXPECT_EQ(places.free, 1);
  say(4, {});
  ASSERT_TRUE(stream);
  EXPECT_EQ(places.free, 3);
}

TEST_F(Race, takes_its_attempts_in_turn_when_there_are_no_places) {
  CountedPlaces none(0);
  start({v4(1), v4(2), v4(3)}, {.connect_timeout = 1h, .places = &none});
  advance(1s);
  EXPECT_EQ(dialer.dialled, "1");
  say(0, refused());
  EXPECT_EQ(dialer.dialled, "1 2");
  advance(1s);
  say(1, refused());
  EXPECT_EQ(dialer.dialled, "1 2 3");
  say(2, {});
  EXPECT_TRUE(stream);
  EXPECT_EQ(none.free, 0);
}

TEST_F(Race, gives_its_places_back_however_it_ends) {
  for (const int how : {0, 1, 2, 3}) {
    CountedPlaces places(5);
    stream.reset();
    error.reset();
    dialer.streams.clear();
    start({v4(1), v4(2), v4(3)},
          {.connect_timeout = 1h, .deadline = loop.now() + (how == 0 ? 600ms : 100h), .places = &places});
    advance(251ms);
    advance(251ms);
    EXPECT_EQ(places.free, 3);
    if (how == 0) advance(100ms);
    if (how == 1) race->give_up();
    if (how == 2) runner.cancel();
    if (how == 3)
      for (const size_t i : {0, 1, 2}) dialer.streams[i]->say({});  // all in one turn
    settle(loop);
    EXPECT_EQ(error.has_value(), how != 3);
    EXPECT_EQ(places.free, 5) << how;
  }
}

TEST_F(Race, ends_all_attempts_when_its_task_is_cancelled) {
  start({v4(1), v4(2)});
  advance(251ms);
  EXPECT_EQ(dialer.open, 2);
  runner.cancel();
  settle(loop);
  ASSERT_TRUE(error);
  EXPECT_EQ(error->kind, ErrorKind::cancelled);
  EXPECT_EQ(failed(), "");
}

TEST_F(Race, can_be_given_up) {
  start({v4(1), v4(2)});
  advance(251ms);
  race->give_up();
  settle(loop);
  ASSERT_TRUE(error);
  EXPECT_EQ(error->kind, ErrorKind::reset);
  EXPECT_EQ(failed(), "");
}

TEST_F(Race, with_one_address_can_be_given_up_or_cancelled) {
  start({v4(1)});
  race->give_up();
  settle(loop);
  EXPECT_EQ(error->kind, ErrorKind::reset);
  EXPECT_EQ(failed(), "");
  error.reset();
  start({v4(1)});
  runner.cancel();
  settle(loop);
  EXPECT_EQ(error->kind, ErrorKind::cancelled);
}

TEST_F(Race, begins_no_more_attempts_when_the_system_has_nothing_left) {
  start({v4(1), v4(2), v4(3), v4(4)});
  dialer.no_descriptors = true;
  advance(251ms);
  EXPECT_EQ(dialer.dialled, "1 2");
  advance(1s);
  EXPECT_EQ(dialer.dialled, "1 2");
  EXPECT_FALSE(error);  // the first may still come
  say(0, refused());
  EXPECT_EQ(error->kind, ErrorKind::refused);
  start({v4(1), v4(2)});
  EXPECT_EQ(error->code, EMFILE);
  EXPECT_EQ(failed(), "1");
}

TEST_F(Race, of_two_that_are_established_in_one_turn_takes_one) {
  start({v4(1), v4(2)});
  advance(251ms);
  dialer.streams[0]->say({});
  dialer.streams[1]->say({});
  settle(loop);
  ASSERT_TRUE(stream);
  EXPECT_EQ(dialer.open, 1);
}

TEST(FamiliesByTurns, goes_to_the_last_resort_when_the_others_have_been_taken) {
  const std::vector first{v4(1), v6(2), v4(3)};
  const std::vector last{v6(4), v6(5), v4(6)};
  const auto ports = [](FamiliesByTurns order) {
    std::string out;
    while (order.has_more()) out += fmt::format("{}", order.next().port());
    return out;
  };
  EXPECT_EQ(ports(FamiliesByTurns(first, last)), "123465");
  EXPECT_EQ(ports(FamiliesByTurns({}, last)), "465");
  EXPECT_EQ(ports(FamiliesByTurns(first)), "123");
  EXPECT_EQ(ports(FamiliesByTurns({})), "");
}

// Sockets of the kernel: one port where nobody listens, then one where somebody does.
TEST(ConnectRace, connects_sockets) {
  Loop loop;
  TestUpstream gone(loop);
  TestUpstream there(loop);
  gone.stop();
  const std::vector addresses{gone.address, there.address};
  FamiliesByTurns order(addresses);
  ConnectRace race(loop, socket_dialer(), order, {.connect_timeout = 5s});
  struct Run {
    Task<void> go(ConnectRace& r) {
      auto running = r.run();
      stream = CO_TRY(co_await running);
      co_return Status{};
    }
    std::unique_ptr<Stream> stream;
    Runner runner{this, [](void*, Result<void>) {}};
  } run;
  run.runner.start(run.go(race));
  ASSERT_TRUE(turn_until(loop, [&] { return !run.runner.running(); }));
  ASSERT_TRUE(run.stream);
  EXPECT_EQ(race.winner(), there.address);
  ASSERT_EQ(race.failures().size(), 1u);
  EXPECT_EQ(*race.failures()[0].address, gone.address);
  EXPECT_EQ(race.failures()[0].error.side, Side::upstream);
}

}  // namespace
}  // namespace sluice
