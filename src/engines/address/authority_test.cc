#include "engines/address/authority.h"

#include <gtest/gtest.h>

#include "base/strings.h"

namespace sluice {
namespace {

std::string read(std::string_view text, AuthorityUse use = AuthorityUse::host) {
  HostScratch scratch;
  const auto authority = parse_authority(text, scratch, use);
  if (!authority) {
    EXPECT_EQ(authority.error().kind, ErrorKind::invalid) << text;
    EXPECT_EQ(authority.error().side, Side::downstream) << text;
    return "refused";
  }
  return fmt::format("{}{} {}", authority->host,
                     authority->address             ? " literal"
                     : authority->unresolvable_name ? " unresolvable"
                                                    : "",
                     authority->port);
}

std::string refusal(std::string_view text) {
  HostScratch scratch;
  const auto authority = parse_authority(text, scratch);
  return authority ? "accepted" : authority.error().message;
}

TEST(Authority, reads_names_addresses_and_ports) {
  const std::pair<const char*, const char*> rows[] = {
      {"tenant-1.mypaas.test:18081", "tenant-1.mypaas.test 18081"},
      {"tenant-1.mypaas.test", "tenant-1.mypaas.test 0"},
      {"Tenant-1.MyPaaS.Test", "tenant-1.mypaas.test 0"},
      {"LOCALHOST.", "localhost 0"},
      {"localhost.:80", "localhost 80"},
      {"a.b.c.:65535", "a.b.c 65535"},
      {"host:", "host 0"},
      {"_dmarc.example.test:1", "_dmarc.example.test 1"},
      {"xn--bcher-kva.example", "xn--bcher-kva.example 0"},
      {"1.example.2x", "1.example.2x 0"},
      {"0x7f.test", "0x7f.test 0"},
      {"deadbeef", "deadbeef 0"},
      {"0xg", "0xg 0"},
      {"127.0.0.1", "127.0.0.1 literal 0"},
      {"10.0.0.1:8080", "10.0.0.1 literal 8080"},
      {"[::1]", "::1 literal 0"},
      {"[2001:DB8::0:1]:443", "2001:db8::1 literal 443"},
      {"[::ffff:127.0.0.1]:80", "::ffff:127.0.0.1 literal 80"},
      {"[::1]:", "::1 literal 0"},
      {"127.0.0.1:", "127.0.0.1 literal 0"},
  };
  for (const auto& [text, expected] : rows) EXPECT_EQ(read(text), expected) << text;
}

TEST(Authority, marks_names_that_no_query_can_carry) {
  const std::string label63(63, 'a');
  const std::string label64(64, 'a');
  const std::string name253 = label63 + "." + label63 + "." + label63 + "." + std::string(61, 'b');
  EXPECT_EQ(read(".mypaas.test:18081"), ".mypaas.test unresolvable 18081");
  EXPECT_EQ(read("a..b"), "a..b unresolvable 0");
  EXPECT_EQ(read("."), " unresolvable 0");
  EXPECT_EQ(read(label63 + ".test"), label63 + ".test 0");
  EXPECT_EQ(read(label64 + ".test"), label64 + ".test unresolvable 0");
  EXPECT_EQ(read("test." + label64), "test." + label64 + " unresolvable 0");
  EXPECT_EQ(name253.size(), 253u);
  EXPECT_EQ(read(name253), name253 + " 0");
  EXPECT_EQ(read(name253 + ".:8"), name253 + " 8");
  EXPECT_EQ(read(name253 + "b"), name253 + "b unresolvable 0");
  EXPECT_EQ(read(to_upper(name253)), name253 + " 0");
  EXPECT_EQ(read(to_upper(name253) + "b"), to_upper(name253) + "b unresolvable 0");
}

TEST(Authority, refuses_what_is_no_authority) {
  const std::string_view rows[] = {
      "", ":", ":80", "..", "a..", "a.test..", "a.test..:80",
      // other parts of a URI, and what smuggles them in
      "a@b", "a#", "a#b", "%2e", "%61", "a%00", "a/", "a/b", "/", "x.evil.test:80/", "a?b", "a\\b", "http://a",
      "user:pw@host", "a b", " a", "a ", "a\tb", "a\nb", "a\r\nHost: b", std::string_view("a\0b", 3), "a\x7f", "a\x1f",
      "a,b", "a;b", "a*b", "*.a", "a!b", "a$b", "a&b", "a'b", "(a)", "a+b", "a=b", "a~b", "a|b", "a<b", "a>b", "a\"b",
      "a{b}", "a^b", "a`b", "a[b", "a]b",
      // addresses that others would read
      "127.1", "127.0.1", "2130706433", "0x7f000001", "0x7f.1", "0x7f.0x1", "0x", "a.0x", "0177.0.0.1", "017700000001",
      "127.0.0.01", "127.0.0.256", "127.0.0.1.", "127.0.0.1.:80", "1.2.3.4.5", "a.1", "a.1.", "a.007", "1", "1.",
      "a.0XfF", "0.0.0.0x0",
      // brackets
      "[", "]", "[]", "[::1", "::1", "::1:80", "[::1]80", "[::1]a", "[::1]:x", "[::1%25eth0]", "[::1%eth0]",
      "[fe80::1%1]", "[v1.fe]", "[vf.a:b]", "[127.0.0.1]", "[localhost]", "[::1]]", "[[::1]]", "[1:2:3]", "[ ::1]",
      "[::1 ]", "a[::1]",
      // ports
      "a:0", "a:00", "a:080", "a:65536", "a:99999", "a:100000", "a:-1", "a:+1", "a: 1", "a:1 ", "a:1a", "a:0x50",
      "a:80:80", "a:80#", "a:80@b", "a:80\r\n", "a:18446744073709551697", "a:8_0",
      // beyond ASCII: fullwidth digits and dots, latin, a soft hyphen, an ideographic full stop, bytes that are no
      // UTF-8
      "\xEF\xBC\x91\xEF\xBC\x92\xEF\xBC\x97.\xEF\xBC\x90.\xEF\xBC\x90.\xEF\xBC\x91",
      "b\xC3\xBC"
      "cher.test",
      "a\xC2\xAD"
      "b.test",
      "a\xE3\x80\x82test", "\xFF.test", "a:\xEF\xBC\x98\xEF\xBC\x90"};
  for (const auto text : rows) {
    EXPECT_EQ(read(text), "refused") << printable(text);
  }
}

TEST(Authority, needs_a_port_for_connect) {
  EXPECT_EQ(read("a.test:443", AuthorityUse::connect), "a.test 443");
  EXPECT_EQ(read("[::1]:443", AuthorityUse::connect), "::1 literal 443");
  for (const char* bad : {"a.test", "a.test:", "127.0.0.1", "127.0.0.1:", "[::1]", "[::1]:", "a.test:0"})
    EXPECT_EQ(read(bad, AuthorityUse::connect), "refused") << bad;
}

TEST(Authority, says_what_is_wrong) {
  EXPECT_EQ(refusal("a@b"), "destination `a@b` has an `@`: user information is not allowed");
  EXPECT_EQ(refusal("%2e"), "destination `%2e` has a `%`, which no host name has");
  EXPECT_EQ(refusal("a\r\nb"), "destination `a\\x0d\\x0ab` has a space or a control byte");
  EXPECT_NE(refusal("b\xC3\xBC"
                    "cher.test")
                .find("A-label (xn--"),
            std::string::npos);
  EXPECT_EQ(refusal("0x7f.1"), "destination `0x7f.1` is no name and no plain IPv4 address of four decimal parts");
  EXPECT_EQ(refusal("a:70000"), "destination `a:70000` has a port that is not a number from 1 to 65535");
  EXPECT_EQ(refusal("::1"), "destination `::1` has more than one colon: an IPv6 address needs brackets");
}

TEST(Authority, copies_nothing_when_the_name_is_canonical) {
  HostScratch scratch;
  const std::string_view text = "tenant-1.mypaas.test.:80";
  const auto authority = parse_authority(text, scratch);
  EXPECT_EQ(authority->host.data(), text.data());
}

}  // namespace
}  // namespace sluice
