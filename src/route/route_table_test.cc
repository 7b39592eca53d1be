#include "route/route_table.h"

#include <gtest/gtest.h>
#include <random>

#include "io/loop.h"

namespace sluice {
namespace {

VirtualHostPtr host_of(std::string name, std::vector<std::string> domains) {
  return std::make_shared<const VirtualHostEntry>(
      VirtualHostEntry{.name = std::move(name), .domains = std::move(domains)});
}

// One host per domain, named like it.
std::unique_ptr<const RouteTable> table_of(const std::vector<std::string>& domains) {
  std::vector<VirtualHostPtr> hosts;
  for (const std::string& domain : domains) hosts.push_back(host_of(domain, {domain}));
  auto table = RouteTable::create(std::move(hosts));
  EXPECT_TRUE(table) << table.error().message;
  return table ? std::move(*table) : nullptr;
}

std::string host_for(const RouteTable& table, std::string_view authority) {
  const VirtualHostEntry* host = table.find_host(authority);
  return host ? host->name : "none";
}

TEST(RouteTable, prefers_exact_domains_then_the_longest_suffix_then_the_longest_prefix_then_any) {
  const auto table =
      table_of({"*", "a.test", "*.test", "*.b.test", "*-x.b.test", "a.*", "a.b.*", "A.Upper.test", "p.test:8080"});
  struct Row {
    std::string_view authority;
    std::string_view host;
  };
  const Row rows[] = {
      {"a.test", "a.test"},
      {"A.TEST", "a.test"},
      {"a.upper.TEST", "A.Upper.test"},
      {"b.test", "*.test"},
      {"x.y.test", "*.test"},
      {"c.b.test", "*.b.test"},
      {"C.B.Test", "*.b.test"},
      {"c-x.b.test", "*-x.b.test"},
      {"-x.b.test", "*.b.test"},  // a wildcard stands for something
      {".b.test", "*.test"},
      {".test", "*"},
      {"a.b.c", "a.b.*"},
      {"a.c", "a.*"},
      {"a.", "*"},
      {"a.b.", "a.*"},
      {"a.b.test", "*.b.test"},  // a suffix comes before a prefix
      {"p.test:8080", "p.test:8080"},
      {"p.test:8081", "*"},  // the port is part of it
      {"p.test", "*.test"},
      {"a.test:80", "a.*"},
      {"other", "*"},
      {"", "*"},
  };
  for (const Row& row : rows) EXPECT_EQ(host_for(*table, row.authority), row.host) << row.authority;
}

TEST(RouteTable, finds_no_host_where_no_domain_fits) {
  const auto table = table_of({"a.test", "*.b.test", "c.*"});
  for (const std::string_view authority : {"", "b.test", "x.test", "a.test.", "a.test:80", "c.", ".b.test", "xa.test"})
    EXPECT_EQ(host_for(*table, authority), "none") << authority;
  EXPECT_EQ(host_for(*table, std::string(100'000, 'a')), "none");
  EXPECT_EQ(host_for(*table_of({}), "a.test"), "none");
}

TEST(RouteTable, refuses_a_domain_that_two_hosts_have) {
  for (const std::vector<std::string>& domains : std::vector<std::vector<std::string>>{
           {"a.test", "a.test"}, {"a.test", "A.test"}, {"*", "*"}, {"*.a", "*.A"}, {"a.*", "a.*"}}) {
    std::vector<VirtualHostPtr> hosts;
    for (const std::string& domain : domains) hosts.push_back(host_of("host", {domain}));
    const auto table = RouteTable::create(std::move(hosts));
    ASSERT_FALSE(table) << domains[0];
    EXPECT_NE(table.error().message.find(domains[1]), std::string::npos);
  }
}

TEST(RouteTable, holds_thousands_of_domains) {
  std::vector<std::string> domains;
  for (int i = 0; i < 5000; ++i) domains.push_back("tenant-" + std::to_string(i) + ".mypaas.test");
  const auto table = *RouteTable::create({host_of("host", std::move(domains))});
  for (int i = 0; i < 5000; ++i) EXPECT_TRUE(table->find_host("Tenant-" + std::to_string(i) + ".mypaas.test"));
  EXPECT_FALSE(table->find_host("tenant-5000.mypaas.test"));
}

TEST(RouteTable, takes_the_first_route_that_matches) {
  VirtualHostEntry host{.name = "vh", .domains = {"*"}};
  for (const char* prefix : {"/a/b", "/a", "/a/c"}) {
    auto route = std::make_unique<RouteEntry>();
    route->name = prefix;
    route->matcher = *RequestMatcher::compile({.path = prefix});
    host.add(std::move(route));
  }
  const auto table = *RouteTable::create({std::make_shared<const VirtualHostEntry>(std::move(host))});
  Loop loop;
  Arena arena;
  StreamInfo info;
  Request request(arena, loop, info);
  request.authority = "x";
  const auto found = [&](std::string_view path) {
    request.path = path;
    const RouteEntry* route = table->find(request).route;
    return route ? route->name : "none";
  };
  EXPECT_EQ(found("/a/b/c"), "/a/b");
  EXPECT_EQ(found("/a/c"), "/a");
  EXPECT_EQ(found("/b"), "none");
}

// What a host with many routes chooses is what asking each of them in turn would choose.
TEST(RouteTable, chooses_among_many_routes_what_their_order_says) {
  std::mt19937 random(7);
  const auto any = [&](size_t below) { return std::uniform_int_distribution<size_t>(0, below - 1)(random); };
  const std::string_view pieces[] = {"/", "a", "A", "b", "/a", "/B/", "%2f", "*", ".", "\xc3\xa4", "\x7f"};
  const auto some_path = [&](size_t most) {
    std::string out = any(20) ? "/" : "";
    for (size_t n = any(most); n > 0; --n) out += pieces[any(std::size(pieces))];
    return out;
  };
  size_t found_some = 0;
  for (int round = 0; round < 60; ++round) {
    VirtualHostEntry host{.name = "vh", .domains = {"*"}};
    const size_t count = VirtualHostEntry::kIndexedFrom + any(200);
    const bool has_any = any(2);
    for (size_t i = 0; i < count; ++i) {
      kinds::Matcher matcher{.path = some_path(round % 2 ? 6 : 60)};
      matcher.case_sensitive = any(3) != 0;
      const size_t form = any(12);
      if (form < 4) matcher.path_match = kinds::PathMatch::exact;
      if (form == 4) matcher = {.path_match = kinds::PathMatch::regex, .path = "/a+b?(/.*)?"};
      if (form == 5 && has_any) matcher.path = "/";
      if (any(3) == 0) matcher.methods = {"POST"};
      auto route = std::make_unique<RouteEntry>();
      route->name = std::to_string(i);
      route->matcher = *RequestMatcher::compile(matcher);
      host.add(std::move(route));
    }
    const auto in_order = [&](Request& request) -> const RouteEntry* {
      for (const auto& route : host.routes)
        if (route->matcher.matches(request) == regex::Found::yes) return route.get();
      return nullptr;
    };
    host.index();
    ASSERT_FALSE(host.by_path.empty());
    Loop loop;
    Arena arena;
    StreamInfo info;
    Request request(arena, loop, info);
    for (int i = 0; i < 300; ++i) {
      std::string path = any(2) ? some_path(8) : std::string(host.routes[any(count)]->matcher.path());
      if (any(3) == 0) path += some_path(3);
      if (any(4) == 0) path = "?" + path;
      if (any(4) == 0) path += "?a=/b";
      request.path = path;
      request.method = any(2) ? "GET" : "POST";
      const RouteEntry* expected = in_order(request);
      ASSERT_EQ(host.find(request).route, expected) << path;
      found_some += expected != nullptr;
    }
  }
  EXPECT_GT(found_some, 5000U);  // of 18,000
}

}  // namespace
}  // namespace sluice
