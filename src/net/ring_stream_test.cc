#include "net/ring_stream.h"

#include <gtest/gtest.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <csignal>

#include "net/dialer.h"
#include "net/splice.h"
#include "net/testing.h"

namespace sluice {
namespace {

// What every stream promises is tried in stream_test.cc; here is what only these do.
class RingStreams : public testing::Test {
 protected:
  RingStreams() {
    loop.use_manual_clock(SteadyTime(1000s), WallTime(0s));
    if (const Status ring = loop.use_ring(RingMetrics(metrics)); !ring) why_not = ring.error().message;
    CHECK(listener
              .start(loop, small(*ListenSocket::open(SocketAddress::v4(INADDR_LOOPBACK, 0), false)),
                     [&](Incoming& incoming) { accepted.push_back(*incoming.take()); })
              .has_value());
  }
  ~RingStreams() override { tasks.cancel(); }
  void SetUp() override {
    if (!why_not.empty()) GTEST_SKIP() << why_not;
  }

  // What is accepted has small buffers, so that they are full soon.
  static int small(int fd) {
    const int bytes = 32 << 10;
    setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &bytes, sizeof bytes);
    setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &bytes, sizeof bytes);
    return fd;
  }
  Stream& accept(TestPeer*& peer) {
    const size_t before = accepted.size();
    peer = &peers.emplace_back(listener.local());
    CHECK(turn_until(loop, [&] { return accepted.size() > before; }));
    return *accepted.back();
  }
  static std::string read(Stream& stream) {
    std::string out, into(10'000, '\0');
    while (const auto got = stream.try_read(into)) {
      if (!*got || **got == 0) break;
      out.append(into, 0, **got);
    }
    return out;
  }
  static bool write(Stream& stream, std::string text) {
    const iovec part{text.data(), text.size()};
    const auto put = stream.try_write(std::span(&part, 1));
    return put && *put && **put == text.size();
  }
  // With messages that are copied, until one of them finds no room in any, nor does a while later. The bytes the last
  // took.
  size_t fill_by_copies() {
    const std::string text(4000, 'f');
    size_t out = 0;
    for (int rounds = 0; rounds < 6; ++rounds) {
      settle(loop);
      for (const auto& stream : accepted) {
        const bool last = stream == accepted.back();
        for (; write(*stream, text); out += last ? text.size() : 0) loop.turn(0ms);
      }
    }
    return out;
  }
  int64_t value(std::string_view name) {
    for (const auto& family : metrics.collect())
      if (family.name == name) return family.samples.front().value;
    return -1;
  }
  int64_t over() { return value("sluice_io_uring_by_calls_total"); }

  std::string why_not;  // the kernel gives no ring
  Metrics metrics{1};
  Loop loop;
  ListenSocket listener;
  std::deque<TestPeer> peers;
  std::vector<std::unique_ptr<Stream>> accepted;
  TaskGroup tasks;
};

TEST_F(RingStreams, take_messages_in_turn_without_going_over) {
  TestPeer* peer = nullptr;
  Stream& stream = accept(peer);
  for (int i = 0; i < 1000; ++i) {
    const std::string text = fmt::format("message {}", i);
    peer->say(text);
    ASSERT_TRUE(turn_until(loop, [&] { return stream.has_buffered(); }));
    ASSERT_EQ(read(stream), text);
    ASSERT_TRUE(write(stream, "answer " + text + ";"));
  }
  ASSERT_TRUE(turn_until(loop, [&] { return peer->hears("answer message 999;"); }));
  EXPECT_EQ(over(), 0);
}

TEST_F(RingStreams, keep_what_is_read_late_and_go_on) {
  TestPeer* peer = nullptr;
  Stream& stream = accept(peer);
  peer->say("early");
  settle(loop);
  peer->say(" and late");
  settle(loop);
  EXPECT_EQ(stream.buffered_bytes(), 14U);
  EXPECT_EQ(read(stream), "early and late");
  EXPECT_EQ(over(), 0);
}

// Nobody reads: what the peer sends stays with the kernel, which makes it stop.
TEST_F(RingStreams, take_no_more_from_the_kernel_than_somebody_reads) {
  TestPeer* peer = nullptr;
  Stream& stream = accept(peer);
  const std::string piece(100'000, 'x');
  size_t said = 0;
  for (size_t put = 1, idle = 0; idle < 50; idle = put == 0 ? idle + 1 : 0) {
    put = peer->say(piece);
    said += put;
    loop.turn(1ms);
    ASSERT_LT(said, 64U << 20) << "it must end";
  }
  EXPECT_EQ(over(), 1);
  EXPECT_GT(said, 100'000U);
  size_t got = 0;
  ASSERT_TRUE(turn_until(loop, [&] {
    got += read(stream).size();
    return got >= said;
  }));
  EXPECT_EQ(got, said);
}

TEST_F(RingStreams, lose_nothing_when_more_comes_in_one_turn_than_there_are_buffers) {
  constexpr size_t kMany = 100;
  TestPeer* peer = nullptr;
  for (size_t i = 0; i < kMany; ++i) accept(peer);
  settle(loop);
  std::vector<size_t> said(kMany), got(kMany);
  for (size_t i = 0; i < kMany; ++i) said[i] = peers[i].say(std::string(30'000, 'x'));
  EXPECT_TRUE(turn_until(loop, [&] {
    for (size_t i = 0; i < kMany; ++i) got[i] += read(*accepted[i]).size();
    return got == said;
  }));
  EXPECT_GT(value("sluice_io_uring_buffers_missing_total"), 0);
}

TEST_F(RingStreams, send_the_last_words_also_where_there_is_no_room_for_them_yet) {
  TestPeer* peer = nullptr;
  accept(peer);
  const size_t taken = fill_by_copies();
  accepted.clear();
  settle(loop);
  EXPECT_EQ(value("sluice_io_uring_lingering"), 1);
  ASSERT_TRUE(turn_until(loop, [&] { return peer->ended(); }));
  EXPECT_EQ(peer->heard().size(), taken);
  EXPECT_EQ(value("sluice_io_uring_lingering"), 0);
  EXPECT_EQ(value("sluice_io_uring_lingering_cut_total"), 0);
}

TEST_F(RingStreams, wait_30_s_for_the_last_words_to_be_taken) {
  TestPeer* peer = nullptr;
  accept(peer);
  const size_t taken = fill_by_copies();
  accepted.clear();
  loop.advance(29s);
  settle(loop);
  EXPECT_EQ(value("sluice_io_uring_lingering"), 1);
  loop.advance(2s);
  settle(loop);
  EXPECT_EQ(value("sluice_io_uring_lingering"), 0);
  EXPECT_EQ(value("sluice_io_uring_lingering_cut_total"), 1);
  ASSERT_TRUE(turn_until(loop, [&] { return peer->ended(); }));
  EXPECT_LT(peer->heard().size(), taken);
}

TEST_F(RingStreams, let_256_wait_so) {
  constexpr size_t kMost = 256;
  TestPeer* peer = nullptr;
  for (size_t i = 0; i < kMost + 2; ++i) accept(peer);
  fill_by_copies();
  accepted.clear();
  EXPECT_EQ(value("sluice_io_uring_lingering"), int64_t{kMost});
  EXPECT_EQ(value("sluice_io_uring_lingering_cut_total"), 2);
}

TEST_F(RingStreams, forget_the_last_words_when_they_are_given_up) {
  TestPeer* peer = nullptr;
  accept(peer);
  fill_by_copies();
  accepted.back()->abort();
  accepted.clear();
  EXPECT_EQ(value("sluice_io_uring_lingering"), 0);
}

TEST_F(RingStreams, end_what_is_under_way_when_they_go) {
  TestPeer* peer = nullptr;
  accept(peer);
  ASSERT_TRUE(write(*accepted.back(), "bye"));
  accepted.clear();
  ASSERT_TRUE(turn_until(loop, [&] { return peer->ended(); }));
  EXPECT_EQ(peer->heard(), "bye");
}

// More of what is done in one turn than the ring has room to tell of: the rest is told a turn later.
TEST_F(RingStreams, end_writing_while_it_is_not_known_yet_that_their_words_have_gone) {
  struct Crowd final : Ring::User {
    void completed(unsigned, int32_t, uint32_t, bool) override { ++told; }
    void before_wait() override {
      for (unsigned i = 0; i < Ring::kOperations; ++i) ring->poll(fd, EPOLLIN, false, *this, i);
    }
    Ring* ring = nullptr;
    int fd = -1;
    unsigned told = 0;
  };
  TestPeer* peer = nullptr;
  Stream& stream = accept(peer);
  settle(loop);
  int ready[2];
  ASSERT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ready), 0);
  TestPeer one(ready[0]), other(ready[1]);
  one.say("x");
  std::vector<Crowd> crowds(2048 / Ring::kOperations);
  for (Crowd& crowd : crowds) {
    crowd.ring = loop.ring();
    crowd.fd = ready[1];
    loop.ring()->tell_before_wait(crowd);
  }
  ASSERT_TRUE(write(stream, "bye"));
  loop.turn(0ms);
  stream.end_writing();
  ASSERT_TRUE(turn_until(loop, [&] { return peer->ended(); }));
  EXPECT_EQ(peer->heard(), "bye");
  for (const Crowd& crowd : crowds) EXPECT_EQ(crowd.told, Ring::kOperations);
}

TEST_F(RingStreams, may_go_with_words_for_a_peer_that_has_reset) {
  for (int i = 0; i < 20; ++i) {
    TestPeer* peer = nullptr;
    Stream& stream = accept(peer);
    settle(loop);
    peer->reset();
    ASSERT_TRUE(turn_until(loop, [&] { return stream.is_broken() || i % 2 == 0; }));
    write(stream, "bye");
    accepted.clear();
    loop.turn(0ms);
  }
}

TEST_F(RingStreams, reset_a_peer_whose_words_were_not_read) {
  TestPeer* peer = nullptr;
  accept(peer);
  peer->say("never read");
  ASSERT_TRUE(turn_until(loop, [&] { return accepted.back()->has_buffered(); }));
  accepted.clear();
  ASSERT_TRUE(turn_until(loop, [&] { return peer->ended(); }));
  EXPECT_EQ(peer->say("x"), 0U);
}

TEST_F(RingStreams, may_go_in_the_turn_in_which_they_came_and_with_their_loop) {
  for (int i = 0; i < 50; ++i) {
    TestPeer* peer = nullptr;
    accept(peer);
    peer->say("x");
    if (i % 2 == 0) loop.turn(0ms);
    accepted.clear();
  }
  // And some whose operations are never completed.
  TestPeer* peer = nullptr;
  accept(peer);
  accepted.clear();
}

TEST_F(RingStreams, connect_or_say_why_not) {
  const SocketAddress nobody = SocketAddress::v4(INADDR_LOOPBACK, 1);
  for (const bool somebody : {true, false}) {
    SCOPED_TRACE(somebody);
    std::optional<Status> how;
    tasks.spawn([](Loop& on, SocketAddress to, std::optional<Status>& into) -> Task<void> {
      auto dialled = socket_dialer().dial(on, to);
      if (!dialled) {
        into.emplace(std::unexpected(std::move(dialled).error()));
        co_return Status{};
      }
      auto establishing = (*dialled)->established(SteadyTime::max());
      into.emplace(co_await establishing);
      co_return Status{};
    }(loop, somebody ? listener.local() : nobody, how));
    ASSERT_TRUE(turn_until(loop, [&] { return how.has_value(); }));
    EXPECT_EQ(how->has_value(), somebody);
    if (somebody) continue;
    EXPECT_EQ(how->error().code, ECONNREFUSED);
    EXPECT_EQ(how->error().side, Side::upstream);
  }
}

// Whose descriptor has the same number by the time the kernel is told.
TEST_F(RingStreams, that_go_at_once_leave_nothing_to_those_that_come_next) {
  TestPeer* peer = nullptr;
  accept(peer);
  for (int i = 0; i < 10; ++i) {
    auto gone = *socket_dialer().dial(loop, listener.local());
    gone.reset();
    StreamAndPeer next(loop);
    next.peer->say("hello");
    ASSERT_TRUE(turn_until(loop, [&] { return next.stream->has_buffered(); }));
    EXPECT_EQ(read(*next.stream), "hello");
  }
}

TEST_F(RingStreams, may_go_while_they_connect) {
  auto stream = *socket_dialer().dial(loop, SocketAddress::v4(INADDR_LOOPBACK + 1, 1));
  stream.reset();
  settle(loop);
}

TEST_F(RingStreams, are_spliced_with_what_has_come_before) {
  std::signal(SIGPIPE, SIG_IGN);
  TestPeer *sender = nullptr, *receiver = nullptr;
  Stream& from = accept(sender);
  Stream& to = accept(receiver);
  const std::string text = std::string(1'000'000, 's') + "the end";
  size_t said = sender->say(std::string_view(text).substr(0, 3000));
  ASSERT_TRUE(turn_until(loop, [&] { return from.has_buffered(); }));
  ASSERT_TRUE(write(to, "head;"));
  uint64_t moved = 0;
  auto splicing = splice(from, to, text.size(), {10s, 10s}, moved);
  ASSERT_TRUE(splicing);
  std::optional<Status> how;
  tasks.spawn([](Task<void> task, std::optional<Status>& into) -> Task<void> {
    into = co_await task;
    co_return Status{};
  }(*std::move(splicing), how));
  ASSERT_TRUE(turn_until(loop, [&] {
    if (said < text.size()) said += sender->say(std::string_view(text).substr(said));
    receiver->heard();
    return how.has_value();
  }));
  EXPECT_TRUE(how->has_value());
  EXPECT_EQ(moved, text.size());
  ASSERT_TRUE(turn_until(loop, [&] { return receiver->heard().size() == text.size() + 5; }));
  EXPECT_EQ(receiver->heard(), "head;" + text);
}

// Whatever is done to them in whatever order: each side reads a beginning of what the other wrote, all of it where that
// ended in order.
TEST_F(RingStreams, carry_bytes_in_order_whatever_is_done_to_them) {
  struct End {
    std::unique_ptr<Stream> stream;
    size_t written = 0, read = 0;
    bool ended = false;  // writes no more
    bool heard_end = false;
  };
  struct Pair {
    End ends[2];
    bool harsh = false;  // something was given up
  };
  Random random(7);
  const auto byte_at = [](size_t at) { return static_cast<char>(at * 31 + at / 251); };
  std::vector<Pair> pairs;
  std::string buffer(60'000, '\0');
  const auto read_some = [&](Pair& pair, int side) {
    End& end = pair.ends[side];
    if (!end.stream || end.heard_end) return;
    const size_t most = 1 + random.below(buffer.size());
    const auto got = end.stream->try_read(std::span(buffer).first(most));
    if (!got) return;
    if (!*got) {
      pair.harsh = true;
      return;
    }
    for (size_t i = 0; i < **got; ++i) ASSERT_EQ(buffer[i], byte_at(end.read + i));
    end.read += **got;
    if (**got > 0) return;
    end.heard_end = true;
    if (!pair.harsh) EXPECT_EQ(end.read, pair.ends[1 - side].written);
  };
  const auto write_some = [&](Pair& pair, int side) {
    End& end = pair.ends[side];
    if (!end.stream || end.ended) return;
    const size_t bytes = 1 + random.below(random.below(4) == 0 ? buffer.size() : 3000);
    for (size_t i = 0; i < bytes; ++i) buffer[i] = byte_at(end.written + i);
    const size_t cut = random.below(bytes);
    const iovec parts[] = {{buffer.data(), cut}, {buffer.data() + cut, bytes - cut}};
    const auto put = end.stream->try_write(parts);
    if (put && *put) end.written += **put;
    if (put && !*put) pair.harsh = true;
  };
  for (int step = 0; step < 30'000; ++step) {
    if (pairs.size() < 20 && random.below(20) == 0) {
      const size_t before = accepted.size();
      auto dialled = *socket_dialer().dial(loop, listener.local());
      auto establishing = dialled->established(SteadyTime::max());
      Runner runner{nullptr, [](void*, Result<void>) {}};
      if (!establishing.ready()) runner.start(std::move(establishing));
      ASSERT_TRUE(turn_until(loop, [&] { return accepted.size() > before && !runner.running(); }));
      Pair& pair = pairs.emplace_back();
      pair.ends[0].stream = std::move(dialled);
      pair.ends[1].stream = std::move(accepted.back());
      accepted.pop_back();
    }
    if (random.below(3) == 0) loop.turn(0ms);
    if (pairs.empty()) continue;
    Pair& pair = pairs[random.below(pairs.size())];
    const auto side = static_cast<int>(random.below(2));
    End& end = pair.ends[side];
    switch (random.below(40)) {
      case 0:
        if (end.stream) end.stream->end_writing();
        end.ended = true;
        break;
      case 1:
        if (random.below(4) != 0) break;
        pair.harsh = true;
        if (end.stream) end.stream->abort();
        break;
      case 2:
        if (random.below(2) != 0) break;
        pair.harsh = pair.harsh || !end.heard_end;  // what was not read makes a reset
        end.stream.reset();
        end.ended = true;
        if (!pair.ends[1 - side].stream) pairs.erase(pairs.begin() + (&pair - pairs.data()));
        break;
      default: random.below(2) == 0 ? read_some(pair, side) : write_some(pair, side);
    }
    if (HasFatalFailure()) return;
  }
  for (Pair& pair : pairs) {
    if (pair.harsh) continue;
    for (End& end : pair.ends)
      if (end.stream) end.stream->end_writing();
    EXPECT_TRUE(turn_until(loop, [&] {
      for (const int side : {0, 1}) read_some(pair, side);
      return pair.harsh || std::ranges::all_of(pair.ends, [](const End& end) { return !end.stream || end.heard_end; });
    }));
    EXPECT_FALSE(pair.harsh);
  }
}

}  // namespace
}  // namespace sluice
