#include "net/stream.h"

#include "net/dialer.h"
#include "net/stream_promises.h"

namespace sluice {
namespace {

INSTANTIATE_TEST_SUITE_P(Of, Streams,
                         testing::Values(StreamKind{"sockets", make_socket_streams},
                                         StreamKind{"memory", make_memory_streams}),
                         StreamKind::name_of);

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
