#include "net/stream.h"

#include "net/dialer.h"
#include "net/prefix_stream.h"
#include "net/stream_promises.h"

namespace sluice {
namespace {

// One whose prefix has been read.
StreamPair make_prefixed_streams(Loop& loop) {
  StreamPair pair = make_socket_streams(loop);
  pair.upstream = with_prefix(std::move(pair.upstream), "0123");
  std::array<char, 4> into;
  CHECK(pair.upstream->try_read(into)->value() == 4);
  return pair;
}

// Where the kernel gives none, RingStreams (ring_stream_test.cc) say that they are skipped.
bool has_rings() {
  return Ring::create().has_value();
}

// Of TCP: a socket pair of the kernel knows no resets.
StreamPair make_ring_streams(Loop& loop) {
  if (!loop.ring()) CHECK(loop.use_ring().has_value());
  return make_tcp_streams(loop);
}

std::vector<StreamKind> kinds() {
  std::vector<StreamKind> out{{"sockets", make_socket_streams},
                              {"tcp", make_tcp_streams},
                              {"memory", make_memory_streams},
                              {"prefixed", make_prefixed_streams}};
  if (has_rings()) out.push_back({"ring", make_ring_streams});
  return out;
}

INSTANTIATE_TEST_SUITE_P(Of, Streams, testing::ValuesIn(kinds()), StreamKind::name_of);

// --- bytes that were read before ---

class PrefixedStreams : public testing::Test {
 protected:
  std::string take(size_t most) {
    std::string into(most, '\0');
    auto reading = near->read(into, loop.now());
    CHECK(reading.ready());
    into.resize(reading.take().value());
    return into;
  }
  Loop loop;
  StreamPair pair = memory_streams(loop);
  std::unique_ptr<Stream> far = std::move(pair.downstream);
  std::unique_ptr<Stream> near = with_prefix(std::move(pair.upstream), "0123456789");
};

TEST_F(PrefixedStreams, give_them_first_and_then_what_comes) {
  EXPECT_TRUE(near->has_buffered());
  EXPECT_EQ(near->buffered_bytes(), 10U);
  EXPECT_FALSE(near->is_silent());
  iovec more{const_cast<char*>("abc"), 3};
  ASSERT_TRUE(far->try_write(std::span(&more, 1)));
  settle_in_memory(loop);
  EXPECT_EQ(near->buffered_bytes(), 13U);
  EXPECT_EQ(take(4), "0123");
  EXPECT_TRUE(near->readable(loop.now()).ready());
  EXPECT_EQ(take(40), "456789");
  EXPECT_EQ(take(2), "ab");
  EXPECT_EQ(near->buffered_bytes(), 1U);
}

TEST_F(PrefixedStreams, give_them_also_where_the_peer_has_ended) {
  far->end_writing();
  settle_in_memory(loop);
  EXPECT_TRUE(near->peer_ended());
  EXPECT_EQ(take(40), "0123456789");
  EXPECT_EQ(take(40), "");
}

TEST_F(PrefixedStreams, give_none_once_they_are_given_up) {
  near->abort();
  std::array<char, 4> into;
  const auto got = near->try_read(into);
  ASSERT_TRUE(got);
  EXPECT_FALSE(*got);
}

TEST_F(PrefixedStreams, are_the_stream_itself_without_any) {
  Stream* const plain = far.get();
  EXPECT_EQ(with_prefix(std::move(far), "").get(), plain);
}

// --- connecting -------------------------------------------------------------------------------------------------

class SocketDialers : public testing::Test {
 protected:
  SocketDialers() { loop.use_manual_clock(SteadyTime(1000s), WallTime(0s)); }
  Status established(Stream& stream) {
    std::optional<Status> out;
    TaskGroup tasks;
    tasks.spawn(wait(stream, out));
    EXPECT_TRUE(turn_until(loop, [&] { return out.has_value(); }));
    return *out;
  }
  Task<void> wait(Stream& stream, std::optional<Status>& out) {
    auto establishing = stream.established(loop.now() + 5s);
    out.emplace(co_await establishing);
    co_return Status{};
  }
  Loop loop;
  TestUpstream upstream{loop};
};

TEST_F(SocketDialers, give_a_stream_that_can_be_given_up_while_it_connects) {
  for (const bool gives_up : {false, true}) {
    auto stream = socket_dialer().dial(loop, upstream.address);
    ASSERT_TRUE(stream);
    if (gives_up) (*stream)->abort();
    EXPECT_EQ(established(**stream).has_value(), !gives_up);
  }
}

TEST_F(SocketDialers, say_who_refuses_however_often_they_are_asked) {
  upstream.stop();
  auto stream = socket_dialer().dial(loop, upstream.address);
  ASSERT_TRUE(stream);
  const Status refused = established(**stream);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().kind, ErrorKind::refused);
  EXPECT_EQ(refused.error().side, Side::upstream);
  EXPECT_FALSE(established(**stream));
}

}  // namespace
}  // namespace sluice
