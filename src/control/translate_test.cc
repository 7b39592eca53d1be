#include "control/translate.h"

#include <sys/stat.h>

#include "base/encoding.h"
#include "control/store/test_folder.h"
#include "control/translate_testing.h"
#include "engines/transcoding/testing.h"
#include "net/tls/testing.h"

namespace sluice {
namespace {

std::string gateway(std::string_view name, int port, std::string_view more = "") {
  return object("Gateway", name,
                fmt::format("{{bindAddress: 127.0.0.1, bindPort: {}, httpGateway: {{}}{}}}", port, more));
}

// One route that answers by itself.
std::string service(std::string_view name, std::string_view domains, std::string_view meta = "") {
  return object("VirtualService", name,
                fmt::format("{{virtualHost: {{domains: [{}], routes: [{{matchers: [{{prefix: /}}], "
                            "directResponseAction: {{status: 200, body: {}}}}}]}}}}",
                            domains, name),
                meta);
}

std::string service_with(std::string_view name, std::string_view routes) {
  return object("VirtualService", name,
                fmt::format("{{virtualHost: {{domains: ['{}.test'], routes: [{}]}}}}", name, routes));
}

std::string service_to(std::string_view name, std::string_view action) {
  return service_with(name, fmt::format("{{matchers: [{{prefix: /}}], routeAction: {}}}", action));
}

std::string service_with_secret(std::string_view name, std::string_view domain) {
  return object("VirtualService", name,
                fmt::format("{{virtualHost: {{domains: [{}], options: {{headerManipulation: {{requestHeadersToAdd: "
                            "[{{headerSecretRef: {{name: s, namespace: gloo-system}}}}]}}}}, routes: [{{matchers: "
                            "[{{prefix: /}}], directResponseAction: {{status: 200}}}}]}}}}",
                            domain));
}

const std::string kSecret = object("Secret", "s", "stringData: {x-key: hush}");
constexpr std::string_view kDynamic = ", httpGateway: {options: {dynamicForwardProxy: {}}}";

std::string dynamic_gateway(std::string_view name, int port) {
  return object("Gateway", name, fmt::format("{{bindAddress: 127.0.0.1, bindPort: {}{}}}", port, kDynamic));
}

std::string bad_service(std::string_view name, std::string_view domains) {
  return object("VirtualService", name, fmt::format("{{virtualHost: {{domains: [{}], rutes: []}}}}", domains));
}

class Translate : public TranslateCase {
 protected:
  // What is served, "no " before hosts that are refused: "127.0.0.1:8080 gloo-system_a[a.test] gloo-system_b[b.test]",
  // a line for each listener.
  std::string served() const {
    std::string out;
    for (const auto& listener : now_.snapshot->listeners) {
      out += (out.empty() ? "" : "\n") + listener->address.to_string();
      for (const VirtualHostEntry& host : listener->http.front().router->table().hosts())
        out += fmt::format(" {}{}[{}]", is_refused(host) ? "no " : "", host.name, join(host.domains, " "));
    }
    return out;
  }
  static bool is_refused(const VirtualHostEntry& host) {
    return host.routes.size() == 1 && host.routes[0]->refused.starts_with("this host is refused");
  }
  const RouteEntry& route(size_t index = 0) const {
    return *now_.snapshot->listeners.at(0)->http.front().router->table().hosts()[0].routes.at(index);
  }
  std::string stages() const {
    std::vector<std::string> out;
    for (const StagedFilter& filter : route().chain.filters) out.emplace_back(stage_name(filter.stage));
    return join(out, ", ");
  }

  // What a route that forwards dynamically says to the request's own authority; nothing is sent.
  std::string verdict(std::string_view authority) { return explained(authority, "/").first.verdict; }
  uint16_t status_of(std::string_view authority, std::string_view path) { return explained(authority, path).second; }

