#include "base/json_depth.h"

#include <gtest/gtest.h>

namespace sluice {
namespace {

TEST(JsonDepth, counts_brackets_outside_of_strings) {
  EXPECT_FALSE(json_deeper_than("", 0));
  EXPECT_FALSE(json_deeper_than("1", 0));
  EXPECT_TRUE(json_deeper_than("[]", 0));
  EXPECT_FALSE(json_deeper_than(R"([{"a":[1]},[2],{}])", 3));
  EXPECT_TRUE(json_deeper_than(R"([{"a":[1]},[2],{}])", 2));
  EXPECT_FALSE(json_deeper_than(R"({"a":"[[[[","b\"{{{{":"\\"})", 1));
  EXPECT_TRUE(json_deeper_than(R"({"a":"\\",[[)", 2));
  EXPECT_FALSE(json_deeper_than("]]]][", 1));
  EXPECT_FALSE(json_deeper_than("\"\\", 0));
}

}  // namespace
}  // namespace sluice
