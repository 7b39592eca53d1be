#include "engines/address/classify.h"

#include <gtest/gtest.h>

#include <set>

namespace sluice {
namespace {

std::string_view word_of(const char* text, const LocalAddresses& local = {}) {
  const auto address = IpAddress::parse(text);
  EXPECT_TRUE(address) << text;
  return class_word(classify(*address, local));
}

// The first and the last address of a range, and the class of the one before and the one behind.
struct Row {
  const char *first, *last, *word, *before, *before_word, *behind, *behind_word;
};

TEST(Classify, knows_every_range_of_ipv4_by_its_edges) {
  const Row rows[] = {
      {"0.0.0.0", "0.255.255.255", "unspecified", nullptr, "", "1.0.0.0", "global"},
      {"10.0.0.0", "10.255.255.255", "private", "9.255.255.255", "global", "11.0.0.0", "global"},
      {"100.64.0.0", "100.127.255.255", "shared", "100.63.255.255", "global", "100.128.0.0", "global"},
      {"127.0.0.0", "127.255.255.255", "loopback", "126.255.255.255", "global", "128.0.0.0", "global"},
      {"169.254.0.0", "169.254.255.255", "link-local", "169.253.255.255", "global", "169.255.0.0", "global"},
      {"172.16.0.0", "172.31.255.255", "private", "172.15.255.255", "global", "172.32.0.0", "global"},
      {"192.0.0.0", "192.0.0.255", "ietf", "191.255.255.255", "global", "192.0.1.0", "global"},
      {"192.0.2.0", "192.0.2.255", "documentation", "192.0.1.255", "global", "192.0.3.0", "global"},
      {"192.31.196.0", "192.31.196.255", "relay", "192.31.195.255", "global", "192.31.197.0", "global"},
      {"192.52.193.0", "192.52.193.255", "relay", "192.52.192.255", "global", "192.52.194.0", "global"},
      {"192.88.99.0", "192.88.99.255", "relay", "192.88.98.255", "global", "192.88.100.0", "global"},
      {"192.168.0.0", "192.168.255.255", "private", "192.167.255.255", "global", "192.169.0.0", "global"},
      {"192.175.48.0", "192.175.48.255", "relay", "192.175.47.255", "global", "192.175.49.0", "global"},
      {"198.18.0.0", "198.19.255.255", "benchmarking", "198.17.255.255", "global", "198.20.0.0", "global"},
      {"198.51.100.0", "198.51.100.255", "documentation", "198.51.99.255", "global", "198.51.101.0", "global"},
      {"203.0.113.0", "203.0.113.255", "documentation", "203.0.112.255", "global", "203.0.114.0", "global"},
      {"224.0.0.0", "239.255.255.255", "multicast", "223.255.255.255", "global", "240.0.0.0", "reserved"},
      {"240.0.0.0", "255.255.255.255", "reserved", "239.255.255.255", "multicast", nullptr, ""},
  };
  for (const Row& row : rows) {
    EXPECT_EQ(word_of(row.first), row.word) << row.first;
    EXPECT_EQ(word_of(row.last), row.word) << row.last;
    if (row.before) EXPECT_EQ(word_of(row.before), row.before_word) << row.before;
    if (row.behind) EXPECT_EQ(word_of(row.behind), row.behind_word) << row.behind;
  }
}

#define ONES "ffff:ffff:ffff:ffff"
TEST(Classify, knows_every_range_of_ipv6_by_its_edges) {
  const Row rows[] = {
      {"::", "::", "unspecified", nullptr, "", "::1", "loopback"},
      {"::1", "::1", "loopback", "::", "unspecified", "::2", "unspecified"},  // wraps 0.0.0.2
      {"100::", "100::" ONES, "discard", "ff:ffff:ffff:ffff:" ONES, "reserved", "100:0:0:2::", "reserved"},
      {"100:0:0:1::", "100:0:0:1:" ONES, "discard", "100::" ONES, "discard", "100:0:0:2::", "reserved"},
      {"2001:200::", "2001:3ff:ffff:ffff:" ONES, "global", "2001:1ff:ffff:ffff:" ONES, "ietf", "2001:400::", "global"},
      {"2001:1::", "2001:1:ffff:ffff:" ONES, "ietf", "2001:0:0808:0808:0:0:f7f7:f7f7", "transition",
       "2001:2::", "benchmarking"},
      {"2001:2::", "2001:2:0:ffff:" ONES, "benchmarking", "2001:1:ffff:ffff:" ONES, "ietf", "2001:2:1::", "ietf"},
      {"2001:3::", "2001:3:ffff:ffff:" ONES, "relay", "2001:2:ffff:ffff:" ONES, "ietf", "2001:4::", "ietf"},
      {"2001:4:112::", "2001:4:112:ffff:" ONES, "relay", "2001:4:111:ffff:" ONES, "ietf", "2001:4:113::", "ietf"},
      {"2001:10::", "2001:1f:ffff:ffff:" ONES, "ietf", "2001:f:ffff:ffff:" ONES, "ietf", "2001:20::", "ietf"},
      {"2001:30::", "2001:3f:ffff:ffff:" ONES, "ietf", "2001:2f:ffff:ffff:" ONES, "ietf", "2001:40::", "ietf"},
      {"2001:db8::", "2001:db8:ffff:ffff:" ONES, "documentation", "2001:db7:ffff:ffff:" ONES, "global",
       "2001:db9::", "global"},
      {"2002:808:808::", "2002:808:808:ffff:" ONES, "transition", "2001:ffff:ffff:ffff:" ONES, "global",
       "2003::", "global"},
      {"2620:4f:8000::", "2620:4f:8000:ffff:" ONES, "relay", "2620:4f:7fff:ffff:" ONES, "global",
       "2620:4f:8001::", "global"},
      {"3fff::", "3fff:fff:ffff:ffff:" ONES, "documentation", "3ffe:ffff:ffff:ffff:" ONES, "global",
       "3fff:1000::", "global"},
      {"2000::", "2000:ffff:ffff:ffff:" ONES, "global", "1fff:ffff:ffff:ffff:" ONES, "reserved",
       "2001:500::", "global"},
      {"4000::", "5eff:ffff:ffff:ffff:" ONES, "reserved", "3fff:ffff:ffff:ffff:" ONES, "global", "5f00::", "discard"},
      {"5f00::", "5f00:ffff:ffff:ffff:" ONES, "discard", "5eff:ffff:ffff:ffff:" ONES, "reserved", "5f01::", "reserved"},
      {"fc00::", "fdff:ffff:ffff:ffff:" ONES, "private", "fbff:ffff:ffff:ffff:" ONES, "reserved", "fe00::", "reserved"},
      {"fe80::", "febf:ffff:ffff:ffff:" ONES, "link-local", "fe7f:ffff:ffff:ffff:" ONES, "reserved",
       "fec0::", "private"},
      {"fec0::", "feff:ffff:ffff:ffff:" ONES, "private", "febf:ffff:ffff:ffff:" ONES, "link-local",
       "ff00::", "multicast"},
      {"ff00::", "ffff:ffff:ffff:ffff:" ONES, "multicast", "feff:ffff:ffff:ffff:" ONES, "private", nullptr, ""},
  };
  for (const Row& row : rows) {
    EXPECT_EQ(word_of(row.first), row.word) << row.first;
    EXPECT_EQ(word_of(row.last), row.word) << row.last;
    if (row.before) EXPECT_EQ(word_of(row.before), row.before_word) << row.before;
    if (row.behind) EXPECT_EQ(word_of(row.behind), row.behind_word) << row.behind;
  }
}

TEST(Classify, knows_the_metadata_addresses_of_the_clouds) {
  for (const char* text :
       {"169.254.169.254", "fd00:ec2::254", "fd20:ce::254", "169.254.170.2", "169.254.170.23", "fd00:ec2::23",
        "169.254.169.253", "168.63.129.16", "100.100.100.200", "192.0.0.192", "169.254.42.42",
        // wrapped
        "::ffff:169.254.169.254", "64:ff9b::a9fe:a9fe", "2002:a9fe:a9fe::1", "::168.63.129.16"})
    EXPECT_EQ(word_of(text), "metadata") << text;
  EXPECT_EQ(word_of("169.254.169.252"), "link-local");
  EXPECT_EQ(word_of("168.63.129.17"), "global");
  EXPECT_EQ(word_of("100.100.100.201"), "shared");
  EXPECT_EQ(word_of("192.0.0.191"), "ietf");
  EXPECT_EQ(word_of("fd00:ec2::255"), "private");
}

TEST(Classify, lets_the_stricter_of_inner_and_outer_count) {
  const std::pair<const char*, const char*> rows[] = {
      {"::ffff:127.0.0.1", "loopback"},  // mapped
      {"::ffff:10.0.0.1", "private"},
      {"::ffff:8.8.8.8", "reserved"},  // the outer form
      {"::ffff:0.0.0.0", "unspecified"},
      {"::127.0.0.1", "loopback"},  // compatible
      {"::8.8.8.8", "reserved"},
      {"::ffff:0:127.0.0.1", "loopback"},  // SIIT
      {"::ffff:0:8.8.8.8", "reserved"},
      {"64:ff9b::7f00:1", "loopback"},  // NAT64
      {"64:ff9b::808:808", "transition"},
      {"64:ff9b::ffff:ffff", "reserved"},
      {"64:ff9b::1:0:0", "reserved"},          // beside the /96
      {"64:ff9b:1::7f00:1", "loopback"},       // local use, /96
      {"64:ff9b:1:7f00:0:100::", "loopback"},  // local use, /48: 127.0, then 0.1 behind bits 64..71
      {"64:ff9b:1:7f:0:1::", "loopback"},      // local use, /56
      {"64:ff9b:1:0:7f:0:100:0", "loopback"},  // local use, /64
      {"64:ff9b:1::808:808", "transition"},
      {"2002:7f00:1::", "loopback"},  // 6to4
      {"2002:a00:1::1", "private"},
      {"2002:e000:1::", "multicast"},
      {"2002:808:808::1", "transition"},
      {"2001:0:7f00:1::f7f7:f7f7", "loopback"},   // Teredo, the server
      {"2001:0:808:808::80ff:fffe", "loopback"},  // Teredo, the client is 127.0.0.1 inverted
      {"2001:0:808:808::f7f7:f7f7", "transition"},
      {"2600::5efe:7f00:1", "loopback"},  // ISATAP
      {"2600::200:5efe:7f00:1", "loopback"},
      {"2600::200:5efe:808:808", "transition"},
      {"2600::5efe:808:808", "transition"},
      {"2600::5eff:7f00:1", "global"},
      {"fe80::5efe:808:808", "link-local"},
      {"2002:808:808::5efe:7f00:1", "loopback"},  // two wrappers at once
  };
  for (const auto& [text, word] : rows) EXPECT_EQ(word_of(text), word) << text;
}

TEST(Classify, knows_this_machine_and_declared_ranges_before_the_table) {
  LocalAddresses local;
  local.self = {*IpAddress::parse("192.168.7.5"), *IpAddress::parse("2600::5"), *IpAddress::parse("127.0.0.1")};
  local.cluster = {*Cidr::parse("10.42.0.0/16"), *Cidr::parse("fd42::/16")};
  EXPECT_EQ(word_of("192.168.7.5", local), "self");
  EXPECT_EQ(word_of("192.168.7.6", local), "private");
  EXPECT_EQ(word_of("2600::5", local), "self");
  EXPECT_EQ(word_of("::ffff:192.168.7.5", local), "self");
  EXPECT_EQ(word_of("127.0.0.1", local), "loopback");
  EXPECT_EQ(word_of("10.42.0.0", local), "cluster");
  EXPECT_EQ(word_of("10.42.255.255", local), "cluster");
  EXPECT_EQ(word_of("10.43.0.0", local), "private");
  EXPECT_EQ(word_of("fd42::1", local), "cluster");
}

TEST(Classify, lets_the_inner_address_decide_behind_a_declared_nat64_prefix) {
  // RFC 6052 2.4, with 8.8.8.8 and 127.0.0.1 for 192.0.2.33
  const std::tuple<const char*, const char*, const char*> rows[] = {
      {"2600:db8::/32", "2600:db8:808:808::", "2600:db8:7f00:1::"},
      {"2600:db8:100::/40", "2600:db8:108:808:8::", "2600:db8:17f:0:1::"},
      {"2600:db8:122::/48", "2600:db8:122:808:8:800::", "2600:db8:122:7f00:0:100::"},
      {"2600:db8:122:300::/56", "2600:db8:122:308:8:808::", "2600:db8:122:37f:0:1::"},
      {"2600:db8:122:344::/64", "2600:db8:122:344:8:808:800::", "2600:db8:122:344:7f:0:100:0"},
      {"2600:db8:122:344::/96", "2600:db8:122:344::808:808", "2600:db8:122:344::7f00:1"},
      {"64:ff9b::/96", "64:ff9b::808:808", "64:ff9b::7f00:1"},
  };
  for (const auto& [prefix, open, closed] : rows) {
    LocalAddresses local;
    local.nat64 = {*Cidr::parse(prefix)};
    EXPECT_EQ(word_of(open, local), "global") << prefix;
    EXPECT_EQ(word_of(closed, local), "loopback") << prefix;
  }
}

TEST(Classify, has_a_word_for_every_class) {
  std::set<std::string_view> words;
  for (const std::string_view word : class_words()) {
    EXPECT_EQ(class_word(*parse_class_word(word)), word);
    words.insert(word);
  }
  EXPECT_EQ(words.size(), kAddressClasses);
  for (const char* wrong : {"", "Private", "public", "any", "link_local", "private "})
    EXPECT_FALSE(parse_class_word(wrong)) << wrong;
}

}  // namespace
}  // namespace sluice
