#include "net/listen.h"

#include <gtest/gtest.h>

#include <fcntl.h>

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
