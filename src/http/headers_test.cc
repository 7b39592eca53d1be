#include "http/headers.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

namespace sluice {
namespace {

class HeaderFields : public testing::Test {
 protected:
  HeaderFields() {
    headers.add("a", "1");
    headers.add(Known::via, "2");
    headers.add("b", "3");
    headers.add("via", "4");
    headers.add("b", "5");
  }
  std::string text() const {
    std::string out;
    for (const HeaderField& field : headers) out += fmt::format("{}={} ", field.name, field.value);
    return out;
  }
  Arena arena;
  Headers headers{arena};
};

TEST_F(HeaderFields, keep_their_order_and_repeat) {
  EXPECT_EQ(text(), "a=1 via=2 b=3 via=4 b=5 ");
  EXPECT_EQ(headers.get("b"), "3");
  EXPECT_EQ(headers.get("via"), "2");
  EXPECT_EQ(headers.count(Known::via), 2U);
  EXPECT_EQ(headers.joined("b"), "3,5");
}

TEST_F(HeaderFields, are_set_in_the_place_of_the_first_and_alone) {
  headers.set(Known::via, "6");
  EXPECT_EQ(text(), "a=1 via=6 b=3 b=5 ");
  headers.set("b", "7");
  EXPECT_EQ(text(), "a=1 via=6 b=7 ");
  headers.set(Known::server, "8");
  headers.set("c", "9");
  EXPECT_EQ(text(), "a=1 via=6 b=7 server=8 c=9 ");
  headers.set("server", "10");
  EXPECT_EQ(text(), "a=1 via=6 b=7 server=10 c=9 ");
}

TEST_F(HeaderFields, are_removed_wherever_they_are) {
  EXPECT_EQ(headers.remove("none"), 0U);
  EXPECT_EQ(headers.remove(Known::via), 2U);
  EXPECT_EQ(text(), "a=1 b=3 b=5 ");
  EXPECT_EQ(headers.remove("b"), 2U);
  EXPECT_EQ(text(), "a=1 ");
  EXPECT_EQ(headers.remove("a"), 1U);
  EXPECT_EQ(headers.size(), 0U);
}

// Which names were ever there is remembered beside the fields.
TEST_F(HeaderFields, are_found_by_their_number_after_every_change) {
  EXPECT_FALSE(headers.get(Known::server));
  EXPECT_EQ(headers.remove(Known::server), 0U);
  EXPECT_EQ(headers.count(Known::server), 0U);
  EXPECT_FALSE(headers.joined(Known::server));
  EXPECT_EQ(headers.joined(Known::via), "2,4");
  headers.set(Known::server, "6");
  EXPECT_EQ(headers.get(Known::server), "6");
  headers.remove("via");
  EXPECT_FALSE(headers.get(Known::via));
  EXPECT_FALSE(headers.joined(Known::via));
  headers.push({"via", "7", Known::via});
  EXPECT_EQ(headers.get(Known::via), "7");
  headers.remove_if([](const HeaderField& field) { return field.known == Known::via; });
  headers.set(Known::via, "8");
  EXPECT_EQ(text(), "a=1 b=3 b=5 server=6 via=8 ");
  headers.clear();
  EXPECT_FALSE(headers.get(Known::via));
  headers.set("via", "9");
  EXPECT_EQ(headers.get(Known::via), "9");
}

TEST_F(HeaderFields, are_asked_once_each_whether_they_go) {
  std::string asked;
  EXPECT_EQ(headers.remove_if([&](const HeaderField& field) {
    asked += field.value;
    return asked.size() % 2 == 0;
  }),
            2U);
  EXPECT_EQ(asked, "12345");
  EXPECT_EQ(text(), "a=1 b=3 b=5 ");
}

}  // namespace
}  // namespace sluice
