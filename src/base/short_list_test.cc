#include "base/short_list.h"

#include <gtest/gtest.h>

#include <numeric>
#include <vector>

#include "base/ip.h"

namespace sluice {
namespace {

using Numbers = ShortList<uint16_t, 4>;

std::vector<uint16_t> first(uint16_t count) {
  std::vector<uint16_t> out(count);
  std::iota(out.begin(), out.end(), uint16_t{100});
  return out;
}
std::vector<uint16_t> members(const Numbers& list) {
  return {list.begin(), list.end()};
}

// On both sides of where its members move elsewhere.
TEST(short_list, holds_what_it_is_given) {
  for (uint16_t count = 0; count < 20; ++count) {
    SCOPED_TRACE(count);
    const Numbers list(first(count));
    EXPECT_EQ(members(list), first(count));
    EXPECT_EQ(list.empty(), count == 0);
    Numbers grown;
    for (const uint16_t number : first(count)) grown.push_back(number);
    EXPECT_EQ(grown, list);
    EXPECT_EQ(std::span<const uint16_t>(grown).size(), count);
  }
}

TEST(short_list, is_copied_moved_and_assigned) {
  for (const uint16_t from : {0, 1, 4, 5, 9}) {
    for (const uint16_t to : {0, 1, 4, 5, 9}) {
      SCOPED_TRACE(from * 100 + to);
      const Numbers source(first(from));
      Numbers copy(first(to));
      copy = source;
      EXPECT_EQ(copy, source);
      Numbers moved(first(to));
      moved = std::move(copy);
      EXPECT_EQ(moved, source);
      // NOLINTBEGIN(bugprone-use-after-move,clang-analyzer-cplusplus.Move): it is empty and may be filled again
      EXPECT_TRUE(copy.empty());
      copy.push_back(7);
      // NOLINTEND(bugprone-use-after-move,clang-analyzer-cplusplus.Move)
      EXPECT_EQ(members(copy), std::vector<uint16_t>{7});
      const Numbers taken(std::move(moved));
      EXPECT_EQ(taken, source);
    }
  }
  Numbers own(first(9));
  const Numbers& same = own;
  own = same;
  EXPECT_EQ(members(own), first(9));
}

TEST(short_list, adds_a_member_of_its_own_while_it_grows) {
  Numbers list(first(4));
  list.push_back(list[0]);
  EXPECT_EQ(list[4], 100);
}

TEST(short_list, cleared_it_is_filled_anew) {
  Numbers list(first(9));
  list.clear();
  EXPECT_TRUE(list.empty());
  list.push_back(3);
  EXPECT_EQ(members(list), std::vector<uint16_t>{3});
}

// What it is for.
TEST(short_list, takes_no_more_than_its_members_and_eight_bytes) {
  static_assert(sizeof(Numbers) == 16);
  static_assert(sizeof(ShortList<IpAddress, 1>) == sizeof(IpAddress) + 8);
}

}  // namespace
}  // namespace sluice
