#include "config/kinds/paths.h"

#include "base/header_names.h"

namespace sluice::kinds {
namespace {

TEST(Paths, are_literal_only_with_path_characters) {
  for (const char* path : {"/", "/a", "/a/b.c", "/a%20b", "/~a", "/a;b=c,d", "/a@b:c", "/(x)!$&'*+"})
    EXPECT_EQ(path_error(path), "") << path;
  for (const char* path :
       {"//",   "/a//b", "/./a", "/a/./b", "/a/../b",   "/..",   "/a/.",  "/a%2Fb", "/a%2fb", "/a#b", "/a?b",
        "/a b", "/a%",   "/a%2", "/a%zz",  "/\xC3\xA4", "/a\\b", "/a\"b", "/<a>",   "/a\nb",  "/{a}", "/a|b"})
    EXPECT_NE(path_error(path), "") << path;
}

TEST(Authorities, are_a_host_with_or_without_port) {
  for (const char* text :
       {"a", "a.test", "a.test.", "a_b.test:80", "127.0.0.1", "127.0.0.1:65535", "[::1]", "[::1]:80", "A-b"})
    EXPECT_TRUE(is_authority(text)) << text;
  for (const char* text : {"",       ":",        ":80", "a:",  "a:0",  "a:65536", "a:x", "a:8 0", "u@a",
                           "a/b",    "http://a", "a b", ".a",  "a..b", "[::1",    "::1", "[a]",   "[127.0.0.1]",
                           "[::1]x", "[::1]:",   "a?b", "a#b", "%2e",  "a\nb",    "*.a"})
    EXPECT_FALSE(is_authority(text)) << text;
  EXPECT_FALSE(is_host_name(std::string(64, 'a')));
  EXPECT_FALSE(is_host_name(std::string(254, 'a')));
}

TEST(HeaderNames, are_tokens_and_pseudo_headers_begin_with_a_colon) {
  for (const char* name : {"a", "X-Y", "a_b", "!#$%&'*+-.^_`|~1"}) EXPECT_TRUE(is_header_name(name)) << name;
  for (const char* name : {"", "a b", "a:b", ":a", "a\n", "\xC3\xA4", "a(", "a,b", "a/b", "\""})
    EXPECT_FALSE(is_header_name(name)) << name;
  EXPECT_TRUE(is_pseudo_header(":path"));
  for (const char* name : {"", ":", "path", "::path", ": path"}) EXPECT_FALSE(is_pseudo_header(name)) << name;
  EXPECT_TRUE(is_header_value("a\tb \xC3\xA4"));
  for (const char* value : {"a\n", "a\r", "\x01", "\x7F"}) EXPECT_FALSE(is_header_value(value));
}

TEST(IpLiterals, are_complete_addresses) {
  for (const char* text : {"127.0.0.1", "::", "::1", "fe80::1", "::ffff:1.2.3.4", "255.255.255.255"})
    EXPECT_TRUE(is_ip_literal(text)) << text;
  for (const char* text : {"", "1.2.3", "1.2.3.4.5", "256.1.1.1", "0x7f.1", "127.0.0.01", "localhost", "[::1]",
                           "::1%lo", "1.2.3.4 ", ":::", "1.2.3.4/8"})
    EXPECT_FALSE(is_ip_literal(text)) << text;
  EXPECT_FALSE(is_ip_literal(std::string_view("::1\0x", 5)));
}

}  // namespace
}  // namespace sluice::kinds
