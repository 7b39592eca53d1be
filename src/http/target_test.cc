#include "http/target.h"

#include <gtest/gtest.h>

namespace sluice {
namespace {

TEST(Target, has_four_forms_and_no_fifth) {
  struct Row {
    std::string_view method, target;
    bool valid;
    std::string_view authority = {}, path = {};
  };
  const std::vector<Row> rows = {
      {"GET", "/a?b", true, "", "/a?b"},
      {"GET", "//a", true, "", "//a"},
      {"GET", "/a#b", true, "", "/a"},
      {"GET", "http://h/a", true, "h", "/a"},
      {"GET", "HTTPS://h:8443?q", true, "h:8443", "/?q"},
      {"GET", "http://h", true, "h", "/"},
      {"OPTIONS", "http://h", true, "h", "*"},
      {"OPTIONS", "*", true, "", "*"},
      {"CONNECT", "h:443", true, "h:443", ""},
      {"CONNECT", "[::1]:443", true, "[::1]:443", ""},
      {"GET", "*", false},
      {"GET", "h:443", false},
      {"GET", "h/a", false},
      {"GET", "http:/a", false},
      {"GET", "http:///a", false},
      {"GET", "http://u@h/a", false},
      {"GET", "http://h:x/a", false},
      {"GET", "http://h\\a/", false},
      {"GET", "http://:80/", false},
      {"GET", "ftp://h/a", false},
      {"GET", "javascript://h/a", false},
      {"GET", "://h/a", false},
      {"CONNECT", "h", false},
      {"CONNECT", "h:", false},
      {"CONNECT", "[::1]", false},
      {"CONNECT", "/", false},
      {"CONNECT", "http://h:80/", false},
  };
  for (const Row& row : rows) {
    Arena arena;
    const auto target = parse_target(row.method, row.target, arena);
    ASSERT_EQ(target.has_value(), row.valid) << row.method << " " << row.target;
    if (!target) continue;
    EXPECT_EQ(target->authority, row.authority) << row.target;
    EXPECT_EQ(target->path, row.path) << row.target;
  }
}

}  // namespace
}  // namespace sluice
