#include "base/ip.h"

#include <gtest/gtest.h>

namespace sluice {
namespace {

std::string reprinted(std::string_view text) {
  const auto address = IpAddress::parse(text);
  return address ? address->to_string() : "refused";
}

TEST(IpAddress, prints_as_rfc_5952) {
  const std::pair<const char*, const char*> rows[] = {
      {"127.0.0.1", "127.0.0.1"},
      {"255.255.255.255", "255.255.255.255"},
      {"0.0.0.0", "0.0.0.0"},
      {"::", "::"},
      {"::1", "::1"},
      {"0:0:0:0:0:0:0:1", "::1"},
      {"2001:DB8::A", "2001:db8::a"},
      {"2001:0db8:0000:0001:0000:0000:0000:0001", "2001:db8:0:1::1"},
      {"2001:db8:0:1:1:1:1:1", "2001:db8:0:1:1:1:1:1"},  // one group of zeros stays
      {"2001:0:0:1:0:0:0:1", "2001:0:0:1::1"},           // the longest run
      {"2001:db8:0:0:1:0:0:1", "2001:db8::1:0:0:1"},     // the first of two
      {"::ffff:1.2.3.4", "::ffff:1.2.3.4"},
      {"::ffff:0102:0304", "::ffff:1.2.3.4"},
      {"64:ff9b::7f00:1", "64:ff9b::7f00:1"},
  };
  for (const auto& [text, expected] : rows) EXPECT_EQ(reprinted(text), expected) << text;
}

TEST(IpAddress, refuses_what_other_parsers_guess_at) {
  const std::string_view rows[] = {
      "",
      " ",
      "1",
      "1.2.3",
      "1.2.3.4.5",
      "1.2.3.256",
      "01.2.3.4",
      "1.2.3.04",
      "0x7f.0.0.1",
      "2130706433",
      "1.2.3.4 ",
      " 1.2.3.4",
      "1.2.3.",
      ".1.2.3",
      "1..2.3",
      "+1.2.3.4",
      "1.2.3.-4",
      "1.2.3.4/8",
      "[::1]",
      "::1%eth0",
      "::1%1",
      ":",
      ":::",
      "1::2::3",
      "12345::",
      "g::",
      "1:2:3:4:5:6:7",
      "1:2:3:4:5:6:7:8:9",
      "1:2:3:4:5:6:7:8::",
      "::1.2.3",
      "::ffff:1.2.3.256",
      "1.2.3.4::",
      ":1:2:3:4:5:6:7",
      "1:2:3:4:5:6:7:",
      std::string_view("1.2.3.4\0", 8),
      std::string_view("::1\0", 4),
      "::ffff:01.2.3.4",
      "0000:0000:0000:0000:0000:0000:0000:0000:0000:0000",
      "\xEF\xBC\x91.2.3.4",
  };
  for (const auto text : rows) EXPECT_EQ(reprinted(text), "refused") << text;
}

TEST(IpAddress, tells_the_families_apart) {
  EXPECT_NE(*IpAddress::parse("0.0.0.0"), *IpAddress::parse("::"));
  EXPECT_NE(*IpAddress::parse("1.2.3.4"), *IpAddress::parse("::ffff:1.2.3.4"));
  EXPECT_LT(*IpAddress::parse("255.0.0.1"), *IpAddress::parse("::1"));
  EXPECT_LT(*IpAddress::parse("9.0.0.1"), *IpAddress::parse("10.0.0.1"));
  EXPECT_EQ(IpAddress::v4(10, 1, 2, 3), *IpAddress::parse("10.1.2.3"));
  EXPECT_EQ(IpAddress::v4(10, 1, 2, 3).v4_bits(), 0x0A010203u);
}

TEST(IpAddress, reads_bytes_of_either_length) {
  const uint8_t bytes[17] = {0x20, 0x01, 0x0d, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 9, 0};
  EXPECT_EQ(IpAddress::from_bytes(std::span(bytes).first(16))->to_string(), "2001:db8::9");
  EXPECT_EQ(IpAddress::from_bytes(std::span(bytes).first(4))->to_string(), "32.1.13.184");
  for (const size_t wrong : {0, 3, 5, 15, 17})
    EXPECT_FALSE(IpAddress::from_bytes(std::span(bytes).first(wrong))) << wrong;
}

TEST(IpAddress, lists_those_of_this_machine) {
  const auto addresses = interface_addresses();
  EXPECT_NE(std::ranges::find(addresses, IpAddress::v4(127, 0, 0, 1)), addresses.end());
}

TEST(Endpoint, survives_the_way_through_a_sockaddr) {
  for (const char* text : {"1.2.3.4:53", "[2001:db8::1]:65535", "[::]:1"}) {
    const auto endpoint = Endpoint::parse(text);
    ASSERT_TRUE(endpoint) << text;
    sockaddr_storage storage;
    EXPECT_GT(endpoint->to_sockaddr(storage), 0u);
    EXPECT_EQ(Endpoint::from_sockaddr(reinterpret_cast<const sockaddr&>(storage)), *endpoint);
    EXPECT_EQ(endpoint->to_string(), text);
  }
  sockaddr unix_socket{};
  unix_socket.sa_family = AF_UNIX;
  EXPECT_FALSE(Endpoint::from_sockaddr(unix_socket));
}

TEST(Endpoint, takes_the_default_port_only_where_there_is_one) {
  EXPECT_EQ(Endpoint::parse("127.0.0.1", 53)->to_string(), "127.0.0.1:53");
  EXPECT_EQ(Endpoint::parse("::1", 53)->to_string(), "[::1]:53");
  EXPECT_EQ(Endpoint::parse("[::1]", 53)->to_string(), "[::1]:53");
  EXPECT_EQ(Endpoint::parse("[::1]:54", 53)->to_string(), "[::1]:54");
  for (const char* bad :
       {"127.0.0.1", "::1", "[::1]", "", ":53", "127.0.0.1:", "127.0.0.1:0", "127.0.0.1:65536", "127.0.0.1:+53",
        "127.0.0.1:053", "[127.0.0.1]:53", "[::1", "[::1]53", "[::1]:", "dns:53", "127.0.0.1:53:54", "127.0.0.1:5x"})
    EXPECT_FALSE(Endpoint::parse(bad)) << bad;
}

TEST(Cidr, contains_exactly_its_range) {
  const struct {
    const char *range, *first, *last, *before, *behind;
  } rows[] = {
      {"10.0.0.0/8", "10.0.0.0", "10.255.255.255", "9.255.255.255", "11.0.0.0"},
      {"172.16.0.0/12", "172.16.0.0", "172.31.255.255", "172.15.255.255", "172.32.0.0"},
      {"1.2.3.4/32", "1.2.3.4", "1.2.3.4", "1.2.3.3", "1.2.3.5"},
      {"1.2.3.4", "1.2.3.4", "1.2.3.4", "1.2.3.3", "1.2.3.5"},
      {"0.0.0.0/1", "0.0.0.0", "127.255.255.255", "::", "128.0.0.0"},
      {"fc00::/7", "fc00::", "fdff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "fbff::", "fe00::"},
      {"2001:db8::/64", "2001:db8::", "2001:db8::ffff:ffff:ffff:ffff", "2001:db7:ffff::", "2001:db8:0:1::"},
      {"2001:db8::/65", "2001:db8::", "2001:db8::7fff:ffff:ffff:ffff", "2001:db7::", "2001:db8::8000:0:0:0"},
      {"::1/128", "::1", "::1", "::", "::2"},
  };
  for (const auto& row : rows) {
    const auto range = Cidr::parse(row.range);
    ASSERT_TRUE(range) << row.range;
    EXPECT_TRUE(range->contains(*IpAddress::parse(row.first))) << row.range;
    EXPECT_TRUE(range->contains(*IpAddress::parse(row.last))) << row.range;
    EXPECT_FALSE(range->contains(*IpAddress::parse(row.before))) << row.range;
    EXPECT_FALSE(range->contains(*IpAddress::parse(row.behind))) << row.range;
  }
  EXPECT_TRUE(Cidr::parse("0.0.0.0/0")->contains(*IpAddress::parse("255.255.255.255")));
  EXPECT_FALSE(Cidr::parse("0.0.0.0/0")->contains(*IpAddress::parse("::ffff:1.2.3.4")));
  EXPECT_TRUE(Cidr::parse("::/0")->contains(*IpAddress::parse("::ffff:1.2.3.4")));
}

TEST(Cidr, says_what_was_meant) {
  const auto message = [](std::string_view text) {
    const auto range = Cidr::parse(text);
    return range ? "accepted" : range.error().message;
  };
  EXPECT_EQ(message("10.1.2.3/8"), "`10.1.2.3/8` has bits set behind the prefix; did you mean `10.0.0.0/8`?");
  EXPECT_EQ(message("2001:db8::1/64"),
            "`2001:db8::1/64` has bits set behind the prefix; did you mean `2001:db8::/64`?");
  EXPECT_EQ(message("10.0.0.0/33"), "`10.0.0.0/33`: the prefix length must be 0 to 32");
  EXPECT_EQ(message("::/129"), "`::/129`: the prefix length must be 0 to 128");
  EXPECT_EQ(message("10/8"), "`10/8` is no address and no range such as 10.0.0.0/8");
  for (const char* bad : {"", "/", "/8", "10.0.0.0/", "10.0.0.0/08", "10.0.0.0/-1", "10.0.0.0/8/8", "10.0.0.0/ 8"})
    EXPECT_NE(message(bad), "accepted") << bad;
}

}  // namespace
}  // namespace sluice
