#include "base/enum_set.h"

#include <gtest/gtest.h>

namespace sluice {
namespace {

enum class Value : uint8_t {};

// The 65th value is neither the first nor lost.
TEST(EnumSet, tells_values_apart_beyond_the_bits_of_a_word) {
  constexpr size_t kCount = 200;
  for (size_t one = 0; one < kCount; ++one) {
    const EnumSet<Value, kCount> set{static_cast<Value>(one)};
    for (size_t other = 0; other < kCount; ++other)
      ASSERT_EQ(set.has(static_cast<Value>(other)), other == one) << one << " " << other;
  }
}

TEST(EnumSet, finds_what_two_have_in_common_in_any_word) {
  const EnumSet<Value, 130> set{static_cast<Value>(3), static_cast<Value>(129)};
  EXPECT_TRUE(set.has_any({static_cast<Value>(129)}));
  EXPECT_TRUE(set.has_any({static_cast<Value>(3), static_cast<Value>(70)}));
  EXPECT_FALSE(set.has_any({static_cast<Value>(1), static_cast<Value>(65)}));
  EXPECT_FALSE(set.has_any({}));
}

}  // namespace
}  // namespace sluice
