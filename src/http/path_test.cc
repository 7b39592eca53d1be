#include "http/path.h"

#include <gtest/gtest.h>
#include <random>

#include "http/testing.h"

namespace sluice {
namespace {

std::string normalized(std::string_view path) {
  Arena arena;
  return std::string(normalize_path(path, arena));
}

TEST(Path, is_judged_as_the_most_lenient_backend_reads_it) {
  const std::pair<std::string_view, std::string_view> rows[] = {
      // Parameters of dot segments (RFC 3986 3.3): a servlet container takes them off first.
      {"/public/..;/admin", "/admin"},
      {"/..;/admin", "/admin"},
      {"/.;/admin", "/admin"},
      {"/public/..;x=1/admin", "/admin"},
      {"/public/..;x=1;y/admin", "/admin"},
      {"/public/%2e%2e;/admin", "/admin"},
      {"/public/.%2E;/admin", "/admin"},
      {"/public/..%3b/admin", "/admin"},
      {"/public/..%3Bx=1/admin", "/admin"},
      {"/public/.;./admin", "/public/admin"},
      {"/public\\..;\\admin", "/admin"},
      {"/public/..;", "/"},
      {"/public/.;x", "/public/"},
      // Escaped separators around dot segments.
      {"/public/..%2fadmin", "/admin"},
      {"/public%2F..%2Fadmin", "/admin"},
      {"/public/..%5cadmin", "/admin"},
      {"/public%5C%2e%2e%5Cadmin", "/admin"},
      {"/public/x%2f..%2f..%2fadmin", "/admin"},
      {"/public/x%2f..;%2f..;y%2fadmin", "/admin"},
      {"/public/.%2fadmin", "/public/admin"},
      {"/public%2f..", "/"},
      {"/a/b%2f..%2fc", "/a/c"},
      {"/a%2fb%2f../c", "/a/c"},
      {"/a%2fb/../c", "/c"},  // RFC 3986 5.2.4: `a%2fb` is one segment
      // Decoded once, and never into something that can be decoded again.
      {"/public/%2%65%2%65/admin", "/public/%2%65%2%65/admin"},
      {"/public/%%32%65%%32%65/admin", "/public/%%32e%%32e/admin"},
      {"/public/%252e%252e/admin", "/public/%252e%252e/admin"},
      {"/%2", "/%2"},
      // Left as they are: no dot segments.
      {"/group%2Fproject", "/group%2Fproject"},
      {"/a;v=1/b;w=2", "/a;v=1/b;w=2"},
      {"/a;v=1/../b", "/b"},
      {"/..a/...;/b", "/..a/...;/b"},
      {"/;/a", "/;/a"},
      {"/a?x=/..;/b", "/a?x=/..;/b"},
  };
  for (const auto& [asked, expected] : rows) EXPECT_EQ(normalized(asked), expected) << asked;
}

void expect_no_dot_segments(const std::string& path) {
  const std::string result = normalized(path);
  ASSERT_TRUE(result.starts_with('/')) << path;
  ASSERT_EQ(normalized(result), result) << path;
  ASSERT_FALSE(finds_dot_segment(result, true) || finds_dot_segment(result, false)) << path << " " << result;
  ASSERT_FALSE(has_dot_segments(result)) << path << " " << result;
  if (finds_dot_segment(path, true) || finds_dot_segment(path, false)) ASSERT_TRUE(has_dot_segments(path)) << path;
}

TEST(Path, has_no_dot_segment_for_any_reader) {
  const std::string_view pieces[] = {"/", ".", "%2e", "%2F", "\\", "%5c", ";", "%3b", "a", "%", "2", "%65"};
  constexpr size_t kPieces = std::size(pieces);
  const auto path_of = [&](uint64_t number, size_t length) {
    std::string path = "/p/";
    for (size_t i = 0; i < length; ++i, number /= kPieces) path += pieces[number % kPieces];
    return path;
  };
  for (uint64_t number = 0; number < kPieces * kPieces * kPieces * kPieces; ++number)
    ASSERT_NO_FATAL_FAILURE(expect_no_dot_segments(path_of(number, 4)));
  std::mt19937_64 random(7);
  for (int i = 0; i < 20'000; ++i) ASSERT_NO_FATAL_FAILURE(expect_no_dot_segments(path_of(random(), 12)));
}

TEST(Rewrites, give_a_path_that_can_be_sent) {
  struct Row {
    std::string_view before, after;
    bool good;
  };
  const Row rows[] = {
      {"/p/x", "/x", true},
      {"/p/x", "/", true},
      {"*", "*", true},
      {"/p?q=/../x", "/?q=/../x", true},
      {"/p/../x", "/q/../x", true},  // normalizePath: false
      {"/p", "/a%20b", true},
      {"/p/x", "", false},
      {"/p", "?q", false},
      {"/p", "x", false},
      {"/p@evil.test/x", "@evil.test/x", false},
      {"/p", "*", false},
      {"/p", "/a b", false},
      {"/p", "/a\tb", false},
      {"/p", "/a\r\nx: y", false},
      {"/p", std::string_view("/a\0b", 4), false},
      {"/p", "/a\x7f", false},
      {"/static../secret", "/files/../secret", false},
      {"/static..;/secret", "/files/..;/secret", false},
      {"/static..%2fsecret", "/files/..%2fsecret", false},
      {"/static.", "/files/.", false},
  };
  for (const Row& row : rows) EXPECT_EQ(rewrite_problem(row.before, row.after).empty(), row.good) << row.after;
}

}  // namespace
}  // namespace sluice