 private:
  std::pair<Explanation, uint16_t> explained(std::string_view authority, std::string_view path) {
    Arena arena;
    StreamInfo info;
    Request request(arena, loop_, info);
    TaskGroup background;
    Explanation explanation;
    request.background = &background;
    request.method = "GET";
    request.path = path;
    request.authority = authority;
    uint16_t status = 0;
    bool done = false;
    Runner runner(&done, [](void* flag, Result<void>) { *static_cast<bool*>(flag) = true; });
    runner.start(send(*now_.snapshot->listeners.at(0)->http.front().router, request, explanation, status));
    EXPECT_TRUE(done);
    return {std::move(explanation), status};
  }
  static Task<void> send(const Router& router, Request& request, Explanation& told, uint16_t& status) {
    auto handling = router.explain(request, told);
    const Result<Response> response = co_await handling;
    status = response ? response->status : 0;
    co_return Status{};
  }
};

// --- references -------------------------------------------------------------------------------------------------

TEST_F(Translate, warns_of_a_destination_that_is_not_there_and_serves_the_rest) {
  struct Row {
    std::string_view action;
    std::string_view told;
  };
  const std::string missing =
      "warning: \n  Route Warning: InvalidDestinationWarning. Reason: *v1.Upstream { gloo-system.u } not found";
  for (const Row& row : {
           Row{"{single: {upstream: {name: u, namespace: gloo-system}}}", missing},
           Row{"{single: {upstream: {name: u}}}", missing},
           Row{"{multi: {destinations: [{weight: 1, destination: {upstream: {name: u}}}, {weight: 2, destination: "
               "{upstream: {name: u}}}]}}",
               missing},
           Row{"{single: {upstream: {name: u, namespace: other}}}",
               "warning: \n  Route Warning: InvalidDestinationWarning. Reason: *v1.Upstream { other.u } not found"},
           Row{"{single: {upstream: {name: upstraem}}}",
               "warning: \n  Route Warning: InvalidDestinationWarning. Reason: *v1.Upstream { gloo-system.upstraem } "
               "not "
               "found; did you mean upstream?"},
           Row{"{single: {upstream: {name: upstream, namespace: other}}}",
               "warning: \n  Route Warning: InvalidDestinationWarning. Reason: *v1.Upstream { other.upstream } not "
               "found; there is one in namespace gloo-system"},
           Row{"{}",
               "warning: \n  Route Warning: InvalidDestinationWarning. Reason: must specify either "
               "'singleDestination', 'multipleDestinations' or 'upstreamGroup' for action"},
           Row{"{dynamicForwardProxy: {}}",
               "warning: \n  Route Warning: InvalidDestinationWarning. Reason: the route forwards dynamically, but "
               "Gateway gateway-proxy has no httpGateway.options.dynamicForwardProxy: requests get 503"},
       }) {
    apply(object("Upstream", "upstream", "{static: {hosts: [{addr: 127.0.0.1, port: 9}]}}") +
          service_to("a", row.action));
    std::string said = told("VirtualService", "a");
    if (said.contains("not found")) {
      ASSERT_TRUE(said.ends_with(" (line 10)")) << said;
      said.resize(said.size() - 10);
    }
    EXPECT_EQ(said, "Warning " + std::string(row.told)) << row.action;
    EXPECT_EQ(served(), "127.0.0.1:8080 gloo-system_a[a.test]") << row.action;
  }
}

TEST_F(Translate, tells_each_missing_destination_once_though_two_gateways_serve_the_route) {
  apply(gateway("one", 8001) + gateway("two", 8002) +
        service_with("a", "{matchers: [{prefix: /b}, {prefix: /c}], routeAction: {single: {upstream: {name: u}}}}"));
  EXPECT_EQ(told("VirtualService", "a"),
            "Warning warning: \n  Route Warning: InvalidDestinationWarning. Reason: *v1.Upstream { gloo-system.u } not "
            "found (line 15)");
}

TEST_F(Translate, warns_of_a_service_without_virtual_host) {
  apply(object("VirtualService", "a", "{}") + service("b", "b.test"));
  EXPECT_EQ(told("VirtualService", "a"), "Warning warning: \n  VirtualHost Warning: there is no virtualHost");
  EXPECT_EQ(served(), "127.0.0.1:8080 gloo-system_b[b.test]");
}

TEST_F(Translate, rejects_a_gateway_that_names_an_unknown_service_and_serves_those_it_finds) {
  apply(object("Gateway", "g",
               "{bindAddress: 127.0.0.1, bindPort: 8001, httpGateway: {virtualServices: [{name: gone, namespace: "
               "gloo-system}, {name: a, namespace: gloo-system}, {name: a, namespace: gloo-system}]}}") +
        service("a", "a.test"));
  EXPECT_EQ(told("Gateway", "g"), "Rejected 1 error occurred:\n\t* invalid virtual service ref gloo-system.gone\n\n");
  EXPECT_EQ(told("VirtualService", "a"), "Accepted");
  EXPECT_EQ(served(), "127.0.0.1:8001 gloo-system_a[a.test]");
}

TEST_F(Translate, selects_services_by_label_and_namespace) {
  const std::string both =
      service("a", "a.test", ", labels: {team: x}") + service("b", "b.test", ", labels: {team: w}");
  struct Row {
    std::string_view http;
    std::string_view served;
  };
  for (const Row& row : {
           Row{"{virtualServiceSelector: {team: x}}", "127.0.0.1:8001 gloo-system_a[a.test]"},
           Row{"{virtualServiceSelector: {team: x, tier: z}}", ""},
           Row{"{virtualServiceSelector: {team: w}, virtualServices: [{name: a, namespace: gloo-system}]}",
               "127.0.0.1:8001 gloo-system_b[b.test]"},
           Row{"{virtualServiceNamespaces: [other]}", ""},
           Row{"{virtualServiceNamespaces: ['*']}", "127.0.0.1:8001 gloo-system_a[a.test] gloo-system_b[b.test]"},
           Row{"{virtualServiceNamespaces: [gloo-system]}",
               "127.0.0.1:8001 gloo-system_a[a.test] gloo-system_b[b.test]"},
       }) {
    apply(object("Gateway", "g", fmt::format("{{bindAddress: 127.0.0.1, bindPort: 8001, httpGateway: {}}}", row.http)) +
          both);
    EXPECT_EQ(served(), row.served) << row.http;
    EXPECT_EQ(told("Gateway", "g").starts_with("Warning"), row.served.empty()) << row.http;
  }
}

// --- domains ----------------------------------------------------------------------------------------------------

TEST_F(Translate, rejects_all_that_share_a_domain_in_gloos_words) {
  apply(service("a", "a.test, both.test") + service("b", "Both.test"));
  for (const auto& [name, other] : {std::pair("a", "b"), std::pair("b", "a")})
    EXPECT_EQ(told("VirtualService", name),
              fmt::format("Rejected 2 errors occurred:\n"
                          "\t* domain conflict: the [both.test] domain is present in other virtual services that "
                          "belong to the same Gateway as this one: [gloo-system.{}]\n"
                          "\t* VirtualHost Error: DomainsNotUniqueError. Reason: domain both.test is shared by the "
                          "following virtual hosts: [gloo-system.a gloo-system.b]\n\n",
                          other));
  apply(gateway("g", 8001) + service("a", "a.test, both.test") + service("b", "both.test"));
  EXPECT_EQ(told("Gateway", "g"),
            "Rejected 1 error occurred:\n\t* domain conflict: the following domains are present in more than one of "
            "the virtual services associated with this gateway: [both.test]\n\n");
}

TEST_F(Translate, words_conflicts_of_services_without_domains_as_gloo_does) {
  const std::string none = "{virtualHost: {routes: []}}";
  apply(gateway("g", 8001) + object("VirtualService", "a", none) + object("VirtualService", "b", none));
  EXPECT_EQ(told("VirtualService", "a"),
            "Rejected 2 errors occurred:\n"
            "\t* domain conflict: other virtual services that belong to the same Gateway as this one don't specify a "
            "domain (and thus default to '*'): [gloo-system.b]\n"
            "\t* VirtualHost Error: DomainsNotUniqueError. Reason: domain * is shared by the following virtual hosts: "
            "[gloo-system.a gloo-system.b]\n\n");
  EXPECT_EQ(told("Gateway", "g"),
            "Rejected 1 error occurred:\n\t* domain conflict: the following domains are present in more than one of "
            "the virtual services associated with this gateway: [EMPTY_DOMAIN]\n\n");

  apply(gateway("g", 8001) + object("VirtualService", "a", none) + service("b", "'*'"));
  EXPECT_EQ(told("VirtualService", "a"),
            "Rejected 1 error occurred:\n\t* VirtualHost Error: DomainsNotUniqueError. Reason: domain * is shared by "
            "the following virtual hosts: [gloo-system.a gloo-system.b]\n\n");
  EXPECT_EQ(told("Gateway", "g"), "Accepted");
}

TEST_F(Translate, lets_the_older_of_two_services_serve_at_start) {
  struct Row {
    std::string_view a, b, served;
  };
  for (const Row& row : {
           Row{"", "", "gloo-system_a"},
           Row{", creationTimestamp: '2026-01-02T00:00:00Z'", ", creationTimestamp: '2026-01-01T00:00:00Z'",
               "gloo-system_b"},
           Row{"", ", creationTimestamp: '2026-01-01T00:00:00Z'", "gloo-system_b"},
       }) {
    Translator fresh(translate_options(metrics_, resolvers_, log_files_));
    now_ = fresh.translate(read(service("a", "both.test", row.a) + service("b", "both.test", row.b)));
    EXPECT_EQ(served(), fmt::format("127.0.0.1:8080 {}[both.test]", row.served));
  }
}

TEST_F(Translate, leaves_a_domain_with_the_service_that_served_it) {
  const std::string older = ", creationTimestamp: '2020-01-01T00:00:00Z'";
  const std::string newer = ", creationTimestamp: '2026-01-01T00:00:00Z'";
  apply(service("a", "a.test", newer));
  apply(service("a", "a.test", newer) + service("b", "a.test", older));
  EXPECT_EQ(served(), "127.0.0.1:8080 gloo-system_a[a.test]");
  // Also while the conflict lasts, and whoever comes to it.
  apply(service("a", "a.test", newer) + service("b", "a.test", older) + service("c", "a.test", older));
  EXPECT_EQ(served(), "127.0.0.1:8080 gloo-system_a[a.test]");
  apply(service("b", "a.test", older));
  EXPECT_EQ(served(), "127.0.0.1:8080 gloo-system_b[a.test]");
  EXPECT_EQ(told("VirtualService", "b"), "Accepted");
}

TEST_F(Translate, serves_the_last_good_version_of_a_service_that_claims_what_another_serves) {
  const std::string older = ", creationTimestamp: '2020-01-01T00:00:00Z'";
  apply(service("a", "a.test") + service("b", "b.test", older));
  apply(service("a", "a.test") + service("b", "b.test, a.test", older));
  EXPECT_EQ(served(), "127.0.0.1:8080 gloo-system_a[a.test] gloo-system_b[b.test]");
  // Unless somebody else has its domain by now.
  apply(service("a", "a.test") + service("b", "a.test", older) + service("c", "b.test"));
  EXPECT_EQ(served(), "127.0.0.1:8080 gloo-system_a[a.test] gloo-system_c[b.test]");
}

TEST_F(Translate, does_not_let_a_service_that_clashes_with_itself_stop_the_others) {
  apply(service("a", "a.test, A.test") + service("b", "b.test"));
  EXPECT_EQ(served(), "127.0.0.1:8080 gloo-system_b[b.test] no gloo-system_a[a.test]");
  EXPECT_EQ(told("VirtualService", "a"),
            "Rejected 2 errors occurred:\n"
            "\t* domain conflict: the [a.test] domain is present in other virtual services that belong to the same "
            "Gateway as this one: [gloo-system.a]\n"
            "\t* VirtualHost Error: DomainsNotUniqueError. Reason: domain a.test is shared by the following virtual "
            "hosts: [gloo-system.a gloo-system.a]\n\n");
}

// --- gateways ---------------------------------------------------------------------------------------------------

TEST_F(Translate, serves_on_loopback_when_no_gateway_is_configured) {
  apply(service("a", "a.test"));
  EXPECT_EQ(served(), "127.0.0.1:8080 gloo-system_a[a.test]");
  EXPECT_EQ(now_.snapshot->listeners[0]->http.front().config.name, "listener-127.0.0.1-8080");
  EXPECT_EQ(told("Gateway", "gateway-proxy"), "nothing");
}

TEST_F(Translate, names_few_of_many_that_clash) {
  std::string services, gateways;
  for (int i = 10; i < 30; ++i) {
    services += service(fmt::format("s{}", i), "same.test");
    gateways += gateway(fmt::format("g{}", i), 8001);
  }
  apply(services);
  const std::string said = told("VirtualService", "s29");
  EXPECT_TRUE(said.contains("gloo-system.s10 ") && said.contains("gloo-system.s19 and 9 more]")) << said;
  EXPECT_TRUE(said.contains("gloo-system.s19 and 10 more]")) << said;
  EXPECT_FALSE(said.contains("gloo-system.s20")) << said;
  apply(gateways);
  EXPECT_TRUE(told("Gateway", "g29").contains(",gloo-system.g19,and 10 more")) << told("Gateway", "g29");
}

// What was meant for another address must not be served on that of the default.
TEST_F(Translate, serves_on_loopback_only_where_nothing_can_be_a_gateway) {
  const std::string good = object("Gateway", "g", "{bindAddress: 10.0.0.1, bindPort: 9090, httpGateway: {}}");
  const auto slip = [&good](std::string_view right, std::string_view wrong) {
    std::string text = good;
    return text.replace(text.find(right), right.size(), wrong);
  };
  for (const std::string& bad :
       {slip("kind: Gateway", "kind: Gatway"), slip("kind: Gateway", "knd: Gateway"), slip("solo.io/v1", "solo.io/v2"),
        slip("name: g", "nam: g"), slip("bindPort", "bindport"), slip("httpGateway: {}", "httpGateway: {"),
        std::string("apiVersion: v1\nkind: List\nitems: [{apiVersion: gateway.solo.io/v1, kind: Gatewy, metadata: "
                    "{name: g}}]\n")}) {
    apply(service("a", "a.test") + "---\n" + bad);
    EXPECT_EQ(served(), "") << bad;
  }
  apply(service("a", "a.test") + object("VirtualServce", "v", "{}"));
  EXPECT_EQ(served(), "127.0.0.1:8080 gloo-system_a[a.test]");
}

TEST_F(Translate, opens_no_port_for_a_gateway_without_services) {
  apply(gateway("g", 8001));
  EXPECT_EQ(served(), "");
  EXPECT_EQ(told("Gateway", "g"), "Warning warning: \n  it selects no VirtualService, so no port is opened");
  apply(gateway("g", 8001) + object("VirtualService", "bad", "{virtualHos: {}}"));
  EXPECT_TRUE(told("Gateway", "g").ends_with("no port is opened (those that are rejected do not count)"));
}

TEST_F(Translate, rejects_gateways_that_share_an_address) {
  apply(gateway("one", 8001) + gateway("two", 8001) + gateway("three", 8003) + service("a", "a.test"));
  for (const auto name : {"one", "two"})
    EXPECT_EQ(told("Gateway", name),
              "Rejected 1 error occurred:\n\t* bind-address 127.0.0.1:8001 is not unique in a proxy. gateways: "
              "gloo-system.one,gloo-system.two\n\n");
  EXPECT_EQ(served(), "127.0.0.1:8003 gloo-system_a[a.test]");
}

TEST_F(Translate, knows_an_address_however_it_is_spelled) {
  const auto on = [](std::string_view name, std::string_view address) {
    return object("Gateway", name, fmt::format("{{bindAddress: '{}', bindPort: 8001, httpGateway: {{}}}}", address));
  };
  apply(on("one", "::") + on("two", "0::0") + on("three", "::1") + service("a", "a.test"));
  EXPECT_EQ(told("Gateway", "one"),
            "Rejected 1 error occurred:\n\t* bind-address :::8001 is not unique in a proxy. gateways: "
            "gloo-system.one,gloo-system.two\n\n");
  EXPECT_EQ(told("Gateway", "two"),
            "Rejected 1 error occurred:\n\t* bind-address 0::0:8001 is not unique in a proxy. gateways: "
            "gloo-system.one,gloo-system.two\n\n");
  EXPECT_EQ(served(), "[::1]:8001 gloo-system_a[a.test]");
}

TEST_F(Translate, gives_the_address_of_a_gateway_that_is_bad_now_to_the_one_that_asks_for_it) {
  const std::string bad =
      ", options: {accessLoggingService: {accessLog: [{fileSink: {path: /dev/stdout, stringFormat: "
      "'%NOPE%'}}]}}";
  for (const std::string_view other : {"a", "z"}) {  // whichever is looked at first
    apply(gateway("g", 8001) + service("s", "s.test"));
    apply(gateway("g", 8002, bad) + service("s", "s.test"));
    EXPECT_EQ(served(), "127.0.0.1:8001 gloo-system_s[s.test]");
    apply(gateway("g", 8002, bad) + gateway(other, 8001) + service("s", "s.test"));
    ASSERT_EQ(now_.snapshot->listeners.size(), 1U);
    EXPECT_EQ(now_.snapshot->listeners[0]->gateway, fmt::format("gloo-system/{}", other));
  }
}

TEST_F(Translate, keeps_any_port_for_each_of_those_that_moved_to_a_clash) {
  apply(gateway("one", 0) + gateway("two", 0) + service("a", "a.test"));
  apply(gateway("one", 8001) + gateway("two", 8001) + service("a", "a.test"));
  EXPECT_EQ(now_.snapshot->listeners.size(), 2U);
}

TEST_F(Translate, keeps_the_gateway_open_that_had_the_address_first) {
  apply(gateway("one", 8001) + service("a", "a.test"));
  apply(gateway("one", 8001) + gateway("two", 8001) + service("a", "a.test"));
  EXPECT_EQ(served(), "127.0.0.1:8001 gloo-system_a[a.test]");
  EXPECT_EQ(now_.snapshot->listeners[0]->gateway, "gloo-system/one");
  // One that moved to a clash stays where it was, unless somebody else is there now.
  apply(gateway("one", 8002) + gateway("two", 8002) + service("a", "a.test"));
  EXPECT_EQ(served(), "127.0.0.1:8001 gloo-system_a[a.test]");
  apply(gateway("one", 8002) + gateway("two", 8002) + gateway("three", 8001) + service("a", "a.test"));
  EXPECT_EQ(now_.snapshot->listeners.size(), 1U);
  EXPECT_EQ(now_.snapshot->listeners[0]->gateway, "gloo-system/three");
}

TEST_F(Translate, lets_several_gateways_ask_for_any_port) {
  apply(gateway("one", 0) + gateway("two", 0) + service("a", "a.test"));
  EXPECT_EQ(now_.snapshot->listeners.size(), 2U);
  EXPECT_EQ(told("Gateway", "one"), "Accepted");
}

TEST_F(Translate, warns_of_a_gateway_for_other_proxies) {
  apply(gateway("g", 8001, ", proxyNames: [edge, mesh]") + service("a", "a.test"));
  EXPECT_EQ(told("Gateway", "g"),
            "Warning warning: \n  this Gateway is for the proxies [edge mesh]; this program is gateway-proxy, so it is "
            "not served here");
  EXPECT_EQ(served(), "");
}

TEST_F(Translate, serves_without_a_log_that_cannot_be_written_and_says_so) {
  const std::string objects =
      gateway("g", 8002,
              ", options: {accessLoggingService: {accessLog: [{fileSink: {path: /dev/null}}, {fileSink: "
              "{path: /proc/none/log}}]}}") +
      service("a", "a.test");
  const std::string_view expected =
      "Warning warning: \n  spec.options.accessLoggingService.accessLog[1].fileSink.path: cannot write the access log "
      "/proc/none/log: No such file or directory; requests are served without it";
  apply(objects);
  EXPECT_EQ(told("Gateway", "g"), expected);
  EXPECT_EQ(served(), "127.0.0.1:8002 gloo-system_a[a.test]");
  EXPECT_EQ(tried(objects, "Gateway", "g"), expected);
}

constexpr std::string_view kBadLogs =
    ", options: {accessLoggingService: {accessLog: [{fileSink: {path: /dev/null, stringFormat: '%NOPE%'}}, "
    "{fileSink: {path: /dev/null, stringFormat: '%PROTOCOL%'}}, {fileSink: {path: /dev/null, jsonFormat: {a: '%'}}}]}}";
constexpr std::string_view kBadLogsTold =
    "Rejected 2 errors occurred:\n"
    "\t* spec.options.accessLoggingService.accessLog[0].fileSink.stringFormat: unknown operator %NOPE%\n"
    "\t* spec.options.accessLoggingService.accessLog[2].fileSink.jsonFormat.a: a lone % at byte 0: write %% for a "
    "percent sign\n\n";

TEST_F(Translate, tells_every_bad_log_format_of_a_gateway_whether_or_not_it_serves) {
  for (const std::string& others : {std::string(), service("a", "a.test")}) {
    apply(gateway("g", 8001, kBadLogs) + others);
    EXPECT_EQ(told("Gateway", "g"), kBadLogsTold) << others;
    EXPECT_EQ(served(), "") << others;
    EXPECT_EQ(tried(gateway("g", 8001, kBadLogs), "Gateway", "g"), kBadLogsTold);
  }
  apply(gateway("g", 8001, fmt::format("{}, proxyNames: [edge]", kBadLogs)));
  EXPECT_TRUE(told("Gateway", "g").starts_with(kBadLogsTold)) << told("Gateway", "g");
}

TEST_F(Translate, keeps_the_last_listener_of_a_gateway_with_a_bad_log_format) {
  apply(gateway("g", 8001) + service("a", "a.test"));
  apply(gateway("g", 8002, kBadLogs) + service("a", "a.test"));
  EXPECT_EQ(told("Gateway", "g"), kBadLogsTold);
  EXPECT_EQ(served(), "127.0.0.1:8001 gloo-system_a[a.test]");
}

TEST_F(Translate, maps_the_settings_of_a_gateway_to_its_listener) {
  apply(object("Gateway", "g",
               "{bindAddress: '::1', bindPort: 8001, options: {perConnectionBufferLimitBytes: 4096}, httpGateway: "
               "{options: {connectionLimit: {maxActiveConnections: 14, delayBeforeClose: 15s}, "
               "httpConnectionManagerSettings: {"
               "idleTimeout: 7s, streamIdleTimeout: 8s, requestTimeout: 9s, requestHeadersTimeout: 10s, "
               "maxRequestHeadersKb: 12, maxHeadersCount: 13, serverName: me, via: v, "
               "generateRequestId: false, preserveExternalRequestId: true, useRemoteAddress: true, xffNumTrustedHops: "
               "2, stripAnyHostPort: true, normalizePath: false, mergeSlashes: true, "
               "upgrades: [{websocket: {enabled: false}}], codecType: HTTP1, http2ProtocolOptions: "
               "{maxConcurrentStreams: 16, initialStreamWindowSize: 70000, initialConnectionWindowSize: 80000, "
               "overrideStreamErrorOnInvalidHttpMessage: false}}}}}") +
        object("ProxySettings", "p",
               "{targetRefs: [{group: gateway.solo.io, kind: Gateway, name: g}], localAnswers: proxy}") +
        service("a", "a.test"));
  const ListenerConfig& config = now_.snapshot->listeners.at(0)->http.front().config;
  EXPECT_EQ(config.name, "listener-::1-8001");
  EXPECT_EQ(config.body_buffer_bytes_max, 4096U);
  EXPECT_EQ(config.connections_max, 14U);
  EXPECT_EQ(config.delay_before_close, 15s);
  EXPECT_EQ(config.idle_timeout, 7s);
  EXPECT_EQ(config.stream_idle_timeout, 8s);
  EXPECT_EQ(config.request_timeout, 9s);
  EXPECT_EQ(config.head_timeout, 10s);
  EXPECT_EQ(config.limits.head_bytes_max, 12U * 1024);
  EXPECT_EQ(config.limits.fields_max, 13U);
  EXPECT_EQ(config.server_name, "me");
  EXPECT_EQ(config.via, "v");
  EXPECT_FALSE(config.generate_request_id);
  EXPECT_TRUE(config.preserve_external_request_id);
  EXPECT_TRUE(config.use_remote_address);
  EXPECT_EQ(config.trusted_hops, 2U);
  EXPECT_TRUE(config.strip_any_host_port);
  EXPECT_FALSE(config.normalize_path);
  EXPECT_TRUE(config.merge_slashes);
  EXPECT_FALSE(config.websocket);
  EXPECT_EQ(config.codec, Codec::http1);
  EXPECT_EQ(config.http2.streams_max, 16U);
  EXPECT_EQ(config.http2.stream_window, 70'000U);
  EXPECT_EQ(config.http2.connection_window, 80'000U);
  EXPECT_TRUE(config.http2.invalid_message_ends_connection);
  EXPECT_TRUE(config.proxy_answers);
  EXPECT_EQ(told("ProxySettings", "p"), "Accepted");
}

TEST_F(Translate, tells_settings_and_policies_that_they_are_for_nothing) {
  const std::string kRule = ", rules: [{name: r, action: deny, match: {addresses: [private]}}]";
  const std::string target = "targetRefs: [{group: gateway.solo.io, kind: Gateway, name: NAME}]";
  const auto with = [&](std::string name) { return std::string(target).replace(target.find("NAME"), 4, name); };
  apply(gateway("g", 8001) + service("a", "a.test") + object("ProxySettings", "one", "{" + with("g") + "}") +
        object("ProxySettings", "two", "{" + with("g") + "}") +
        object("EgressPolicy", "e", "{" + with("gone") + kRule + "}"));
  EXPECT_EQ(told("ProxySettings", "one"), "Accepted");
  EXPECT_EQ(told("ProxySettings", "two"),
            "Warning warning: \n  ProxySettings one is for Gateway g too and comes first by name");
  EXPECT_EQ(
      told("EgressPolicy", "e"),
      "Rejected 1 error occurred:\n\t* spec.targetRefs[0]: there is no Gateway gloo-system/gone; until it is there, "
      "Gateways and VirtualServices of namespace gloo-system refuse dynamic destinations\n\n");
  // The Gateway that is there when none is configured can be meant.
  apply(service("a", "a.test") + object("EgressPolicy", "e", "{" + with("gateway-proxy") + kRule + "}"));
  EXPECT_EQ(told("EgressPolicy", "e"), "Accepted");
}

// --- routes -----------------------------------------------------------------------------------------------------

TEST_F(Translate, names_routes_as_gloo_does) {
  apply(service_with("a",
                     "{matchers: [{prefix: /a}, {exact: /b}], directResponseAction: {status: 200}}, {name: nn, "
                     "matchers: [{prefix: /}], directResponseAction: {status: 200}}"));
  EXPECT_EQ(route(0).generated_name, "gloo-system_a-route-0-matcher-0");
  EXPECT_EQ(route(1).generated_name, "gloo-system_a-route-0-matcher-1");
  EXPECT_EQ(route(2).generated_name,
            "gloo-system_a-route-1-vs:gateway-proxy_gateway-proxy_gloo-system_a_route:nn-matcher-0");
  EXPECT_EQ(route(2).name, "nn");
}

TEST_F(Translate, puts_only_the_filters_into_a_chain_that_the_route_has_in_gloos_order) {
  const std::string transform =
      "stagedTransformations: {early: {requestTransforms: [{requestTransformation: {transformationTemplate: {headers: "
      "{x: {text: one}}}}}]}, "
      "regular: {requestTransforms: [{requestTransformation: {transformationTemplate: {headers: {x: {text: two}}}}}]}}";
  apply(service("a", "a.test"));
  EXPECT_EQ(stages(), "gRPC-Web") << "which is on by default";
  apply(service_with("a", "{matchers: [{prefix: /}], directResponseAction: {status: 200}, options: {" + transform +
                              ", dlp: {actions: [{actionType: SSN}]}}}"));
  EXPECT_EQ(told("VirtualService", "a"), "Accepted");
  EXPECT_EQ(stages(), "dlp, early transformation, gRPC-Web, regular transformation");
}

TEST_F(Translate, spreads_a_route_over_destinations_by_weight) {
  const std::string upstream = object("Upstream", "u", "{static: {hosts: [{addr: 127.0.0.1, port: 9}]}}") +
                               object("Upstream", "v", "{static: {hosts: [{addr: 127.0.0.1, port: 9}]}}");
  apply(upstream +
        service_to("a",
                   "{multi: {destinations: [{weight: 1, destination: {upstream: {name: u}}, options: "
                   "{headerManipulation: {requestHeadersToAdd: [{header: {key: x, value: one}}]}}}, {weight: 0, "
                   "destination: {upstream: {name: v}}}, {weight: 3, destination: {upstream: {name: v}}}]}}"));
  EXPECT_EQ(told("VirtualService", "a"), "Accepted");
  const RouteEntry* first = &route().pick(0);
  EXPECT_TRUE(first->headers.changes_requests());
  EXPECT_NE(&route().pick(1), first);
  EXPECT_FALSE(route().pick(1).headers.changes_requests());
  EXPECT_EQ(&route().pick(1), &route().pick(3));
  EXPECT_EQ(&route().pick(4), first);
}

TEST_F(Translate, adds_headers_of_a_secret_and_keeps_the_last_good_version_when_it_goes) {
  apply(kSecret + service_with_secret("a", "a.test"));
  EXPECT_EQ(told("VirtualService", "a"), "Accepted");
  EXPECT_TRUE(route().headers.changes_requests());

  apply(service_with_secret("a", "a.test") + service("b", "b.test"));
  EXPECT_EQ(told("VirtualService", "a"),
            "Rejected 1 error occurred:\n\t* spec.virtualHost.options.headerManipulation.requestHeadersToAdd[0]."
            "headerSecretRef: list did not find secret gloo-system.s\n\n");
  EXPECT_EQ(served(), "127.0.0.1:8080 gloo-system_a[a.test] gloo-system_b[b.test]");
  EXPECT_TRUE(route().headers.changes_requests());

  apply(service_with_secret("a", "later.test"));
  EXPECT_EQ(served(), "127.0.0.1:8080 gloo-system_a[a.test]");
  apply(kSecret + service_with_secret("a", "later.test"));
  EXPECT_EQ(served(), "127.0.0.1:8080 gloo-system_a[later.test]");
  EXPECT_EQ(told("VirtualService", "a"), "Accepted");
}

TEST_F(Translate, leaves_a_domain_to_who_wants_it_now_where_a_last_good_version_had_it) {
  apply(kSecret + service_with_secret("a", "a.test, old.test") + service("c", "c.test"));
  apply(service_with_secret("a", "later.test") + service("b", "a.test") + service("c", "c2.test"));
  EXPECT_EQ(served(),
            "127.0.0.1:8080 gloo-system_b[a.test] gloo-system_c[c2.test] no gloo-system_a[later.test] "
            "no gloo-system_a[old.test]");
  EXPECT_EQ(told("Gateway", "gateway-proxy"), "nothing");
  EXPECT_TRUE(told("VirtualService", "a").contains("does not stay in force: \"a.test\" is another's now"))
      << told("VirtualService", "a");
  apply(kSecret + service_with_secret("a", "later.test") + service("b", "a.test"));
  EXPECT_EQ(served(), "127.0.0.1:8080 gloo-system_a[later.test] gloo-system_b[a.test]");
}

// A service whose tokens are verified with keys that an Upstream has.
std::string service_with_keys(std::string_view name, std::string_view upstream, std::string_view ns = "gloo-system") {
  return object("VirtualService", name,
                fmt::format("{{virtualHost: {{domains: [{}.test], options: {{jwt: {{providers: {{p: {{jwks: {{remote: "
                            "{{url: 'http://id.test/keys', upstreamRef: {{name: {}, namespace: {}}}, asyncFetch: "
                            "{{}}}}}}}}}}}}}}, routes: [{{matchers: [{{prefix: /}}], directResponseAction: {{status: "
                            "200}}}}]}}}}",
                            name, upstream, ns));
}
std::string upstream(std::string_view name, int port) {
  return object("Upstream", name, fmt::format("{{static: {{hosts: [{{addr: 127.0.0.1, port: {}}}]}}}}", port));
}

TEST_F(Translate, gives_a_filter_the_upstream_it_refers_to) {
  apply(upstream("id", 9) + service_with_keys("a", "id"));
  EXPECT_EQ(told("VirtualService", "a"), "Accepted");
  EXPECT_EQ(stages(), "jwt after external auth, gRPC-Web");
  EXPECT_TRUE(now_.snapshot->static_clusters->contains({"Upstream", "gloo-system", "id"}));
  EXPECT_EQ(now_.snapshot->preparations.size(), 1);
  const std::shared_ptr<const Filter> filter = route().chain.filters.at(0).filter;
  apply(upstream("id", 9) + service_with_keys("a", "id") + upstream("other", 9));
  EXPECT_EQ(route().chain.filters.at(0).filter, filter) << "nothing that it was made from has changed";
  apply(upstream("id", 10) + service_with_keys("a", "id"));
  EXPECT_NE(route().chain.filters.at(0).filter, filter) << "its Upstream has";
}

TEST_F(Translate, passes_on_what_a_filter_warns_of_once) {
  const auto with_https = [](std::string_view name) {
    std::string text = service_with_keys(name, "id");
    return text.replace(text.find("http:"), 5, "https:");
  };
  const std::string warning =
      "Warning warning: \n  Route Warning: jwt: providers.p.jwks.remote.url: https does not make";
  apply(upstream("id", 9) + with_https("a"));
  EXPECT_TRUE(told("VirtualService", "a").starts_with(warning)) << told("VirtualService", "a");
  EXPECT_TRUE(tried(with_https("b"), "VirtualService", "b").starts_with(warning));
  apply(object("Upstream", "id", "{static: {useTls: true, hosts: [{addr: 127.0.0.1, port: 9}]}}") + with_https("a"));
  const std::string unverified =
      "Warning warning: \n  Route Warning: jwt: providers.p.jwks.remote.upstreamRef: the Upstream takes any "
      "certificate";
  EXPECT_TRUE(told("VirtualService", "a").starts_with(unverified)) << told("VirtualService", "a");
  EXPECT_TRUE(tried(with_https("b"), "VirtualService", "b").starts_with(unverified));
  apply(object("Upstream", "id",
               "{sslConfig: {secretRef: {name: ca, namespace: gloo-system}}, static: {hosts: [{addr: 127.0.0.1, port: "
               "9}]}}") +
        object("Secret", "ca",
               fmt::format("type: kubernetes.io/tls\ndata: {{ca.crt: {}}}", base64_encode(TestAuthority().pem()))) +
        with_https("a"));
  EXPECT_EQ(told("VirtualService", "a"), "Accepted");
}

TEST_F(Translate, rejects_a_service_whose_filter_refers_to_no_upstream) {
  apply(upstream("id", 9) + service_with_keys("a", "ids") + service_with_keys("b", "id", "x") + service("c", "c.test"));
  EXPECT_EQ(told("VirtualService", "a"),
            "Rejected 1 error occurred:\n\t* Route Error: ProcessingError. Reason: jwt: providers.p.jwks.remote."
            "upstreamRef: *v1.Upstream { gloo-system.ids } not found; did you mean id?. Route Name: "
            "gloo-system_a-route-0-matcher-0\n\n");
  EXPECT_TRUE(told("VirtualService", "b").contains("*v1.Upstream { x.id } not found; there is one in namespace "))
      << told("VirtualService", "b");
  EXPECT_EQ(served(), "127.0.0.1:8080 gloo-system_c[c.test] no gloo-system_a[a.test] no gloo-system_b[b.test]");
}

TEST_F(Translate, keeps_a_service_with_the_upstream_that_its_filter_had) {
  apply(upstream("id", 9) + service_with_keys("a", "id"));
  const std::shared_ptr<const Filter> filter = route().chain.filters.at(0).filter;
  apply(service_with_keys("a", "id"));
  EXPECT_TRUE(told("VirtualService", "a").starts_with("Rejected "));
  EXPECT_EQ(served(), "127.0.0.1:8080 gloo-system_a[a.test]");
  EXPECT_EQ(route().chain.filters.at(0).filter, filter);
  EXPECT_TRUE(now_.snapshot->static_clusters->contains({"Upstream", "gloo-system", "id"}));
}

TEST_F(Translate, makes_nothing_for_a_filter_in_a_trial) {
  apply(upstream("id", 9));
  EXPECT_EQ(tried(service_with_keys("a", "id"), "VirtualService", "a"), "Accepted");
  for (const auto& family : metrics_.collect()) EXPECT_NE(family.name, "sluice_jwks_waiting");
}

// Asks for a Secret and a ConfigMap, and remembers what it got.
struct Wish {
  ObjectRef secret, config_map;
};
void bind(Fields& f, Wish& wish) {
  f.optional("secret", wish.secret, "A Secret.");
  f.optional("configMap", wish.config_map, "A ConfigMap.");
}
class WishFactory final : public FilterFactory {
 public:
  std::string_view name() const override { return "wish"; }
  std::vector<Stage> stages() const override { return {Stage::cors}; }
  std::vector<OptionField> option_fields() const override {
    return {option_field<Wish>("cors", OptionLevel::virtual_host, "What to ask for.")};
  }
  Result<std::vector<StagedFilter>> build(const FilterBuild& build) const override {
    const auto* wish = build.virtual_host->get<Wish>("cors");
    if (!wish) return {};
    secret = TRY(build.references->secret(wish->secret));
    config_map = TRY(build.references->config_map(wish->config_map));
    return {};
  }
  mutable ObjectData secret, config_map;
};

TEST(TranslateReferences, gives_a_filter_secrets_and_config_maps) {
  Metrics metrics(2);
  LogFiles log_files(2, metrics);
  Loop loop;
  OwnedLoops loops({&loop});
  ResolverPool resolvers(loops);
  const WishFactory factory;
  const FilterFactory* const factories[] = {&factory};
  const std::vector<OptionField> fields = option_fields_of(factories);
  TranslateOptions options = translate_options(metrics, resolvers, log_files);
  options.filters = {&factory};
  Translator translator(std::move(options));
  const auto apply = [&](const std::string& yaml) {
    const ConfigFile file{"test.yaml", yaml, 0};
    const auto* reports = translator.translate(load_config(std::span(&file, 1), fields).objects).reports;
    return reports->at({"VirtualService", "gloo-system", "a"}).reason();
  };
  const std::string asking =
      object("VirtualService", "a",
             "{virtualHost: {domains: [a.test], options: {cors: {secret: {name: s, namespace: gloo-system}, configMap: "
             "{name: m, namespace: gloo-system}}}, routes: [{directResponseAction: {status: 200}}]}}");
  const std::string map =
      "---\napiVersion: v1\nkind: ConfigMap\nmetadata: {name: m, namespace: gloo-system}\ndata: {a: b}\n";
  EXPECT_EQ(apply(kSecret + map + asking), "");
  EXPECT_EQ(factory.secret.data->at("x-key"), "hush");
  EXPECT_EQ(factory.config_map.data->at("a"), "b");
  const std::string made_of = factory.secret.made_of;
  EXPECT_EQ(apply(object("Secret", "s", "stringData: {x-key: other}") + map + asking), "");
  EXPECT_NE(factory.secret.made_of, made_of);
  factory.config_map = {};
  EXPECT_TRUE(apply(kSecret + asking).contains("list did not find configmap gloo-system.m"));
  EXPECT_EQ(factory.config_map.data->at("a"), "b") << "of the version that was served last";
}

TEST_F(Translate, says_of_a_Gateway_what_requests_without_a_route_cannot_have) {
  const std::string served =
      object("Gateway", "g",
             "{bindAddress: 127.0.0.1, bindPort: 8080, httpGateway: {options: {grpcJsonTranscoder: {services: [a.B], "
             "protoDescriptorConfigMap: {configMapRef: {name: m, namespace: gloo-system}}}}}}") +
      service("a", "a.test");
  apply(served);
  EXPECT_TRUE(told("Gateway", "g").contains("for requests without a route: list did not find configmap gloo-system.m"))
      << told("Gateway", "g");
  apply(served + "---\napiVersion: v1\nkind: ConfigMap\nmetadata: {name: m, namespace: gloo-system}\ndata: {a: '!'}\n");
  EXPECT_TRUE(told("Gateway", "g").contains("for requests without a route: config map gloo-system:m contains a value"))
      << told("Gateway", "g");
}

// Notes for which cluster and listener it is asked for.
class NotingFactory final : public FilterFactory {
 public:
  std::string_view name() const override { return "noting"; }
  std::vector<Stage> stages() const override { return {Stage::cors}; }
  std::vector<OptionField> option_fields() const override { return {}; }
  Result<std::vector<StagedFilter>> build(const FilterBuild& build) const override {
    if (!build.listener_address.empty()) noted.push_back(build.listener_address + ">" + build.cluster);
    return std::vector<StagedFilter>{};
  }
  mutable std::vector<std::string> noted;
};

TEST(TranslateReferences, tells_a_filter_which_cluster_and_listener_it_is_of) {
  Metrics metrics(2);
  LogFiles log_files(2, metrics);
  Loop loop;
  OwnedLoops loops({&loop});
  ResolverPool resolvers(loops);
  const NotingFactory factory;
  TranslateOptions options = translate_options(metrics, resolvers, log_files);
  options.filters = {&factory};
  Translator translator(std::move(options));
  const std::string yaml =
      object("Gateway", "g",
             "{bindAddress: '::1', bindPort: 8080, httpGateway: {options: {dynamicForwardProxy: {}}}}") +
      service_with("a",
                   "{matchers: [{prefix: /1}], routeAction: {single: {upstream: {name: u, namespace: other}}}}, "
                   "{matchers: [{prefix: /2}], routeAction: {multi: {destinations: [{weight: 1, destination: "
                   "{upstream: {name: v}}}, {weight: 1, destination: {upstream: {name: w}}}]}}}, "
                   "{matchers: [{prefix: /3}], routeAction: {dynamicForwardProxy: {}}}, "
                   "{matchers: [{prefix: /4}], directResponseAction: {status: 200}}");
  const ConfigFile file{"test.yaml", yaml, 0};
  const Translation now = translator.translate(load_config(std::span(&file, 1), {}).objects);
  const auto& dynamic = now.snapshot->dynamic_clusters;
  ASSERT_EQ(dynamic.size(), 1U);
  std::vector<std::string> clusters;
  for (const std::string& noted : factory.noted) {
    EXPECT_TRUE(noted.starts_with("[::1]_8080>")) << noted;
    clusters.push_back(noted.substr(noted.find('>') + 1));
  }
  EXPECT_EQ(join(clusters, ","),
            fmt::format("u_other,v_gloo-system,v_gloo-system,w_gloo-system,{},", (*dynamic.begin())->cluster->name));
}

// One service of gRPC, whose only method has a path that its set of descriptors says; other paths have no route.
class TranslateGrpcJson : public Translate {
 protected:
  static std::string of_file(const std::string& path, std::string_view more = "") {
    return served(fmt::format("protoDescriptor: {}", path), more);
  }
  static std::string served(std::string_view source, std::string_view more = "") {
    return object("Gateway", "g",
                  fmt::format("{{bindAddress: 127.0.0.1, bindPort: 8080, httpGateway: {{options: {{grpcJsonTranscoder: "
                              "{{services: [t.S], {}}}}}}}{}}}",
                              source, more)) +
           object("VirtualService", "a",
                  "{virtualHost: {domains: [a.test], routes: [{matchers: [{prefix: /t.S/}], directResponseAction: "
                  "{status: 200}}]}}");
  }
  static std::string set_with(std::string_view path) {
    return transcoding::descriptor_set_of(
        fmt::format(R"(syntax = "proto3"; package t; import "google/api/annotations.proto"; message M {{}}
service S {{ rpc Do(M) returns (M) {{ option (google.api.http) = {{ get: "{}" }}; }} }})",
                    path));
  }
  std::string transcoded() {
    std::string out;
    for (const char* path : {"/one", "/two", "/three", "/four"})
      if (status_of("a.test", path) == 200) out += path;
    return out;
  }
  // What is in force is still that of /one, and the statuses say why.
  void expect_broken(std::string_view said) {
    look_again();
    EXPECT_EQ(transcoded(), "/one") << said;
    EXPECT_TRUE(told("VirtualService", "a").starts_with("Rejected")) << said;
    EXPECT_TRUE(told("VirtualService", "a").contains(said)) << told("VirtualService", "a");
    EXPECT_TRUE(told("Gateway", "g").contains(said)) << told("Gateway", "g");
    EXPECT_TRUE(told("Gateway", "g").contains("; what was in force before stays so")) << told("Gateway", "g");
  }
};

TEST_F(TranslateGrpcJson, reads_a_set_of_descriptors_again_when_its_file_changes) {
  const TestFolder folder;
  namespace fs = std::filesystem;
  folder.write("v1/set.pb", set_with("/one"));
  fs::create_directory_symlink("v1", folder.path("..data"));  // as Kubernetes mounts a ConfigMap
  fs::create_symlink("..data/set.pb", folder.path("set.pb"));
  apply(of_file(folder.path("set.pb")));
  EXPECT_EQ(told("VirtualService", "a"), "Accepted");
  EXPECT_EQ(transcoded(), "/one");
  EXPECT_FALSE(translator_.look_at_files());

  folder.write("v2/set.pb", set_with("/two"));
  fs::create_directory_symlink("v2", folder.path("..new"));
  fs::rename(folder.path("..new"), folder.path("..data"));
  look_again();
  EXPECT_EQ(transcoded(), "/two") << "the link leads elsewhere";
  folder.write("new", set_with("/three"));
  fs::rename(folder.path("new"), folder.path("set.pb"));
  look_again();
  EXPECT_EQ(transcoded(), "/three") << "another file has the name";
  folder.write("set.pb", set_with("/four"));
  look_again();
  EXPECT_EQ(transcoded(), "/four") << "it was written in place";
  EXPECT_EQ(told("VirtualService", "a"), "Accepted");
}

TEST_F(TranslateGrpcJson, goes_on_with_the_last_good_set_of_a_file_that_broke) {
  const TestFolder folder;
  const std::string path = folder.path("set.pb");
  folder.write("set.pb", set_with("/one"));
  apply(of_file(path));
  folder.remove("set.pb");
  expect_broken(fmt::format("protoDescriptor: cannot read {}: No such file", path));
  std::filesystem::create_directory(path);
  expect_broken(path + ": it is no regular file");
  folder.remove("set.pb");
  ASSERT_EQ(::mkfifo(path.c_str(), 0600), 0);
  expect_broken(path + ": it is no regular file");
  folder.remove("set.pb");
  folder.write("set.pb", std::string((16 << 20) + 1, '\n'));
  expect_broken(path + " is over 16777216 bytes");
  folder.write("set.pb", "syntax = \"proto3\";");
  expect_broken("it is no google.protobuf.FileDescriptorSet");
  apply(of_file(path, ", options: {perConnectionBufferLimitBytes: 4096}"));
  expect_broken("it is no google.protobuf.FileDescriptorSet");
  folder.write("set.pb", transcoding::descriptor_set_of(R"(syntax = "proto3"; package t; message M {} service T {})"));
  expect_broken("the set has no service 't.S'; did you mean t.T?");
  folder.write("set.pb", set_with("/two"));
  look_again();
  EXPECT_EQ(transcoded(), "/two");
  EXPECT_EQ(told("VirtualService", "a") + told("Gateway", "g"), "AcceptedAccepted");
}

TEST_F(TranslateGrpcJson, refuses_what_never_had_a_good_file_and_serves_when_there_is_one) {
  const TestFolder folder;
  apply(of_file(folder.path("set.pb")));
  EXPECT_EQ(Translate::served(), "127.0.0.1:8080 no gloo-system_a[a.test]");
  EXPECT_TRUE(told("Gateway", "g").contains("No such file")) << told("Gateway", "g");
  EXPECT_FALSE(told("Gateway", "g").contains("stays")) << told("Gateway", "g");
  folder.write("set.pb", set_with("/one"));
  EXPECT_EQ(tried(of_file(folder.path("set.pb")), "VirtualService", "a"), "Accepted") << "as it is now";
  look_again();
  EXPECT_EQ(transcoded(), "/one");
}

TEST_F(TranslateGrpcJson, looks_at_the_file_of_a_Gateway_of_whose_services_none_has_a_route) {
  const TestFolder folder;
  const std::string without_routes = object("VirtualService", "a", "{virtualHost: {domains: [a.test], routes: []}}");
  const std::string all = of_file(folder.path("set.pb"));
  apply(all.substr(0, all.rfind("---")) + without_routes);
  EXPECT_TRUE(told("Gateway", "g").contains("No such file")) << told("Gateway", "g");
  folder.write("set.pb", set_with("/one"));
  look_again();
  EXPECT_FALSE(told("Gateway", "g").contains("No such file")) << told("Gateway", "g");
}

TEST_F(TranslateGrpcJson, goes_on_with_the_last_good_ConfigMap_where_there_is_no_route_as_well) {
  const auto with_map = [](std::string_view set) {
    return served("protoDescriptorConfigMap: {configMapRef: {name: m, namespace: gloo-system}}") +
           fmt::format(
               "---\napiVersion: v1\nkind: ConfigMap\nmetadata: {{name: m, namespace: gloo-system}}\n"
               "data: {{a: '{}'}}\n",
               set);
  };
  apply(with_map(base64_encode(set_with("/one"))));
  EXPECT_EQ(transcoded(), "/one");
  apply(with_map("*"));
  expect_broken("but is not base64-encoded");
}

TEST_F(Translate, tells_every_bad_header_of_a_service_with_its_path) {
  apply(object("VirtualService", "a",
               "{virtualHost: {options: {headerManipulation: {responseHeadersToAdd: [{header: {key: a, value: "
               "'%NOPE%'}}]}}, routes: [{directResponseAction: {status: 200}, options: {headerManipulation: "
               "{requestHeadersToAdd: [{header: {key: b, value: ok}}, {header: {key: b, value: '%'}}, "
               "{headerSecretRef: {name: gone, namespace: x}}]}}}, {routeAction: {multi: {destinations: [{weight: 1, "
               "destination: {upstream: {name: u}}, options: {headerManipulation: {responseHeadersToAdd: [{header: "
               "{key: c, value: '%NO(X)%'}}]}}}]}}}]}}"));
  EXPECT_EQ(
      told("VirtualService", "a"),
      "Rejected 4 errors occurred:\n"
      "\t* spec.virtualHost.options.headerManipulation.responseHeadersToAdd[0].header.value: unknown operator "
      "%NOPE%\n"
      "\t* spec.virtualHost.routes[0].options.headerManipulation.requestHeadersToAdd[1].header.value: a lone % at "
      "byte 0: write %% for a percent sign\n"
      "\t* spec.virtualHost.routes[0].options.headerManipulation.requestHeadersToAdd[2].headerSecretRef: list did "
      "not find secret x.gone\n"
      "\t* spec.virtualHost.routes[1].routeAction.multi.destinations[0].options.headerManipulation."
      "responseHeadersToAdd[0].header.value: unknown operator %NO%\n\n");
}

TEST_F(Translate, tells_the_errors_of_all_routes_at_once) {
  const std::string redirect = "{redirectAction: {regexRewrite: {pattern: {regex: a}, substitution: '\\9'}}}";
  apply(service_with("a", redirect + ", " + redirect));
  EXPECT_TRUE(told("VirtualService", "a").starts_with("Rejected 2 errors")) << told("VirtualService", "a");
}

TEST_F(Translate, tells_what_is_rejected_from_what_is_not_there) {
  apply(object("Upstream", "u", "{statc: {}}") + object("VirtualService", "bad", "{virtualHos: {}}") +
        object("Gateway", "bad", "{bindPort: many}") +
        "---\napiVersion: v1\nkind: Secret\nmetadata: {name: s, namespace: gloo-system}\nstringDat: {}\n" +
        service_to("a", "{single: {upstream: {name: u}}}") + service_with_secret("b", "b.test") +
        object("Gateway", "g",
               "{bindAddress: 127.0.0.1, bindPort: 8001, httpGateway: {virtualServices: [{name: bad, namespace: "
               "gloo-system}]}}") +
        object("ProxySettings", "p", "{targetRefs: [{group: gateway.solo.io, kind: Gateway, name: bad}]}"));
  EXPECT_TRUE(told("VirtualService", "a")
                  .ends_with("*v1.Upstream { gloo-system.u } exists but is rejected (test.yaml:5) (line 25)"))
      << told("VirtualService", "a");
  EXPECT_TRUE(told("VirtualService", "b").contains("secret gloo-system.s exists but is rejected (test.yaml:20)"))
      << told("VirtualService", "b");
  EXPECT_TRUE(told("Gateway", "g")
                  .contains("invalid virtual service ref gloo-system.bad: it exists but is rejected (test.yaml:10)"))
      << told("Gateway", "g");
  EXPECT_TRUE(told("ProxySettings", "p").contains("Gateway gloo-system/bad exists but is rejected (test.yaml:15)"))
      << told("ProxySettings", "p");
}

TEST_F(Translate, takes_no_secret_of_another_type_for_a_header_secret) {
  apply(
      "---\napiVersion: v1\nkind: Secret\nmetadata: {name: s, namespace: gloo-system}\ntype: kubernetes.io/tls\n"
      "stringData: {tls.key: hush}\n" +
      service_with_secret("a", "a.test"));
  EXPECT_TRUE(
      told("VirtualService", "a")
          .contains(
              "secret gloo-system.s is of type kubernetes.io/tls: a header secret is Opaque or gloo.solo.io/header"))
      << told("VirtualService", "a");
}

TEST_F(Translate, refuses_the_hosts_of_a_bad_service_that_never_was_good) {
  apply(service_with_secret("a", "a.test") + service("b", "b.test"));
  EXPECT_EQ(served(), "127.0.0.1:8080 gloo-system_b[b.test] no gloo-system_a[a.test]");
}

TEST_F(Translate, forgets_the_last_good_version_of_an_object_that_was_removed) {
  apply(kSecret + service_with_secret("a", "a.test") + service("b", "b.test"));
  apply(service("b", "b.test"));
  apply(service_with_secret("a", "a.test") + service("b", "b.test"));
  EXPECT_EQ(served(), "127.0.0.1:8080 gloo-system_b[b.test] no gloo-system_a[a.test]");
}

TEST_F(Translate, refuses_only_those_hosts_of_a_service_not_in_force_that_nobody_else_serves) {
  apply(service("a", "'*', a.test") + service("b", "'*', a.test, b.test"));
  EXPECT_EQ(served(), "127.0.0.1:8080 gloo-system_a[* a.test] no gloo-system_b[b.test]");
  apply(service("a", "'*'") + bad_service("b", "b.test, '*'") + bad_service("c", "b.test, c.test"));
  EXPECT_EQ(served(), "127.0.0.1:8080 gloo-system_a[*] no gloo-system_b[b.test] no gloo-system_c[c.test]");
  EXPECT_EQ(now_.snapshot->closed.size(), 2U);
  // Of a Gateway that would not have it, nothing is refused.
  apply(object("Gateway", "g",
               "{bindAddress: 127.0.0.1, bindPort: 8001, httpGateway: {virtualServices: [{name: a, namespace: "
               "gloo-system}]}}") +
        service("a", "'*'") + bad_service("b", "b.test"));
  EXPECT_EQ(served(), "127.0.0.1:8001 gloo-system_a[*]");
}

TEST_F(Translate, opens_no_port_on_loopback_beside_a_gateway_that_is_rejected) {
  apply(object("Gateway", "g", "{bindPort: 8001}") + service("a", "'*'"));
  EXPECT_EQ(served(), "");
}

// --- policies that are not in force -------------------------------------------------------------------------------

struct ClosedRow {
  std::string_view what;
  std::string policy;
  std::string_view on_a;  // "open" or "closed": service a on Gateway g
  std::string_view on_b;  // service b on Gateway g
};

TEST_F(Translate, refuses_dynamic_destinations_where_a_policy_is_not_in_force) {
  const auto dynamic = [](std::string_view name) {
    return object("VirtualService", name,
                  fmt::format("{{virtualHost: {{domains: ['{}.test'], routes: [{{matchers: [{{prefix: /}}], "
                              "routeAction: {{dynamicForwardProxy: {{}}}}}}]}}}}",
                              name));
  };
  const auto policy = [](std::string_view kind, std::string_view name,
                         std::string_view rules = "rules: [{name: r, action: deny, match: {addresses: [private]}}]",
                         std::string_view meta = "name: e, namespace: gloo-system") {
    return fmt::format(
        "---\napiVersion: sluice.dev/v1alpha1\nkind: EgressPolicy\nmetadata: {{{}}}\nspec: "
        "{{targetRefs: [{{group: gateway.solo.io, kind: {}, name: {}}}], {}}}\n",
        meta, kind, name, rules);
  };
  const std::string_view bad = "ruls: []";
  const std::string base = dynamic_gateway("g", 8001) + dynamic("a") + dynamic("b");
  for (const ClosedRow& row : {
           ClosedRow{"good", policy("Gateway", "g"), "open", "open"},
           ClosedRow{"bad, for the Gateway", policy("Gateway", "g", bad), "closed", "closed"},
           ClosedRow{"bad, for one service", policy("VirtualService", "a", bad), "closed", "open"},
           ClosedRow{"bad, for nothing that is there", policy("VirtualService", "c", bad), "closed", "closed"},
           ClosedRow{"good, for nothing that is there", policy("VirtualService", "c"), "closed", "closed"},
           ClosedRow{"bad, for a kind that is none", policy("Gatway", "g", bad), "closed", "closed"},
           ClosedRow{"bad, in another namespace", policy("Gateway", "g", bad, "name: e, namespace: other"), "open",
                     "open"},
           ClosedRow{"for a service that is rejected", policy("VirtualService", "c") + bad_service("c", "c.test"),
                     "open", "open"},
           ClosedRow{"without a namespace", policy("Gateway", "g", bad, "name: e"), "closed", "closed"},
           ClosedRow{"in a namespace that is none", policy("Gateway", "g", bad, "name: e, namespace: O_o"), "closed",
                     "closed"},
           ClosedRow{"a second one of that name", policy("Gateway", "g") + policy("VirtualService", "b"), "open",
                     "closed"},
           ClosedRow{"a second one that says the same", policy("Gateway", "g") + policy("Gateway", "g"), "open",
                     "open"},
           ClosedRow{"settings",
                     "---\napiVersion: sluice.dev/v1alpha1\nkind: ProxySettings\nmetadata: {name: p}\nspec: {}\n",
                     "open", "open"},
       }) {
    apply(base + row.policy);
    EXPECT_EQ(verdict("a.test").starts_with("refused: dynamic") ? "closed" : "open", row.on_a) << row.what;
    EXPECT_EQ(verdict("b.test").starts_with("refused: dynamic") ? "closed" : "open", row.on_b) << row.what;
  }
}

// --- destinations -----------------------------------------------------------------------------------------------

TEST_F(Translate, refuses_loopback_destinations_until_a_policy_of_gateway_or_service_opens_them) {
  const std::string base =
      dynamic_gateway("g", 8001) + object("VirtualService", "a",
                                          "{virtualHost: {domains: ['*'], routes: [{matchers: [{prefix: /}], "
                                          "routeAction: {dynamicForwardProxy: {}}}]}}");
  const auto policy = [](std::string_view kind, std::string_view name) {
    return object("EgressPolicy", "e",
                  fmt::format("{{targetRefs: [{{group: gateway.solo.io, kind: {}, name: {}}}], rules: [{{name: lab, "
                              "action: allow, match: {{addresses: [loopback]}}}}]}}",
                              kind, name));
  };
  struct Row {
    std::string more;
    std::string_view verdict;
  };
  for (const Row& row :
       {Row{"", "refused"}, Row{policy("Gateway", "g"), "allowed"}, Row{policy("VirtualService", "a"), "allowed"},
        Row{policy("VirtualService", "other"), "refused"}, Row{policy("Gateway", "other"), "refused"}}) {
    apply(base + row.more);
    EXPECT_TRUE(verdict("127.0.0.1:9").starts_with(row.verdict)) << row.more << verdict("127.0.0.1:9");
    // Ports of the program's own are never opened.
    EXPECT_TRUE(verdict("127.0.0.1:8001").starts_with("refused")) << verdict("127.0.0.1:8001");
  }
}

TEST_F(Translate, refuses_ports_as_destinations_that_were_learnt_later) {
  const std::string all = dynamic_gateway("g", 0) +
                          object("VirtualService", "a",
                                 "{virtualHost: {domains: ['*'], routes: [{matchers: [{prefix: /}], routeAction: "
                                 "{dynamicForwardProxy: {}}}]}}") +
                          object("EgressPolicy", "e",
                                 "{targetRefs: [{group: gateway.solo.io, kind: Gateway, name: g}], rules: [{name: lab, "
                                 "action: allow, match: {addresses: [loopback]}}]}");
  apply(all);
  EXPECT_TRUE(verdict("127.0.0.1:40123").starts_with("allowed")) << verdict("127.0.0.1:40123");
  translator_.set_open_ports({40123});
  apply(all);
  EXPECT_TRUE(verdict("127.0.0.1:40123").starts_with("refused")) << verdict("127.0.0.1:40123");
}

TEST_F(Translate, keeps_clusters_whose_upstream_did_not_change) {
  const auto upstream = [](int port) {
    return object("Upstream", "u", fmt::format("{{static: {{hosts: [{{addr: 127.0.0.1, port: {}}}]}}}}", port));
  };
  const std::string rest = service_to("a", "{single: {upstream: {name: u}}}");
  const Translation first = translator_.translate(read(upstream(9) + rest));
  const Translation again = translator_.translate(read(upstream(9) + rest + service("b", "b.test")));
  EXPECT_EQ(*first.snapshot->static_clusters, *again.snapshot->static_clusters);
  const Translation changed = translator_.translate(read(upstream(10) + rest));
  EXPECT_NE(*first.snapshot->static_clusters, *changed.snapshot->static_clusters);
  EXPECT_GT(again.snapshot->id, first.snapshot->id);
}

TEST_F(Translate, has_a_place_for_every_name_of_a_static_host_in_one_resolver) {
  const auto translate = [&](int hosts) {
    std::string list;
    for (int i = 0; i < hosts; ++i) list += fmt::format("{}{{addr: h{}.test, port: 9}}", i ? ", " : "", i);
    return translator_.translate(
        read(object("Upstream", "many", fmt::format("{{static: {{hosts: [{}]}}}}", list)) +
             object("Upstream", "one", "{static: {hosts: [{addr: one.test, port: 9}]}}") +
             service_with("a",
                          "{matchers: [{prefix: /one}], routeAction: {single: {upstream: {name: one}}}}, "
                          "{matchers: [{prefix: /one/two}], routeAction: {single: {upstream: {name: one}}}}, "
                          "{matchers: [{prefix: /}], routeAction: {single: {upstream: {name: many}}}}")));
  };
  const auto resolver = [](const Translation& of, std::string_view upstream) {
    const StaticClusters& clusters = *of.snapshot->static_clusters;
    EXPECT_EQ(clusters.size(), 2U);  // though three routes lead to them
    return clusters.at({"Upstream", "gloo-system", std::string(upstream)})->resolver;
  };
  const Translation few = translate(1);
  EXPECT_EQ(resolver(few, "one"), resolver(few, "many"));
  const Translation more = translate(1000);
  EXPECT_EQ(resolver(more, "many"), resolver(few, "many"));  // what it knows is not lost with every change
  const Translation many = translate(3000);
  EXPECT_GE(resolver(many, "many")->config().names.hosts_max, 3001U);
  EXPECT_EQ(resolver(many, "one"), resolver(few, "one"));  // in force as it was
  const Translation still = translate(2999);
  EXPECT_EQ(resolver(still, "many"), resolver(many, "many"));
  const Translation less = translate(1001);
  EXPECT_EQ(resolver(less, "many"), resolver(many, "many"));
}

// --- served by nobody -------------------------------------------------------------------------------------------

std::string selective_gateway() {
  return object("Gateway", "g",
                "{bindAddress: 127.0.0.1, bindPort: 8001, httpGateway: {virtualServiceSelector: {team: x}}}");
}

TEST_F(Translate, selects_services_by_expressions_over_labels_and_then_by_nothing_else) {
  const std::string services = service("a", "a.test", ", labels: {team: x, tier: '2'}") +
                               service("b", "b.test", ", labels: {team: w, tier: '10'}") + service("c", "c.test");
  const auto chosen = [&](std::string_view expressions, std::string_view more = "") {
    apply(object("Gateway", "g",
                 fmt::format("{{bindAddress: 127.0.0.1, bindPort: 8001, httpGateway: {{virtualServiceExpressions: "
                             "{{expressions: [{}]}}{}}}}}",
                             expressions, more)) +
          services);
    std::string out;
    for (const auto& listener : now_.snapshot->listeners)
      for (const VirtualHostEntry& host : listener->http.front().router->table().hosts()) out += host.domains[0][0];
    return out;
  };
  EXPECT_EQ(chosen(""), "abc");
  EXPECT_EQ(chosen("{key: team, operator: Equals, values: [x]}"), "a");
  EXPECT_EQ(chosen("{key: team, values: [x]}"), "a");
  EXPECT_EQ(chosen("{key: team, operator: DoubleEquals, values: [w]}"), "b");
  EXPECT_EQ(chosen("{key: team, operator: NotEquals, values: [w]}"), "ac");
  EXPECT_EQ(chosen("{key: team, operator: In, values: [x, w]}"), "ab");
  EXPECT_EQ(chosen("{key: team, operator: NotIn, values: [x, w]}"), "c");
  EXPECT_EQ(chosen("{key: team, operator: Exists}"), "ab");
  EXPECT_EQ(chosen("{key: team, operator: DoesNotExist}"), "c");
  EXPECT_EQ(chosen("{key: tier, operator: GreaterThan, values: ['2']}"), "b");
  EXPECT_EQ(chosen("{key: tier, operator: LessThan, values: ['10']}"), "a");
  EXPECT_EQ(chosen("{key: team, operator: Exists}, {key: tier, operator: LessThan, values: ['3']}"), "a");
  EXPECT_EQ(chosen("{key: team, operator: Exists}", ", virtualServiceNamespaces: [other]"), "");
  EXPECT_EQ(chosen("{key: team, operator: Exists}",
                   ", virtualServiceSelector: {team: x}, virtualServices: [{name: c, namespace: gloo-system}]"),
            "ab");
}

TEST_F(Translate, holds_the_bodies_of_direct_responses_against_the_limit_of_their_gateway) {
  const auto with = [](std::string_view options, size_t bytes) {
    return gateway("g", 8001, options) +
           object("VirtualService", "a",
                  fmt::format("{{virtualHost: {{domains: [a.test], routes: [{{matchers: [{{prefix: /}}], "
                              "directResponseAction: {{status: 200, body: {}}}}}]}}}}",
                              std::string(bytes, 'x')));
  };
  apply(with("", 4096));
  EXPECT_EQ(told("VirtualService", "a"), "Accepted");
  apply(with("", 4097));
  EXPECT_TRUE(told("VirtualService", "a").contains("4097 bytes, more than the limit of 4096"));
  apply(with(", routeOptions: {maxDirectResponseBodySizeBytes: 5000}", 5000));
  EXPECT_EQ(told("VirtualService", "a"), "Accepted");
  apply(with(", routeOptions: {maxDirectResponseBodySizeBytes: 3}", 4));
  EXPECT_TRUE(told("VirtualService", "a").contains("4 bytes, more than the limit of 3"));
}

TEST_F(Translate, lets_the_route_or_the_virtual_host_have_the_last_word_on_headers) {
  Loop loop;
  const auto said = [&](std::string_view options) {
    constexpr std::string_view kLevel =
        "options: {headerManipulation: {requestHeadersToAdd: [{header: {key: x-who, value: @}, append: false}]}}";
    const auto level = [&](std::string_view who) {
      std::string out(kLevel);
      return out.replace(out.find('@'), 1, who);
    };
    apply(gateway("g", 8001, options) +
          object("VirtualService", "a",
                 fmt::format("{{virtualHost: {{domains: [a.test], {}, routes: [{{matchers: [{{prefix: /}}], {}, "
                             "directResponseAction: {{status: 200}}}}]}}}}",
                             level("host"), level("route"))));
    Arena arena;
    StreamInfo info;
    Request request(arena, loop, info);
    route().rewrite_request(request);
    return std::string(request.headers.get("x-who").value_or(""));
  };
  EXPECT_EQ(said(""), "host");
  EXPECT_EQ(said(", routeOptions: {mostSpecificHeaderMutationsWins: true}"), "route");
}

TEST_F(Translate, goes_on_with_the_early_headers_of_a_secret_that_went_away) {
  const std::string early =
      object("Gateway", "g",
             "{bindAddress: 127.0.0.1, bindPort: 8001, httpGateway: {options: {httpConnectionManagerSettings: "
             "{earlyHeaderManipulation: {headersToAdd: [{headerSecretRef: {name: s, namespace: gloo-system}}]}}}}}");
  // Without ever having had it there is nothing to serve with.
  apply(early + service("a", "a.test"));
  EXPECT_EQ(served(), "");
  EXPECT_TRUE(told("Gateway", "g").contains("earlyHeaderManipulation: list did not find secret gloo-system.s"));
  apply(early + kSecret + service("a", "a.test"));
  EXPECT_EQ(told("Gateway", "g"), "Accepted");
  const auto change = now_.snapshot->listeners.at(0)->http.front().config.early_change;
  ASSERT_NE(change, nullptr);
  apply(early + service("a", "a.test"));
  EXPECT_EQ(served(), "127.0.0.1:8001 gloo-system_a[a.test]");
  EXPECT_EQ(now_.snapshot->listeners.at(0)->http.front().config.early_change, change);
  EXPECT_TRUE(told("Gateway", "g").contains("list did not find secret"));
}

TEST_F(Translate, looks_at_services_that_no_gateway_selects) {
  const auto options = [](std::string_view on_host) {
    return object("VirtualService", "a",
                  fmt::format("{{virtualHost: {{domains: [a.test], options: {{headerManipulation: {}}}, routes: "
                              "[{{matchers: [{{prefix: /}}], directResponseAction: {{status: 200}}}}]}}}}",
                              on_host));
  };
  struct Row {
    std::string service;
    std::string_view told;  // a part of it
  };
  for (const Row& row : {
           Row{options("{requestHeadersToAdd: [{header: {key: x, value: '%NOPE%'}}]}"), "unknown operator %NOPE%"},
           Row{options("{requestHeadersToAdd: [{headerSecretRef: {name: s, namespace: gloo-system}}]}"),
               "list did not find secret gloo-system.s"},
       }) {
    for (const std::string& gateways : {selective_gateway(), gateway("g", 8001, ", proxyNames: [edge]")}) {
      apply(gateways + row.service);
      EXPECT_TRUE(told("VirtualService", "a").starts_with("Rejected 1 error occurred:\n"))
          << told("VirtualService", "a");
      EXPECT_TRUE(told("VirtualService", "a").contains(row.told)) << told("VirtualService", "a");
      EXPECT_EQ(served(), "");
    }
  }
}

TEST_F(Translate, warns_of_services_that_no_gateway_selects_only_what_is_their_own_fault) {
  struct Row {
    std::string service;
    std::string_view told;
  };
  const std::string upstream = object("Upstream", "u", "{static: {hosts: [{addr: 127.0.0.1, port: 9}]}}");
  const std::string_view to_upstream = "{single: {upstream: {name: u}}}";
  for (const Row& row : {
           Row{service("a", "a.test"), "Accepted"},
           Row{service_to("a", "{dynamicForwardProxy: {}}"), "Accepted"},
           Row{upstream + service_to("a", to_upstream), "Accepted"},
           Row{service_to("a", to_upstream),
               "Warning warning: \n  Route Warning: InvalidDestinationWarning. Reason: *v1.Upstream { gloo-system.u } "
               "not found (line 10)"},
           Row{object("VirtualService", "a", "{}"),
               "Warning warning: \n  VirtualHost Warning: there is no virtualHost"},
       }) {
    apply(selective_gateway() + row.service);
    EXPECT_EQ(told("VirtualService", "a"), row.told) << row.service;
    EXPECT_EQ(told("Gateway", "g"), "Warning warning: \n  it selects no VirtualService, so no port is opened")
        << row.service;
    EXPECT_EQ(served(), "") << row.service;
    EXPECT_TRUE(now_.snapshot->static_clusters->empty() && now_.snapshot->dynamic_clusters.empty()) << row.service;
  }
}

// --- trying out -------------------------------------------------------------------------------------------------

TEST_F(Translate, tries_objects_out_without_a_trace) {
  apply(service("a", "a.test"));
  // Were the trial remembered, `b` would count as the one that served b.test before.
  EXPECT_EQ(tried(service("b", "b.test"), "VirtualService", "b"), "Accepted");
  const std::string without_secret = tried(service_with_secret("c", "c.test"), "VirtualService", "c");
  EXPECT_TRUE(without_secret.starts_with("Rejected")) << without_secret;
  const std::string without_log =
      tried(gateway("g", 8001, ", options: {accessLoggingService: {accessLog: [{fileSink: {path: /proc/none/log}}]}}"),
            "Gateway", "g");
  EXPECT_TRUE(without_log.starts_with("Warning")) << without_log;
  const uint64_t id = now_.snapshot->id;
  apply(service("a0", "b.test") + service("b", "b.test", ", creationTimestamp: '2030-01-01T00:00:00Z'") +
        service("a2", "b.test", ", creationTimestamp: '2026-01-01T00:00:00Z'"));
  EXPECT_EQ(served(), "127.0.0.1:8080 gloo-system_a2[b.test]");
  EXPECT_EQ(now_.snapshot->id, id + 1);
}

int64_t sum_of(const Metrics& metrics, std::string_view name) {
  int64_t sum = 0;
  for (const Metrics::Family& family : metrics.collect())
    if (family.name == name)
      for (const Metrics::Sample& sample : family.samples) sum += sample.value;
  return sum;
}

std::string limited_upstream(std::string_view name, int requests) {
  return object("Upstream", name,
                fmt::format("{{static: {{hosts: [{{addr: 127.0.0.1, port: 9}}]}}, circuitBreakers: {{maxRequests: {}, "
                            "trackRemaining: true}}}}",
                            requests));
}

TEST_F(Translate, warns_of_policies_that_contradict_each_other_about_TLS) {
  const auto policy = [](std::string_view name, std::string_view kind, std::string_view target, std::string_view tls) {
    return object("EgressPolicy", name,
                  fmt::format("{{targetRefs: [{{group: gateway.solo.io, kind: {}, name: {}}}], rules: [{{name: r, "
                              "action: allow, match: {{addresses: [10.0.0.0/8]}}, upstreamTls: {}}}]}}",
                              kind, target, tls));
  };
  const std::string served = dynamic_gateway("g", 8001) + service_to("a", "{dynamicForwardProxy: {}}");
  const std::string own = policy("p", "Gateway", "g", "required");
  apply(served + own + policy("q", "VirtualService", "a", "{verify: lb.test}"));
  EXPECT_EQ(told("Gateway", "g"), "Accepted");
  for (int again = 0; again < 2; ++again) {
    apply(served + own + policy("q", "VirtualService", "a", "forbidden"));
    EXPECT_EQ(
        told("Gateway", "g"),
        "Warning warning: \n  rules p/r and q/r of EgressPolicies contradict each other about TLS for 10.0.0.0/8: "
        "dynamic destinations there are refused with 403");
  }
  apply(served + own);
  EXPECT_EQ(told("Gateway", "g"), "Accepted");
}

TEST_F(Translate, says_which_option_has_no_effect_on_a_gateway_without_its_base) {
  const auto own = [](std::string_view name, std::string_view host, std::string_view route) {
    return object("VirtualService", name,
                  fmt::format("{{virtualHost: {{domains: [{}.test], options: {{{}}}, routes: [{{directResponseAction: "
                              "{{status: 200}}}}, {{matchers: [{{prefix: /}}], options: {{{}}}, directResponseAction: "
                              "{{status: 200}}}}]}}}}",
                              name, host, route));
  };
  constexpr std::string_view kSix = "bufferPerRoute: {buffer: {maxRequestBytes: 6}}";
  const std::string services =
      own("a", kSix, "") + own("b", "", kSix) + own("c", "", "bufferPerRoute: {disabled: true}");
  apply(gateway("g", 8001) + services);
  constexpr std::string_view kWhy = "bufferPerRoute: has no effect: Gateway g has no httpGateway.options.buffer";
  EXPECT_TRUE(told("VirtualService", "a").contains(fmt::format("\n  spec.virtualHost.options.{}", kWhy)))
      << told("VirtualService", "a");
  EXPECT_TRUE(told("VirtualService", "b").contains(fmt::format("\n  spec.virtualHost.routes[1].options.{}", kWhy)))
      << told("VirtualService", "b");
  EXPECT_EQ(told("VirtualService", "c"), "Accepted");
  apply(object("Gateway", "g",
               "{bindAddress: 127.0.0.1, bindPort: 8001, httpGateway: {options: {buffer: {maxRequestBytes: 1}}}}") +
        services);
  EXPECT_EQ(told("VirtualService", "a"), "Accepted");
  EXPECT_EQ(told("VirtualService", "b"), "Accepted");
}

TEST_F(Translate, counts_nothing_and_keeps_nothing_for_a_trial) {
  const std::string rest =
      object("Gateway", "g", fmt::format("{{bindAddress: 127.0.0.1, bindPort: 8001{}}}", kDynamic)) +
      service_with("a",
                   "{matchers: [{prefix: /d}], routeAction: {dynamicForwardProxy: {}}}, {matchers: [{prefix: /}], "
                   "routeAction: {single: {upstream: {name: u}}}, options: {dlp: {actions: [{customAction: {name: "
                   "before, regexActions: [{regex: x}]}}]}}}");
  const auto replaced = [](std::string text, std::string_view from, std::string_view to) {
    return text.replace(text.find(from), from.size(), to);
  };
  apply(limited_upstream("u", 10) + rest);
  const auto said = [&] {
    std::string out;
    for (const Metrics::Family& family : metrics_.collect())
      for (const Metrics::Sample& sample : family.samples)
        out += fmt::format("{} {} {}\n", family.name,
                           sample.labels.empty() ? std::string() : sample.labels.back().second, sample.value);
    return out;
  };
  const std::string before = said();
  const int64_t clusters = sum_of(metrics_, "sluice_clusters");
  EXPECT_EQ(tried(limited_upstream("u", 20), "Upstream", "u"), "Accepted");
  EXPECT_EQ(tried(replaced(rest, "name: before", "name: after"), "VirtualService", "a"), "Accepted");
  EXPECT_EQ(tried(replaced(rest, "dynamicForwardProxy: {}", "dynamicForwardProxy: {saveUpstreamAddress: true}"),
                  "Gateway", "g"),
            "Accepted");
  EXPECT_EQ(said(), before);
  EXPECT_EQ(sum_of(metrics_, "sluice_clusters"), clusters);
}

TEST_F(Translate, tells_what_is_left_of_the_limit_that_is_in_force_and_lets_nothing_drift) {
  const std::string rest = service_to("a", "{single: {upstream: {name: u}}}");
  const auto left = [&] { return sum_of(metrics_, "envoy_cluster_circuit_breakers_default_remaining_rq"); };
  apply(limited_upstream("u", 10) + rest);
  const auto held = now_.snapshot;
  const auto& first = *held->static_clusters->begin()->second->cluster;
  first.metrics.requests_active->add(1);
  EXPECT_EQ(left(), 9);
  apply(limited_upstream("u", 20) + rest);
  EXPECT_EQ(left(), 19);
  first.metrics.requests_active->add(-1);
  EXPECT_EQ(left(), 20);
  apply(limited_upstream("u", 10) + rest);  // the one that is still held comes back
  EXPECT_EQ(left(), 10);
}

TEST_F(Translate, gives_back_clusters_series_and_what_is_kept_however_often_the_configuration_changes) {
  const auto change = [&](int i) {
    apply(limited_upstream(fmt::format("u{}", i), i + 1) + limited_upstream("same", i + 1) +
          object("EgressPolicy", "e",
                 fmt::format("{{targetRefs: [{{group: gateway.solo.io, kind: Gateway, name: g}}], rules: [{{name: r, "
                             "action: deny, match: {{addresses: [10.0.{}.0/24]}}}}]}}",
                             i)) +
          object("Gateway", "g",
                 fmt::format("{{bindAddress: 127.0.0.1, bindPort: 8001, httpGateway: {{options: {{dynamicForwardProxy: "
                             "{{dnsCacheConfig: {{maxHosts: {}}}}}}}}}}}",
                             i + 1)) +
          service_with("a", fmt::format("{{matchers: [{{prefix: /d}}], routeAction: {{dynamicForwardProxy: {{}}}}}}, "
                                        "{{matchers: [{{prefix: /s}}], routeAction: {{single: {{upstream: {{name: "
                                        "same}}}}}}}}, {{matchers: [{{prefix: /}}], routeAction: {{single: {{upstream: "
                                        "{{name: u{}}}}}}}, options: {{dlp: {{actions: [{{customAction: {{name: c{}, "
                                        "regexActions: [{{regex: x}}]}}}}]}}}}}}",
                                        i, i)));
    EXPECT_EQ(told("VirtualService", "a"), "Accepted");
    count_what_is_there(metrics_);
  };
  change(0);
  change(1);
  const auto sizes = [&] {
    return std::tuple(sum_of(metrics_, "sluice_clusters"), sum_of(metrics_, "sluice_metric_series"),
                      sum_of(metrics_, "sluice_kept_objects"));
  };
  const auto after_two = sizes();
  EXPECT_EQ(std::get<0>(after_two), 3);
  for (int i = 2; i < 50; ++i) change(i);
  EXPECT_EQ(sizes(), after_two);
}

TEST_F(Translate, counts_the_snapshots_that_somebody_holds) {
  const auto live = [&] {
    for (const Metrics::Family& family : metrics_.collect())
      if (family.name == "sluice_snapshots_live") return family.samples.at(0).value;
    return int64_t{-1};
  };
  now_ = {};
  EXPECT_EQ(live(), 0);
  apply(service("a", "a.test"));
  const auto held = now_.snapshot;
  apply(service("a", "b.test"));
  EXPECT_EQ(live(), 2);
  now_ = {};
  EXPECT_EQ(live(), 1);
}

}  // namespace
}  // namespace sluice
