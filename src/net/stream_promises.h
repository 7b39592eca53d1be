// What every kind of Stream promises, tried with each: for tests, one file for each kind, that say
//
//   INSTANTIATE_TEST_SUITE_P(Of, Streams, testing::Values(StreamKind{"sockets", make_sockets}), StreamKind::name_of);
#pragma once

#include <gtest/gtest.h>

#include "net/dialer.h"
#include "net/memory_stream.h"
#include "net/testing.h"

namespace sluice {

struct StreamKind {
  const char* name;
  StreamPair (*make)(Loop& loop);
  static std::string name_of(const testing::TestParamInfo<StreamKind>& tried) { return tried.param.name; }
  friend void PrintTo(const StreamKind& kind, std::ostream* out) { *out << kind.name; }
};

inline StreamPair make_memory_streams(Loop& loop) {
  return memory_streams(loop);
}
inline StreamPair make_socket_streams(Loop& loop) {
  int ends[2];
  CHECK(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends) == 0);
  StreamPair pair;
  pair.upstream = *open_stream(loop, ends[0], Side::upstream);
  pair.downstream = *open_stream(loop, ends[1], Side::downstream);
  return pair;
}

inline StreamPair make_tcp_streams(Loop& loop) {
  StreamPair pair;
  ListenSocket listener;
  const auto opened = listener.start(loop, *ListenSocket::open(SocketAddress::v4(INADDR_LOOPBACK, 0), false),
                                     [&](Incoming& incoming) { pair.downstream = *incoming.take(); });
  CHECK(opened.has_value());
  pair.upstream = *socket_dialer().dial(loop, listener.local());
  Task<void> connecting = pair.upstream->established(SteadyTime::max());
  Runner runner{nullptr, [](void*, Result<void>) {}};
  bool connected = connecting.ready();
  if (!connected) runner.start(std::move(connecting));
  CHECK(turn_until(loop, [&] { return pair.downstream && (connected || !runner.running()); }));
  return pair;
}

struct Told final : Waiter {
  void wake() override { ++times; }
  void cancel() override {}
  int times = 0;
};

class Streams : public testing::TestWithParam<StreamKind> {
 protected:
  Streams() {
    loop.use_manual_clock(SteadyTime(1000s), WallTime(0s));
    std::tie(near, far) = make();
  }
  std::pair<std::unique_ptr<Stream>, std::unique_ptr<Stream>> make() {
    StreamPair pair = GetParam().make(loop);
    return {std::move(pair.upstream), std::move(pair.downstream)};
  }
  ~Streams() override {
    tasks.cancel();
    settle(loop);
  }

  // What a read gives now: "bytes", "end", "error", or "" when it would wait.
  static std::string now(Stream& stream, size_t most = 64) {
    std::string into(most, '\0');
    const auto got = stream.try_read(into);
    if (!got) return "";
    if (!*got) return "error";
    return **got == 0 ? "end" : into.substr(0, **got);
  }
  // All that reads give now; the end and errors are left.
  static std::string all(Stream& stream) {
    std::string out, into(1000, '\0');
    while (const auto got = stream.try_read(into)) {
      if (!*got || **got == 0) break;
      out.append(into, 0, **got);
    }
    return out;
  }
  static bool say(Stream& stream, std::string text) {
    const iovec part{text.data(), text.size()};
    const auto put = stream.try_write(std::span(&part, 1));
    return put && *put && **put == text.size();
  }
  // Reads once, in the background.
  void start_reading(Stream& stream, SteadyTime deadline = SteadyTime::max()) {
    outcome.reset();
    tasks.spawn(read(stream, deadline));
  }
  Task<void> read(Stream& stream, SteadyTime deadline) {
    auto reading = stream.read(buffer, deadline);
    outcome.emplace(co_await reading);
    co_return Status{};
  }
  // Writes all of it to `near`, in the background.
  template <class Bytes>
  void start_writing(Bytes bytes, Nanos idle) {
    written.reset();
    tasks.spawn(write(near->write_all(bytes, idle)));
  }
  Task<void> write(Task<void> writing) {
    written.emplace(co_await writing);
    co_return Status{};
  }
  std::string read_outcome() const {
    if (!outcome) return "waits";
    if (!*outcome) return fmt::format("error {}", static_cast<int>((*outcome).error().kind));
    return **outcome == 0 ? "end" : std::string(buffer.data(), **outcome);
  }
  static std::string error(ErrorKind kind) { return fmt::format("error {}", static_cast<int>(kind)); }

  Loop loop;
  std::unique_ptr<Stream> near, far;
  std::array<char, 64> buffer{};
  std::optional<Result<size_t>> outcome;
  std::optional<Status> written;
  TaskGroup tasks;
};

