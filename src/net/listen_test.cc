#include "net/listen.h"

#include <gtest/gtest.h>

#include <fcntl.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <cstring>

#include "net/testing.h"

namespace sluice {
namespace {

TEST(ListenSocket, accepts_a_part_of_a_flood_in_one_turn) {
  Loop loop;
  auto fd = ListenSocket::open(SocketAddress::v4(INADDR_LOOPBACK, 0), false);
  ListenSocket listener;
  int accepted = 0;
  ASSERT_TRUE(listener.start(loop, *fd, [&](Incoming&) { ++accepted; }));
  std::deque<TestPeer> flood;
  for (int i = 0; i < 3 * ListenSocket::kAcceptsATurn; ++i) flood.emplace_back(listener.local());
  for (int turns = 1; turns <= 3; ++turns) {
    loop.turn(0ms);
    EXPECT_EQ(accepted, turns * ListenSocket::kAcceptsATurn);
  }
  flood.emplace_back(listener.local());
  EXPECT_TRUE(turn_until(loop, [&] { return accepted == 3 * ListenSocket::kAcceptsATurn + 1; }));
  for (int i = 0; i < 2 * ListenSocket::kAcceptsATurn; ++i) flood.emplace_back(listener.local());
  loop.turn(0ms);
  listener.close();  // while it is to go on
  settle(loop);
  EXPECT_EQ(accepted, 4 * ListenSocket::kAcceptsATurn + 1);
}

TEST(ListenSocket, closes_once_what_it_could_not_take_over) {
  Loop loop;
  loop.limit_watches(1);  // the loop's own
  for (const bool listening : {false, true}) {
    const int fd = *ListenSocket::open(SocketAddress::v4(INADDR_LOOPBACK, 0), false);
    int reused = -1;
    {
      ListenSocket listener;
      const int code = listening ? listener.start(loop, fd, [](Incoming&) {}).error().code
                                 : open_stream(loop, fd, Side::downstream).error().code;
      EXPECT_EQ(code, ENOSPC);
      EXPECT_FALSE(listener.listening());
      reused = ::open("/dev/null", O_RDONLY | O_CLOEXEC);
      EXPECT_EQ(reused, fd);  // it has been closed, and the number is somebody else's now
    }
    EXPECT_EQ(::fcntl(reused, F_GETFD), FD_CLOEXEC);
    ::close(reused);
  }
}

SocketOption option(int level, int name, int value, SocketOption::When when = SocketOption::When::before_bind) {
  std::string bytes(sizeof value, '\0');
  std::memcpy(bytes.data(), &value, sizeof value);
  return {.description = "a test", .level = level, .name = name, .value = std::move(bytes), .when = when};
}

int value_of(int fd, int level, int name) {
  int value = -1;
  socklen_t size = sizeof value;
  CHECK(::getsockopt(fd, level, name, &value, &size) == 0);
  return value;
}

TEST(ListenSocket, sets_options_that_its_connections_inherit) {
  using enum SocketOption::When;
  const std::vector<SocketOption> options{option(SOL_SOCKET, SO_KEEPALIVE, 1),
                                          option(IPPROTO_TCP, TCP_KEEPIDLE, 77, before_listen),
                                          option(IPPROTO_TCP, TCP_KEEPCNT, 3, after_listen)};
  const int fd = *ListenSocket::open(SocketAddress::v4(INADDR_LOOPBACK, 0), false, options);
  SocketAddress address;
  address.length = sizeof address.v6_address;
  ::getsockname(fd, address.get(), &address.length);
  const TestPeer client(address);
  pollfd ready{fd, POLLIN, 0};
  ASSERT_EQ(::poll(&ready, 1, 5000), 1);
  const int accepted = ::accept4(fd, nullptr, nullptr, SOCK_CLOEXEC);
  for (const int each : {fd, accepted}) {
    EXPECT_EQ(value_of(each, SOL_SOCKET, SO_KEEPALIVE), 1);
    EXPECT_EQ(value_of(each, IPPROTO_TCP, TCP_KEEPIDLE), 77);
    EXPECT_EQ(value_of(each, IPPROTO_TCP, TCP_KEEPCNT), 3);
    ::close(each);
  }
}

TEST(ListenSocket, says_which_option_is_refused) {
  using enum SocketOption::When;
  for (const auto when : {before_bind, before_listen, after_listen}) {
    const std::vector<SocketOption> options{option(IPPROTO_TCP, 9999, 1, when)};
    const auto refused = ListenSocket::open(SocketAddress::v4(INADDR_LOOPBACK, 0), false, options);
    ASSERT_FALSE(refused);
    EXPECT_TRUE(refused.error().message.starts_with(
        "cannot listen on 127.0.0.1:0: the system refuses the socket option \"a test\" (level 6, name 9999): "))
        << refused.error().message;
  }
}

TEST(ListenSocket, goes_on_with_another_socket_and_loses_nobody) {
  Loop loop;
  ListenSocket listener;
  int accepted = 0;
  ASSERT_TRUE(listener.start(loop, *ListenSocket::open(SocketAddress::v4(INADDR_LOOPBACK, 0), true),
                             [&](Incoming& incoming) { accepted += incoming.take().has_value(); }));
  const SocketAddress address = listener.local();
  std::deque<TestPeer> clients;
  for (int i = 0; i < 2 * ListenSocket::kAcceptsATurn; ++i) clients.emplace_back(address);
  const std::vector<SocketOption> options{option(SOL_SOCKET, SO_KEEPALIVE, 1)};
  const int other = *ListenSocket::open(address, true, options);
  ASSERT_TRUE(listener.replace(other));
  EXPECT_EQ(accepted, 2 * ListenSocket::kAcceptsATurn) << "those who waited at the socket before";
  EXPECT_EQ(listener.local(), address);
  clients.emplace_back(address);
  EXPECT_TRUE(turn_until(loop, [&] { return accepted == 2 * ListenSocket::kAcceptsATurn + 1; }));
}

TEST(Incoming, is_handed_over_to_another_loop_or_closed_with_it) {
  Loop here;
  ListenSocket listener;
  std::unique_ptr<Stream> stream;
  auto there = std::make_unique<Loop>();
  ASSERT_TRUE(listener.start(
      here, *ListenSocket::open(SocketAddress::v4(INADDR_LOOPBACK, 0), false),
      [&](Incoming& incoming) { incoming.hand_over(*there, [&](Incoming& arrived) { stream = *arrived.take(); }); }));
  TestPeer one(listener.local());
  ASSERT_TRUE(turn_until(here, [&] {
    there->turn(0s);
    return stream != nullptr;
  }));
  EXPECT_EQ(&stream->loop(), there.get());
  stream.reset();
  EXPECT_TRUE(one.ended());
  TestPeer two(listener.local());
  settle(here);
  EXPECT_FALSE(two.ended());
  there.reset();
  EXPECT_TRUE(two.ended());
}

TEST(ListenSocket, says_who_has_the_port) {
  auto first = ListenSocket::open(SocketAddress::v4(INADDR_LOOPBACK, 0), false);
  ASSERT_TRUE(first);
  Loop loop;
  ListenSocket holder;
  ASSERT_TRUE(holder.start(loop, *first, [](Incoming&) {}));
  auto second = ListenSocket::open(holder.local(), false);
  ASSERT_FALSE(second);
  EXPECT_NE(second.error().message.find("another program has this port"), std::string::npos);
}

}  // namespace
}  // namespace sluice
