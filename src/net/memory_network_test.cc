#include "net/memory_network.h"

#include <gtest/gtest.h>

#include <cerrno>
#include <deque>

#include "io/testing.h"

namespace sluice {
namespace {

const SocketAddress kAddress = SocketAddress::v4(INADDR_LOOPBACK, 80);

struct KeepsCalls final : MemoryNetwork::Host {
  void called(MemoryCall call) override { calls.push_back(std::move(call)); }
  std::deque<MemoryCall> calls;
};

class Network : public testing::Test {
 protected:
  Network() {
    loop.use_manual_clock(SteadyTime(1000s), WallTime(0s));
    network.listen(kAddress, host);
  }
  ~Network() override {
    runner.cancel();
    settle_in_memory(loop);
  }
  void dial(const SocketAddress& address = kAddress) {
    auto dialled = network.dial(loop, address);
    ASSERT_TRUE(dialled);
    stream = *std::move(dialled);
    runner.start(establish());
    settle_in_memory(loop);
  }
  Task<void> establish() {
    auto waiting = stream->established(loop.now() + 5s);
    outcome.emplace(co_await waiting);
    co_return Status{};
  }
  std::string said() const {
    if (!outcome) return "waits";
    return *outcome ? "established" : outcome->error().message;
  }

  Loop loop;
  MemoryNetwork network;
  KeepsCalls host;
  std::unique_ptr<Stream> stream;
  std::optional<Status> outcome;
  Runner runner{this, [](void*, Result<void>) {}};
};

TEST_F(Network, connects_to_whoever_listens_once_that_accepts) {
  dial();
  EXPECT_EQ(said(), "waits");
  ASSERT_EQ(host.calls.size(), 1U);
  auto far = host.calls.front().accept();
  settle_in_memory(loop);
  EXPECT_EQ(said(), "established");
  char hello[] = "hello";
  const iovec part{hello, 5};
  ASSERT_EQ(**stream->try_write(std::span(&part, 1)), 5U);
  char heard[8];
  EXPECT_EQ(**far->try_read(heard), 5U);
}

TEST_F(Network, writes_nothing_before_it_is_connected) {
  dial();
  char hello[] = "hello";
  const iovec part{hello, 5};
  EXPECT_FALSE(stream->try_write(std::span(&part, 1)));
}

TEST_F(Network, is_refused_where_nobody_listens) {
  dial(SocketAddress::v4(INADDR_LOOPBACK, 81));
  EXPECT_EQ(said(), "Connection refused");
  EXPECT_EQ(outcome->error().kind, ErrorKind::refused);
  EXPECT_EQ(outcome->error().side, Side::upstream);
}

TEST_F(Network, is_refused_by_whoever_says_so_and_by_whoever_drops_the_call) {
  dial();
  host.calls.front().refuse();
  settle_in_memory(loop);
  EXPECT_EQ(said(), "Connection refused");
  outcome.reset();
  dial();
  host.calls.clear();
  settle_in_memory(loop);
  EXPECT_EQ(said(), "Connection refused");
}

TEST_F(Network, waits_for_a_silent_host_until_its_deadline) {
  dial();
  loop.advance(6s);
  settle_in_memory(loop);
  EXPECT_EQ(said(), "timed out");
  EXPECT_EQ(outcome->error().kind, ErrorKind::timeout);
  EXPECT_FALSE(host.calls.front().given_up());
  stream.reset();
  EXPECT_TRUE(host.calls.front().given_up());
  auto late = host.calls.front().accept();
  EXPECT_TRUE(late->peer_ended());
}

TEST_F(Network, ends_the_wait_of_a_call_that_is_given_up) {
  dial();
  stream->abort();
  settle_in_memory(loop);
  EXPECT_EQ(said(), "the connection was given up");
  EXPECT_TRUE(host.calls.front().given_up());
}

TEST_F(Network, may_have_no_descriptors) {
  network.fail_next(1);
  const auto dialled = network.dial(loop, kAddress);
  ASSERT_FALSE(dialled);
  EXPECT_EQ(dialled.error().code, EMFILE);
  EXPECT_EQ(dialled.error().side, Side::ours);
  EXPECT_TRUE(network.dial(loop, kAddress));
}

}  // namespace
}  // namespace sluice