TEST_P(Streams, are_established_at_once) {
  auto establishing = near->established(loop.now());
  ASSERT_TRUE(establishing.ready());
  EXPECT_TRUE(establishing.take());
}

TEST_P(Streams, carry_bytes_both_ways) {
  EXPECT_EQ(now(*near), "");
  EXPECT_FALSE(near->has_buffered());
  EXPECT_TRUE(say(*far, "hello"));
  EXPECT_TRUE(say(*near, "there"));
  settle(loop);
  EXPECT_TRUE(near->has_buffered());
  EXPECT_EQ(near->buffered_bytes(), 5U);
  EXPECT_EQ(now(*near, 3), "hel");
  EXPECT_EQ(now(*near), "lo");
  EXPECT_EQ(now(*near), "");
  EXPECT_FALSE(near->has_buffered());
  EXPECT_EQ(near->buffered_bytes(), 0U);
  EXPECT_EQ(now(*far), "there");
}

TEST_P(Streams, wait_for_bytes) {
  start_reading(*near);
  settle(loop);
  EXPECT_EQ(read_outcome(), "waits");
  say(*far, "late");
  settle(loop);
  EXPECT_EQ(read_outcome(), "late");
}

TEST_P(Streams, wait_for_bytes_until_a_deadline) {
  start_reading(*near, loop.now() + 5s);
  settle(loop);
  loop.advance(4s);
  settle(loop);
  EXPECT_EQ(read_outcome(), "waits");
  loop.advance(2s);
  settle(loop);
  EXPECT_EQ(read_outcome(), error(ErrorKind::timeout));
}

TEST_P(Streams, lose_nothing_when_a_wait_is_cancelled) {
  start_reading(*near);
  settle(loop);
  tasks.cancel();
  settle(loop);
  EXPECT_EQ(read_outcome(), error(ErrorKind::cancelled));
  say(*far, "after");
  settle(loop);
  EXPECT_EQ(now(*near), "after");
}

TEST_P(Streams, end_one_way_and_go_on_the_other) {
  say(*far, "last words");
  far->end_writing();
  settle(loop);
  EXPECT_TRUE(near->peer_ended());
  EXPECT_FALSE(near->is_broken());
  EXPECT_EQ(now(*near), "last words");
  EXPECT_EQ(now(*near), "end");
  EXPECT_EQ(now(*near), "end");
  EXPECT_TRUE(say(*near, "answer"));
  settle(loop);
  EXPECT_EQ(now(*far), "answer");
  EXPECT_FALSE(say(*far, "more"));
}

TEST_P(Streams, wait_for_room_and_give_up_without_progress) {
  const std::string large(64U << 20, 'x');  // more than the kernel takes
  start_writing(std::string_view(large), 5s);
  settle(loop);
  EXPECT_FALSE(written);
  loop.advance(4s);
  ASSERT_FALSE(all(*far).empty());  // progress: the time counts anew
  settle(loop);
  loop.advance(4s);
  settle(loop);
  EXPECT_FALSE(written);
  loop.advance(6s);
  settle(loop);
  ASSERT_TRUE(written);
  ASSERT_FALSE(*written);
  EXPECT_EQ(written->error().kind, ErrorKind::timeout);
}

