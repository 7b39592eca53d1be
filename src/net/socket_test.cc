#include "net/socket.h"

#include <gtest/gtest.h>

#include <fcntl.h>

#include "net/testing.h"

namespace sluice {
namespace {

Task<void> echo_once(Loop& loop, int fd) {
  Socket socket;
  CO_TRY(socket.adopt(loop, fd, Side::downstream));
  char buffer[64];
  const size_t got = CO_TRY(co_await socket.read(buffer));
  co_return co_await socket.write_all(std::string_view(buffer, got), 1s);
}

Task<void> ask(Loop& loop, SocketAddress address, std::string& answer) {
  Socket socket;
  CO_TRY(co_await connect(socket, loop, address, 1s));
  CO_TRY(co_await socket.write_all("hello", 1s));
  char buffer[64];
  const size_t got = CO_TRY(co_await socket.read(buffer));
  answer.assign(buffer, got);
  loop.stop();
  co_return Status{};
}

TEST(Socket, connects_writes_and_reads) {
  Loop loop;
  auto fd = ListenSocket::open(SocketAddress::v4(INADDR_LOOPBACK, 0), false);
  ASSERT_TRUE(fd) << fd.error().message;
  ListenSocket listener;
  TaskGroup group;
  ASSERT_TRUE(
      listener.start(loop, *fd, [&](int client, const SocketAddress&) { group.spawn(echo_once(loop, client)); }));
  std::string answer;
  group.spawn(ask(loop, listener.local(), answer));
  loop.run();
  EXPECT_EQ(answer, "hello");
  EXPECT_TRUE(group.empty());
}

TEST(ListenSocket, accepts_a_part_of_a_flood_in_one_turn) {
  Loop loop;
  auto fd = ListenSocket::open(SocketAddress::v4(INADDR_LOOPBACK, 0), false);
  ListenSocket listener;
  int accepted = 0;
  ASSERT_TRUE(listener.start(loop, *fd, [&](int client, const SocketAddress&) {
    ::close(client);
    ++accepted;
  }));
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

TEST(Socket, closes_once_what_it_could_not_take_over) {
  Loop loop;
  loop.limit_watches(1);  // the loop's own
  for (const bool listening : {false, true}) {
    const int fd = *ListenSocket::open(SocketAddress::v4(INADDR_LOOPBACK, 0), false);
    int reused = -1;
    {
      Socket socket;
      ListenSocket listener;
      const Status taken = listening
                               ? listener.start(loop, fd, [](int client, const SocketAddress&) { ::close(client); })
                               : socket.adopt(loop, fd, Side::downstream);
      ASSERT_FALSE(taken);
      EXPECT_EQ(taken.error().code, ENOSPC);
      EXPECT_FALSE(socket.open() || listener.listening());
      reused = ::open("/dev/null", O_RDONLY | O_CLOEXEC);
      EXPECT_EQ(reused, fd);  // it has been closed, and the number is somebody else's now
    }
    EXPECT_EQ(::fcntl(reused, F_GETFD), FD_CLOEXEC);
    ::close(reused);
  }
}

TEST(Socket, says_who_has_the_port) {
  auto first = ListenSocket::open(SocketAddress::v4(INADDR_LOOPBACK, 0), false);
  ASSERT_TRUE(first);
  Loop loop;
  ListenSocket holder;
  ASSERT_TRUE(holder.start(loop, *first, [](int, const SocketAddress&) {}));
  auto second = ListenSocket::open(holder.local(), false);
  ASSERT_FALSE(second);
  EXPECT_NE(second.error().message.find("another program has this port"), std::string::npos);
}

}  // namespace
}  // namespace sluice
