#include "base/text_key.h"

#include <gtest/gtest.h>

#include <string>
#include <utility>

namespace sluice {
namespace {

TEST(text_key, is_the_text_it_was_made_of) {
  for (const std::string& text : {std::string(), std::string("a"), std::string("tenant-1.mypaas.test"),
                                  std::string("a\0b", 3), std::string(70'000, 'x')})
    EXPECT_EQ(TextKey(text).view(), text);
}

TEST(text_key, a_map_is_asked_with_any_text) {
  TextMap<int> map;
  for (int i = 0; i < 1000; ++i) {
    const auto [at, added] = map.try_emplace(TextKey(std::to_string(i)), i);
    EXPECT_TRUE(added);
    EXPECT_EQ(at->first.view(), std::to_string(i));
  }
  EXPECT_FALSE(map.try_emplace(TextKey("7"), 8).second);
  for (int i = 0; i < 1000; ++i) EXPECT_EQ(map.find(std::to_string(i))->second, i);
  EXPECT_EQ(map.find("1000"), map.end());
  EXPECT_EQ(map.find(std::string_view("7x").substr(0, 1))->second, 7);
}

TEST(text_key, takes_eight_bytes_beside_its_characters) {
  static_assert(sizeof(TextKey) == 8);
}

}  // namespace
}  // namespace sluice
