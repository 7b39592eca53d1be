#include "forward/connect_memory.h"

#include <gtest/gtest.h>

namespace sluice {
namespace {

const SocketAddress kOne = SocketAddress::v4(INADDR_LOOPBACK, 1);
const SocketAddress kTwo = SocketAddress::v4(INADDR_LOOPBACK, 2);

TEST(ConnectMemory, leaves_a_failing_address_out_for_twice_as_long_each_time) {
  ConnectMemory memory;
  SteadyTime now(1000s);
  for (const Nanos pause : {2s, 4s, 8s, 16s, 32s, 60s, 60s}) {
    EXPECT_EQ(memory.failed(kOne, now), pause);
    EXPECT_EQ(memory.failed(kOne, now), 0s);  // another that was under way
    EXPECT_TRUE(memory.left_out(kOne, now + pause - 1ns));
    EXPECT_FALSE(memory.left_out(kTwo, now));
    now += pause;
    EXPECT_FALSE(memory.left_out(kOne, now));
  }
}

TEST(ConnectMemory, begins_anew_when_an_address_could_be_connected_to) {
  ConnectMemory memory;
  const SteadyTime now(1000s);
  memory.failed(kOne, now);
  memory.failed(kOne, now + 2s);
  memory.connected(kOne);
  EXPECT_TRUE(memory.empty());
  memory.failed(kOne, now);
  EXPECT_FALSE(memory.left_out(kOne, now + ConnectMemory::kPauseFirst));
}

TEST(ConnectMemory, knows_when_all_are_left_out) {
  ConnectMemory memory;
  const SteadyTime now(1000s);
  const std::vector both{kOne, kTwo};
  EXPECT_FALSE(memory.all_left_out({}, now));
  memory.failed(kOne, now);
  EXPECT_FALSE(memory.all_left_out(both, now));
  memory.failed(kTwo, now);
  EXPECT_TRUE(memory.all_left_out(both, now));
}

TEST(ConnectMemory, holds_only_addresses_of_the_destination_and_a_bounded_number) {
  ConnectMemory memory;
  const SteadyTime now(1000s);
  for (uint16_t port = 1; port <= 100; ++port) memory.failed(SocketAddress::v4(INADDR_LOOPBACK, port), now);
  EXPECT_TRUE(memory.left_out(SocketAddress::v4(INADDR_LOOPBACK, ConnectMemory::kAddressesMax), now));
  EXPECT_FALSE(memory.left_out(SocketAddress::v4(INADDR_LOOPBACK, ConnectMemory::kAddressesMax + 1), now));
  memory.forget_others(std::span(&kTwo, 1));
  EXPECT_FALSE(memory.left_out(kOne, now));
  EXPECT_TRUE(memory.left_out(kTwo, now));
}

}  // namespace
}  // namespace sluice