TEST_P(Streams, carry_more_than_there_is_room_for) {
  std::string large(4U << 20, '\0');
  for (size_t i = 0; i < large.size(); ++i) large[i] = static_cast<char>(i * 7 + i / 251);
  iovec parts[] = {{large.data(), 1'000'001}, {large.data() + 1'000'001, large.size() - 1'000'001}};
  start_writing(std::span(parts), 5s);
  std::string got, into(300'000, '\0');
  for (int turns = 0; turns < 3000 && got.size() < large.size(); ++turns) {
    if (const auto read = far->try_read(into)) got.append(into, 0, read->value());
    loop.turn(0ms);
  }
  EXPECT_EQ(got, large);
  EXPECT_TRUE(turn_until(loop, [&] { return written.has_value(); }));
  EXPECT_TRUE(*written);
}

// Small ones go together, larger ones part by part: it is the same to whoever reads.
TEST_P(Streams, carry_parts_in_their_order_however_many_bytes_they_have) {
  for (const size_t size : {0, 1, 400, 511, 512, 513, 1024, 5000}) {
    SCOPED_TRACE(size);
    std::string head(512, 'h'), body(size, 'b');
    iovec parts[] = {{head.data(), head.size()}, {body.data(), body.size()}, {head.data(), 3}};
    const auto put = near->try_write(parts);
    ASSERT_TRUE(put && *put);
    EXPECT_EQ(**put, 512 + size + 3);
    settle(loop);
    EXPECT_EQ(now(*far, 10'000), head + body + "hhh");
  }
}

// Not as an end, which might make a body look whole.
TEST_P(Streams, tell_whoever_waits_when_they_are_given_up) {
  start_reading(*near);
  settle(loop);
  near->abort();
  settle(loop);
  EXPECT_EQ(read_outcome(), error(ErrorKind::reset));
  EXPECT_EQ(now(*near), "error");
  EXPECT_FALSE(say(*near, "x"));
  settle(loop);
  EXPECT_TRUE(far->peer_ended() || far->is_broken());
}

// Also where small messages have been taken for which the peer has left no room.
TEST_P(Streams, tell_whoever_writes_when_its_own_side_ends_writing) {
  for (const size_t size : {4000, 64 << 20}) {
    SCOPED_TRACE(size);
    std::tie(near, far) = make();
    const std::string text(size, 'x');
    for (unsigned round = 0; round < 4; ++round) {
      while (say(*near, text)) loop.turn(0ms);
      settle(loop);
    }
    start_writing(std::string_view(text), 0s);
    settle(loop);
    ASSERT_FALSE(written);
    near->end_writing();
    ASSERT_TRUE(turn_until(loop, [&] { return written.has_value(); }));
    EXPECT_FALSE(*written);
    EXPECT_FALSE(say(*near, "x"));
  }
}

TEST_P(Streams, tell_whoever_writes_when_the_peer_has_given_them_up) {
  const std::string large(64U << 20, 'x');  // more than the kernel takes
  start_writing(std::string_view(large), 0s);
  settle(loop);
  ASSERT_FALSE(written);
  far->abort();
  far.reset();
  ASSERT_TRUE(turn_until(loop, [&] { return written.has_value(); }));
  EXPECT_FALSE(*written);
  EXPECT_FALSE(say(*near, "x"));
}

TEST_P(Streams, are_not_established_once_they_are_given_up) {
  near->abort();
  auto establishing = near->established(loop.now());
  ASSERT_TRUE(establishing.ready());
  EXPECT_FALSE(establishing.take());
}

TEST_P(Streams, give_no_bytes_once_they_are_given_up) {
  say(*far, "too late");
  settle(loop);
  near->abort();
  EXPECT_EQ(now(*near), "error");
}

TEST_P(Streams, tell_once_that_a_read_is_worth_trying) {
  Told told;
  EXPECT_EQ(now(*near), "");
  near->when_readable(&told);
  settle(loop);
  EXPECT_EQ(told.times, 0);
  say(*far, "a");
  settle(loop);
  EXPECT_EQ(told.times, 1);
  say(*far, "b");
  settle(loop);
  EXPECT_EQ(told.times, 1);
  EXPECT_EQ(all(*near), "ab");
  near->when_readable(&told);
  near->when_readable(nullptr);
  say(*far, "c");
  settle(loop);
  EXPECT_EQ(told.times, 1);
}

TEST_P(Streams, tell_once_of_the_peers_end) {
  for (const bool closes : {false, true}) {
    std::tie(near, far) = make();
    Told told;
    near->when_hung_up(&told);
    say(*far, "words are no end");
    settle(loop);
    EXPECT_EQ(told.times, 0);
    if (closes)
      far.reset();
    else
      far->end_writing();
    settle(loop);
    EXPECT_EQ(told.times, 1);
    near->when_hung_up(nullptr);
  }
}

TEST_P(Streams, are_silent_while_nothing_comes) {
  EXPECT_EQ(now(*near), "");
  EXPECT_TRUE(near->is_silent());
  settle(loop);
  EXPECT_TRUE(near->is_silent());
  say(*far, "unasked");
  settle(loop);
  EXPECT_FALSE(near->is_silent());
}

TEST_P(Streams, are_not_silent_once_the_peer_has_ended) {
  EXPECT_EQ(now(*near), "");
  far->end_writing();
  settle(loop);
  EXPECT_FALSE(near->is_silent());
}

TEST_P(Streams, break_where_the_peer_goes_without_having_read) {
  say(*near, "never read");
  settle(loop);
  far.reset();
  settle(loop);
  EXPECT_TRUE(near->is_broken());
  EXPECT_EQ(now(*near), "error");
}

TEST_P(Streams, end_in_order_where_the_peer_has_read_all) {
  say(*near, "read");
  settle(loop);
  EXPECT_EQ(now(*far), "read");
  EXPECT_EQ(now(*far), "");
  far.reset();
  settle(loop);
  EXPECT_EQ(now(*near), "end");
}

}  // namespace sluice
