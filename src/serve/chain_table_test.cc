#include "serve/chain_table.h"

#include <gtest/gtest.h>

namespace sluice {
namespace {

Cidr range(std::string_view text) {
  return *Cidr::parse(text);
}
std::string found(const ChainTable& table, std::string_view name, std::string_view client = "192.0.2.1") {
  const auto chain = table.find(name, *IpAddress::parse(client));
  return chain ? std::to_string(*chain) : "none";
}

TEST(ChainTable, chooses_the_exact_name_then_the_longest_wildcard_then_chains_without_names) {
  const auto table = ChainTable::create(std::vector<ChainMatch>{
      {{"a.example", "B.example"}, {}}, {{"*.example"}, {}}, {{"*.deep.example"}, {}}, {{}, {}}});
  ASSERT_TRUE(table);
  EXPECT_TRUE(table->needs_client_hello());
  EXPECT_EQ(found(*table, "a.example"), "0");
  EXPECT_EQ(found(*table, "b.example"), "0");
  EXPECT_EQ(found(*table, "c.example"), "1");
  EXPECT_EQ(found(*table, "x.y.example"), "1") << "a wildcard is for names of any depth, as Envoy has it";
  EXPECT_EQ(found(*table, "x.deep.example"), "2");
  EXPECT_EQ(found(*table, "deep.example"), "1");
  EXPECT_EQ(found(*table, "example"), "3");
  EXPECT_EQ(found(*table, ""), "3");
}

TEST(ChainTable, chooses_the_narrowest_range_for_the_name) {
  const auto table = ChainTable::create(std::vector<ChainMatch>{{{}, {range("10.0.0.0/8")}},
                                                                {{}, {range("10.1.0.0/16"), range("2001:db8::/32")}},
                                                                {{"a.example"}, {range("10.1.2.0/24")}}});
  ASSERT_TRUE(table);
  EXPECT_EQ(found(*table, "", "10.2.0.1"), "0");
  EXPECT_EQ(found(*table, "", "10.1.0.1"), "1");
  EXPECT_EQ(found(*table, "", "2001:db8::1"), "1");
  EXPECT_EQ(found(*table, "", "192.0.2.1"), "none");
  EXPECT_EQ(found(*table, "a.example", "10.1.2.3"), "2");
  EXPECT_EQ(found(*table, "a.example", "10.1.3.3"), "none") << "the name is decided first";
}

TEST(ChainTable, refuses_two_that_take_the_same_connections) {
  const auto said = [](std::vector<ChainMatch> chains) {
    const auto table = ChainTable::create(chains);
    return table ? "" : table.error().message;
  };
  const std::string words = "Tried to apply multiple filter chains with the same FilterChainMatch ";
  EXPECT_EQ(said({{{}, {}, "one"}, {{"*"}, {}, "two"}}), words + "{}: one and two take the same connections");
  EXPECT_EQ(said({{{"a"}, {}, "one"}, {{"b", "A"}, {}, "two"}}),
            words + "{server_names:\"A\"}: one and two take the same connections");
  EXPECT_EQ(said({{{}, {range("10.0.0.0/8")}, "one"}, {{}, {}, "two"}, {{}, {range("10.0.0.0/8")}, "three"}}),
            words + "{}: one and three take the same connections");
  EXPECT_EQ(said({{{"a", "a"}, {range("10.0.0.0/8"), range("10.0.0.0/8")}}, {{}, {}}}), "");
}

TEST(ChainTable, lets_the_first_keep_what_two_want_and_tells_of_all) {
  const std::vector<ChainMatch> chains{{{"a", "b"}, {}}, {{"b", "c", "a"}, {}}, {{"c"}, {range("10.0.0.0/8")}}};
  std::vector<ChainTable::Conflict> conflicts;
  const ChainTable table = ChainTable::create(chains, conflicts);
  ASSERT_EQ(conflicts.size(), 2U);
  EXPECT_EQ(conflicts[0].domain, "b");
  EXPECT_EQ(conflicts[1].domain, "a");
  EXPECT_EQ(conflicts[1].keeps, 0U);
  EXPECT_EQ(conflicts[1].loses, 1U);
  EXPECT_EQ(found(table, "a"), "0");
  EXPECT_EQ(found(table, "b"), "0");
  EXPECT_EQ(found(table, "c"), "1");
  EXPECT_EQ(found(table, "c", "10.1.1.1"), "2");
}

TEST(ChainTable, chooses_by_ciphers_where_a_client_offers_none_but_these) {
  constexpr uint16_t kOld = 0x0035, kOlder = 0x000a, kNew = 0x1301;
  const auto table = ChainTable::create(std::vector<ChainMatch>{{{}, {}, "new"},
                                                                {{}, {}, "old", {kOld, kOlder}},
                                                                {{"a"}, {}, "named"},
                                                                {{}, {range("10.0.0.0/8")}, "near", {kOlder}}});
  ASSERT_TRUE(table);
  EXPECT_TRUE(table->needs_client_hello());
  const auto of = [&](std::vector<uint16_t> offered, std::string_view client = "192.0.2.1",
                      std::string_view name = "") {
    const auto chain = table->find(name, *IpAddress::parse(client), offered);
    return chain ? std::to_string(*chain) : "none";
  };
  EXPECT_EQ(of({kOld}), "1");
  EXPECT_EQ(of({kOlder, kOld}), "1");
  EXPECT_EQ(of({kOld, kNew}), "0");
  EXPECT_EQ(of({}), "0") << "it is no TLS";
  EXPECT_EQ(of({0x3a3a, kOld, 0x00ff, 0x5600}), "1") << "what is no cipher does not count";
  EXPECT_EQ(of({kOld}, "192.0.2.1", "a"), "2") << "the name is decided first";
  EXPECT_EQ(of({kOlder}, "10.1.1.1"), "3");
  EXPECT_EQ(of({kOld}, "10.1.1.1"), "1") << "a narrower range that does not fit is passed over";
  EXPECT_FALSE(ChainTable::create(std::vector<ChainMatch>{{{}, {}, "one", {kOld}}, {{}, {}, "two", {kOld}}}));
}

TEST(ChainTable, needs_no_name_where_none_makes_a_difference) {
  EXPECT_FALSE(ChainTable::create(std::vector<ChainMatch>{{{}, {}}})->needs_client_hello());
  EXPECT_FALSE(ChainTable::create(std::vector<ChainMatch>{{{"*"}, {}}})->needs_client_hello());
}

}  // namespace
}  // namespace sluice
