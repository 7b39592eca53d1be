#include "http/h1/head.h"

#include <gtest/gtest.h>

namespace sluice {
namespace {

HeadProgress parse(std::string head, std::string* value = nullptr) {
  Arena arena;
  Headers headers(arena);
  RequestHeadParser parser{HeadLimits{}};
  const HeadProgress progress = parser.parse(head, headers);
  if (value && progress == HeadProgress::done) *value = headers.get("x").value_or("none");
  return progress;
}

// RFC 9110 5.5. Long values are looked at eight bytes at a time, so each place of each length counts.
TEST(Head, takes_a_value_of_the_bytes_that_one_may_have) {
  for (size_t size = 1; size <= 26; ++size) {
    for (size_t place = 0; place < size; ++place) {
      for (int byte = 0; byte < 256; ++byte) {
        std::string value(size, 'v');
        value[place] = static_cast<char>(byte);
        const bool inside = place > 0 && place + 1 < size;
        const bool good = (byte >= 0x21 && byte != 0x7F) || (inside && (byte == ' ' || byte == '\t'));
        if (!good && (byte == ' ' || byte == '\t')) continue;  // white space around a value is no part of it
        std::string got;
        const HeadProgress progress = parse("GET / HTTP/1.1\r\nx: " + value + "\r\n\r\n", &got);
        ASSERT_EQ(progress == HeadProgress::done, good) << size << " bytes, " << byte << " at " << place;
        if (good) ASSERT_EQ(got, value);
      }
    }
  }
}

TEST(Head, takes_a_value_of_foreign_letters_and_many_spaces) {
  std::string got;
  EXPECT_EQ(parse("GET / HTTP/1.1\r\nX:\t a\xc3\xa4\xff  \t b\x80 \r\n\r\n", &got), HeadProgress::done);
  EXPECT_EQ(got, "a\xc3\xa4\xff  \t b\x80");
}

TEST(Head, takes_a_name_that_is_a_token_only) {
  for (int byte = 0; byte < 256; ++byte) {
    const char c = static_cast<char>(byte);
    const bool token = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                       (c != 0 && std::string_view("!#$%&'*+-.^_`|~").find(c) != std::string_view::npos);
    // A colon ends the name: what is behind it is its value.
    const bool good = token || c == ':';
    EXPECT_EQ(parse(std::string("GET / HTTP/1.1\r\na") + c + "b: v\r\n\r\n") == HeadProgress::done, good) << byte;
  }
}

// Names, too, are looked at eight bytes at a time.
TEST(Head, makes_a_name_of_any_length_lower_case) {
  for (size_t size = 1; size <= 20; ++size) {
    for (size_t place = 0; place < size; ++place) {
      for (int byte = 0; byte < 256; ++byte) {
        std::string name(size, 'X');
        name[place] = static_cast<char>(byte);
        if (byte == ':') continue;
        std::string expected;
        bool good = true;
        for (const char c : name) {
          const bool upper = c >= 'A' && c <= 'Z';
          good &= upper || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') ||
                  (c != 0 && std::string_view("!#$%&'*+-.^_`|~").find(c) != std::string_view::npos);
          expected += upper ? static_cast<char>(c + 32) : c;
        }
        std::string head = "GET / HTTP/1.1\r\n" + name + ":V\r\n\r\n";
        Arena arena;
        Headers headers(arena);
        RequestHeadParser parser{HeadLimits{}};
        ASSERT_EQ(parser.parse(head, headers) == HeadProgress::done, good) << size << ", " << byte << " at " << place;
        if (good) ASSERT_EQ(headers.begin()->name, expected);
        if (good) ASSERT_EQ(headers.begin()->value, "V");
      }
    }
  }
}

}  // namespace
}  // namespace sluice
