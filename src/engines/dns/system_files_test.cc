#include "engines/dns/system_files.h"

#include <gtest/gtest.h>

namespace sluice::dns {
namespace {

TEST(ResolvConf, gives_the_nameservers_and_passes_over_the_rest) {
  const auto servers = parse_resolv_conf(
      "# made by dhcp\n"
      "search corp.test\n"
      "nameserver 10.0.0.1\n"
      "  nameserver\t2001:db8::53 ; the second\n"
      "nameserver fe80::1%eth0\n"
      "nameserver\n"
      "nameserver dns.test\n"
      ";nameserver 10.0.0.3\n"
      "options ndots:5\r\n"
      "nameserver 10.0.0.2\r\n");
  ASSERT_EQ(servers.size(), 3u);
  EXPECT_EQ(servers[0].to_string(), "10.0.0.1:53");
  EXPECT_EQ(servers[1].to_string(), "[2001:db8::53]:53");
  EXPECT_EQ(servers[2].to_string(), "10.0.0.2:53");
  EXPECT_TRUE(parse_resolv_conf("").empty());
  std::string many;
  for (int i = 0; i < 20; ++i) many += "nameserver 10.0.0.1\n";
  EXPECT_EQ(parse_resolv_conf(many).size(), kServersMax);
}

TEST(Hosts, gives_every_name_its_addresses) {
  auto hosts = parse_hosts(
      "127.0.0.1 localhost\n"
      "::1 LocalHost ip6-localhost # both\n"
      "10.0.0.1\ta.test. a\n"
      "10.0.0.1 a.test\n"
      "300.0.0.1 bad.test\n"
      "10.0.0.2\n"
      "#10.0.0.3 commented.test\n");
  EXPECT_EQ(hosts.size(), 4u);
  EXPECT_EQ(hosts["localhost"].size(), 2u);
  EXPECT_EQ(hosts["localhost"][1].to_string(), "::1");
  EXPECT_EQ(hosts["a.test"], std::vector{IpAddress::v4(10, 0, 0, 1)});
}

}  // namespace
}  // namespace sluice::dns
