#include "route/router.h"

#include <gtest/gtest.h>

#include "io/loop.h"
#include "pipeline/testing.h"
#include "route/terminals.h"

namespace sluice {
namespace {

kinds::HeaderManipulation response_adds(std::string value, bool append) {
  kinds::HeaderManipulation out;
  out.response_headers_to_add.push_back({{"x-who", std::move(value)}, append});
  return out;
}

HeaderMutations mutations(const std::vector<kinds::HeaderManipulation>& levels, const FindHeaderSecret& find = {}) {
  std::vector<const kinds::HeaderManipulation*> pointers{nullptr};
  for (const auto& level : levels) pointers.push_back(&level);
  auto out = HeaderMutations::compile(pointers, find);
  EXPECT_TRUE(out) << out.error().message;
  return std::move(*out);
}

// What an upstream would answer, with the request's final shape in it.
class Echo final : public Service {
 public:
  Task<Response> handle(Request& request) const override {
    request.route.rules->rewrite_request(request);
    Response response = make_response(request, 200, {{"x-path", std::string(request.path)}}, {});
    request.route.rules->finish_response(request, response);
    return response;
  }
};

class Deny final : public AnsweringService {
 public:
  Task<Response> handle(Request& request) const override { return local_reply(request, 403, "denied", "test_denied"); }
};

// Sets the path to "/b" and asks for another route.
class Reroute final : public Filter {
 public:
  Task<Response> handle(Request& request, Next next) const override {
    request.set_header(":path", "/b");
    request.choose_route_again();
    return next(request);
  }
};

class Breaks final : public Service {
 public:
  Task<Response> handle(Request&) const override { return fail(ErrorKind::reset, "broken", Side::upstream); }
};

class Routers : public testing::Test {
 protected:
  Routers() {
    loop.use_manual_clock(SteadyTime(1h), *parse_iso("2030-01-01T00:00:00Z"));
    request.method = "GET";
    request.authority = "api.test";
    request.path = "/";
  }

  RouteEntry& add(std::string prefix, std::shared_ptr<const Service> terminal) {
    auto route = std::make_unique<RouteEntry>();
    route->generated_name = "vh-route-" + prefix;
    route->virtual_host_name = "vh";
    route->matcher = *RequestMatcher::compile({.path = std::move(prefix)});
    route->chain.terminal = std::move(terminal);
    RouteEntry& out = *route;
    host.routes.push_back(std::move(route));
    return out;
  }

  Result<Response> send(std::string_view path, Explanation* out = nullptr) {
    if (!router) {
      for (const auto& route : host.routes) host.changes_responses |= route->changes_responses();
      router = std::make_unique<Router>(
          *RouteTable::create({std::make_shared<const VirtualHostEntry>(std::move(host))}), counters, unrouted);
    }
    request.path = path;
    Result<Response> result = fail(ErrorKind::internal, "not done");
    TaskGroup group;
    group.spawn(keep(out ? router->explain(request, *out) : router->handle(request), result));
    while (!group.empty()) loop.turn(0ns);
    return result;
  }

  Result<Response> explain(std::string_view path, Explanation& out) { return send(path, &out); }

  static Task<void> keep(Task<Response> task, Result<Response>& out) {
    out = co_await task;
    co_return {};
  }

  static std::vector<std::string> values(const Headers& headers, std::string_view name) {
    std::vector<std::string> out;
    for (const HeaderField& field : headers)
      if (field.name == name) out.emplace_back(field.value);
    return out;
  }

  Loop loop;
  Arena arena;
  StreamInfo info;
  Request request{arena, loop, info};
  Metrics metrics{1};
  Counter* not_found = metrics.metric({"envoy_http_no_route", "Requests without a route."});
  Counter* too_costly = metrics.metric({"too_costly", "Redirects too costly."});
  RouterCounters counters{not_found, metrics.metric({"changes", "Changes."}), metrics.metric({"endless", "Endless."}),
                          metrics.metric({"match_too_costly", "Matches too costly."})};
  VirtualHostEntry host{"vh", {"api.test"}, {}};
  std::vector<StagedFilter> unrouted;
  std::unique_ptr<Router> router;
};

TEST_F(Routers, answer_404_without_a_body_where_no_route_fits) {
  add("/a", std::make_shared<Echo>());
  const auto response = send("/b");
  ASSERT_TRUE(response);
  EXPECT_EQ(response->status, 404);
  EXPECT_TRUE(response->body.empty());
  EXPECT_EQ(info.details, "route_not_found");
  EXPECT_EQ(info.flags_text(), "NR");
  EXPECT_EQ(not_found->value(), 1);
  EXPECT_EQ(info.route_name, "");
}

TEST_F(Routers, refuse_what_would_take_too_long_to_match_also_where_a_later_route_would_fit) {
  RouteEntry& costly = add("/", std::make_shared<Echo>());
  costly.matcher =
      *RequestMatcher::compile({.headers = {{.name = "x-long", .value = "(?:a|b)*a(?:a|b){200}", .regex = true}}});
  add("/", std::make_shared<Echo>());
  request.headers.add("x-long", arena.copy(std::string(15'000, 'a')));
  request.match_effort = 1000;
  const auto response = send("/");
  ASSERT_TRUE(response);
  EXPECT_EQ(response->status, 500);
  EXPECT_EQ(info.details, "route_match_too_costly");
  EXPECT_EQ(counters.too_costly->value(), 1);
  EXPECT_EQ(not_found->value(), 0);
}

// The first route sends it on, and its second choice is too costly.
TEST_F(Routers, refuse_what_would_take_too_long_to_match_when_the_route_is_chosen_again) {
  RouteEntry& costly = add("/b", std::make_shared<Echo>());
  costly.matcher = *RequestMatcher::compile(
      {.path = "/b", .headers = {{.name = "x-long", .value = "(?:a|b)*a(?:a|b){200}", .regex = true}}});
  RouteEntry& first = add("/", std::make_shared<Echo>());
  first.chain.filters.push_back({Stage::early_transformation, std::make_shared<Reroute>()});
  request.headers.add("x-long", arena.copy(std::string(15'000, 'a')));
  request.match_effort = 1000;
  const auto response = send("/a");
  ASSERT_TRUE(response);
  EXPECT_EQ(response->status, 500);
  EXPECT_EQ(info.details, "route_match_too_costly");
}

// As a path of JSON becomes that of a method of gRPC.
TEST_F(Routers, let_a_filter_make_what_has_no_route_one_that_has) {
  unrouted.push_back({Stage::grpc_json, std::make_shared<Reroute>()});
  RouteEntry& route = add("/b", std::make_shared<Deny>());
  const kinds::HeaderManipulation adds = response_adds("route", true);
  route.headers = mutations({adds});
  const auto response = send("/a");
  ASSERT_TRUE(response);
  EXPECT_EQ(response->status, 403);
  EXPECT_EQ(values(*response->headers, "x-who"), std::vector<std::string>{"route"});
  EXPECT_EQ(info.route_name, "vh-route-/b");
  EXPECT_EQ(not_found->value(), 0);
}

TEST_F(Routers, answer_404_where_that_finds_none_either) {
  unrouted.push_back({Stage::grpc_json, std::make_shared<Reroute>()});
  add("/c", std::make_shared<Echo>());
  const auto response = send("/a");
  ASSERT_TRUE(response);
  EXPECT_EQ(response->status, 404);
  EXPECT_EQ(info.details, "route_not_found");
  EXPECT_EQ(not_found->value(), 1);
}

TEST_F(Routers, answer_404_where_no_host_fits) {
  add("/", std::make_shared<Echo>());
  request.authority = "other.test";
  EXPECT_EQ(send("/")->status, 404);
}

TEST_F(Routers, name_the_route_for_logs) {
  add("/", std::make_shared<Echo>());
  EXPECT_EQ(send("/")->status, 200);
  EXPECT_EQ(info.route_name, "vh-route-/");
  EXPECT_EQ(info.virtual_host_name, "vh");
}

TEST_F(Routers, change_the_headers_of_answers_made_on_the_way) {
  add("/", std::make_shared<Deny>()).headers = mutations({response_adds("rt", true)});
  const auto response = send("/");
  EXPECT_EQ(response->status, 403);
  EXPECT_EQ(response->headers->get("x-who"), "rt");
}

TEST_F(Routers, change_the_headers_of_an_upstreams_answer_once) {
  add("/", std::make_shared<Echo>()).headers = mutations({response_adds("rt", true)});
  EXPECT_EQ(values(*send("/")->headers, "x-who"), std::vector<std::string>{"rt"});
}

TEST_F(Routers, use_the_new_routes_changes_after_another_route_was_chosen) {
  RouteEntry& first = add("/a", std::make_shared<Deny>());
  first.headers = mutations({response_adds("first", true)});
  first.chain.filters.push_back({Stage::early_transformation, std::make_shared<Reroute>()});
  add("/b", std::make_shared<Deny>()).headers = mutations({response_adds("second", true)});
  EXPECT_EQ(values(*send("/a")->headers, "x-who"), std::vector<std::string>{"second"});
  EXPECT_EQ(info.route_name, "vh-route-/b");
}

// Goes to and fro for ever.
class Swap final : public Filter {
 public:
  Task<Response> handle(Request& request, Next next) const override {
    request.set_header(":path", request.path == "/a" ? "/b" : "/a");
    request.choose_route_again();
    return next(request);
  }
};

TEST_F(Routers, refuse_requests_that_change_routes_without_end) {
  add("/a", std::make_shared<Echo>()).chain.filters.push_back({Stage::cors, std::make_shared<Swap>()});
  add("/b", std::make_shared<Echo>()).chain.filters.push_back({Stage::cors, std::make_shared<Swap>()});
  const auto response = send("/a");
  EXPECT_EQ(response->status, 500);
  EXPECT_EQ(info.details, "route_chosen_too_often");
  EXPECT_EQ(counters.endless->value(), 1);
  EXPECT_EQ(counters.changes->value(), 9);
}

TEST_F(Routers, let_requests_change_routes_as_often_as_that) {
  // /0 to /8, each sends on to the next.
  class Onward final : public Filter {
   public:
    Task<Response> handle(Request& request, Next next) const override {
      const char next_path[] = {'/', static_cast<char>(request.path[1] + 1), 0};
      request.set_header(":path", next_path);
      request.choose_route_again();
      return next(request);
    }
  };
  for (char c = '0'; c < '8'; ++c)
    add({'/', c}, std::make_shared<Deny>()).chain.filters.push_back({Stage::cors, std::make_shared<Onward>()});
  add("/8", std::make_shared<Echo>());
  EXPECT_EQ(send("/0")->headers->get("x-path"), "/8");
  EXPECT_EQ(counters.endless->value(), 0);
}

TEST_F(Routers, answer_404_where_no_route_fits_any_more) {
  add("/a", std::make_shared<Echo>()).chain.filters.push_back({Stage::cors, std::make_shared<Reroute>()});
  EXPECT_EQ(send("/a")->status, 404);
  EXPECT_EQ(info.details, "route_not_found");
  EXPECT_EQ(not_found->value(), 1);
}

TEST_F(Routers, pass_errors_on) {
  add("/", std::make_shared<Breaks>()).headers = mutations({response_adds("rt", true)});
  EXPECT_EQ(send("/").error().message, "broken");
}

TEST_F(Routers, spread_requests_over_weighted_destinations) {
  RouteEntry& route = add("/", nullptr);
  for (const auto& [name, weight] : std::vector<std::pair<std::string, uint32_t>>{{"a", 1}, {"off", 0}, {"b", 3}}) {
    auto one = std::make_unique<RouteEntry>();
    one->name = name;
    one->headers = mutations({response_adds(name, true)});
    one->chain.terminal = std::make_shared<Deny>();
    route.add_weighted(weight, std::move(one));
  }
  std::map<std::string, int> seen;
  for (uint64_t i = 0; i < 400; ++i) ++seen[route.pick(i).name];
  EXPECT_EQ(seen, (std::map<std::string, int>{{"a", 100}, {"b", 300}}));
  const auto who = values(*send("/")->headers, "x-who");
  ASSERT_EQ(who.size(), 1U);
  EXPECT_NE(who[0], "off");
}

// ---- explaining ----

// Forwards, if it is let.
class Far final : public Service {
 public:
  explicit Far(int& sent) : sent_(sent) {}
  Task<Response> handle(Request& request) const override {
    ++sent_;
    return local_reply(request, 200, "", "sent");
  }
  Task<Response> explain(Request& request, Explanation& out) const override {
    out.reached = true;
    out.destination = request.path;
    return local_reply(request, 200, "", "explained");
  }

 private:
  int& sent_;
};

TEST_F(Routers, explain_a_route_that_a_filter_finds_for_what_has_none) {
  unrouted.push_back({Stage::grpc_json, std::make_shared<Reroute>()});
  int sent = 0;
  add("/b", std::make_shared<Far>(sent));
  Explanation told;
  ASSERT_TRUE(explain("/a", told));
  EXPECT_TRUE(told.reached);
  EXPECT_EQ(sent, 0);
  ASSERT_EQ(told.routes.size(), 1U);
  EXPECT_EQ(told.routes[0].name, "vh-route-/b");
}

TEST_F(Routers, explain_the_way_through_the_filters_of_all_routes_and_send_nothing) {
  int sent = 0;
  add("/a", std::make_shared<Deny>()).chain.filters.push_back({Stage::cors, std::make_shared<Reroute>()});
  add("/b", std::make_shared<Far>(sent)).chain.filters.push_back({Stage::csrf, std::make_shared<Reroute>()});
  Explanation told;
  ASSERT_TRUE(explain("/a", told));
  EXPECT_EQ(info.details, "explained");
  EXPECT_TRUE(told.reached);
  EXPECT_EQ(told.destination, "/b") << "as the filters made it";
  ASSERT_EQ(told.routes.size(), 2U) << "the second chose itself again";
  EXPECT_EQ(told.routes[0].name + ": " + told.routes[0].stages, "vh-route-/a: cors");
  EXPECT_EQ(told.routes[1].name + ": " + told.routes[1].stages, "vh-route-/b: csrf");
  EXPECT_EQ(sent, 0);
  ASSERT_TRUE(send("/b"));
  EXPECT_EQ(sent, 1) << "the routes are as they were";
}

TEST_F(Routers, explain_answers_of_their_own_as_they_would_be) {
  add("/a", std::make_shared<Deny>());
  add("/c", std::make_shared<Deny>()).chain.filters.push_back({Stage::cors, std::make_shared<Reroute>()});
  add("/e", std::make_shared<Echo>());
  Explanation told, lost, unknown;
  EXPECT_EQ(explain("/a", told)->status, 403);
  EXPECT_FALSE(told.reached);
  EXPECT_EQ(explain("/none", lost)->status, 404);
  EXPECT_TRUE(lost.routes.empty());
  EXPECT_EQ(explain("/c", lost)->status, 404) << "a filter leads to where no route is";
  EXPECT_EQ(explain("/e", unknown).error().kind, ErrorKind::unsupported) << "this one cannot tell, and does nothing";
}

// ---- header changes ----

TEST_F(Routers, run_the_least_specific_level_last) {
  // gloo-policies 8.5, worked example.
  add("/", std::make_shared<Deny>()).headers = mutations({response_adds("rt", false), response_adds("vh", false)});
  EXPECT_EQ(values(*send("/")->headers, "x-who"), std::vector<std::string>{"vh"});
}

TEST_F(Routers, append_the_route_before_the_virtual_host) {
  add("/", std::make_shared<Deny>()).headers = mutations({response_adds("rt", true), response_adds("vh", true)});
  EXPECT_EQ(values(*send("/")->headers, "x-who"), (std::vector<std::string>{"rt", "vh"}));
}

TEST_F(Routers, remove_before_they_add_in_one_level) {
  kinds::HeaderManipulation level;
  level.request_headers_to_remove = {"X-A", "x-missing"};
  level.request_headers_to_add.push_back({kinds::HeaderValue{"X-A", "new"}, {}, true});
  request.headers.add("x-a", "old");
  const HeaderMutations changes = mutations({level});
  changes.apply_request(request);
  EXPECT_EQ(values(request.headers, "x-a"), std::vector<std::string>{"new"});
}

TEST_F(Routers, keep_what_they_remove_out_of_trailers) {
  kinds::HeaderManipulation level;
  level.request_headers_to_remove = {"X-A"};
  const HeaderMutations changes = mutations({level});
  changes.apply_request(request);
  EXPECT_TRUE(request.kept_from_trailers.empty()) << "there will be none";
  request.accepts_trailers = true;
  changes.apply_request(request);
  EXPECT_EQ(request.kept_from_trailers, std::vector<std::string_view>{"x-a"});
}

TEST_F(Routers, fill_in_operators_of_header_values) {
  kinds::HeaderManipulation level;
  const auto add_header = [&](const char* key, const char* value, bool append) {
    level.request_headers_to_add.push_back({kinds::HeaderValue{key, value}, {}, append});
  };
  add_header("x-path", "p=%REQ(:PATH)% %%", true);
  add_header("x-none", "%REQ(X-MISSING)%", true);
  add_header("x-keep", "%REQ(X-MISSING)%", false);
  add_header("x-bad", "%DYNAMIC_METADATA(ns:key)%", true);
  info.metadata.push_back({"ns", "key", R"("line\r\nx-evil: 1")", nullptr});
  request.headers.add("x-keep", "kept");
  const HeaderMutations changes = mutations({level});
  changes.apply_request(request);
  EXPECT_EQ(request.headers.get("x-path"), "p=/ %");
  EXPECT_EQ(request.headers.get("x-none"), std::nullopt);  // nothing to add
  EXPECT_EQ(request.headers.get("x-keep"), "kept");
  EXPECT_EQ(request.headers.get("x-bad"), std::nullopt);  // would end the line
}

TEST_F(Routers, add_every_key_of_a_header_secret_as_it_is) {
  kinds::HeaderManipulation level;
  level.request_headers_to_add.push_back({std::nullopt, ObjectRef{"s", "ns"}, false});
  const FindHeaderSecret find = [](const ObjectRef& ref) -> Result<HeaderList> {
    if (ref.name != "s") return fail(ErrorKind::not_found, "no secret " + ref.name);
    return HeaderList{{"X-Api-Key", "100%"}, {"authorization", "Basic x"}};
  };
  const HeaderMutations changes = mutations({level}, find);
  changes.apply_request(request);
  EXPECT_EQ(request.headers.get("x-api-key"), "100%");
  EXPECT_EQ(request.headers.get(Known::authorization), "Basic x");

  level.request_headers_to_add[0].header_secret_ref->name = "t";
  const kinds::HeaderManipulation* levels[] = {&level};
  EXPECT_EQ(HeaderMutations::compile(levels, find).error().message, "no secret t");
  EXPECT_FALSE(HeaderMutations::compile(levels));
}

TEST_F(Routers, refuse_header_secrets_with_names_or_values_that_no_request_may_carry) {
  kinds::HeaderManipulation level;
  level.request_headers_to_add.push_back({std::nullopt, ObjectRef{"s", "ns"}, false});
  const kinds::HeaderManipulation* levels[] = {&level};
  for (const auto& [name, value, told] :
       std::vector<std::array<std::string, 3>>{{"Transfer-Encoding", "chunked", "the gateway writes it itself"},
                                               {"content_length", "5", "the gateway writes it itself"},
                                               {"Host", "evil", "host headers may not be modified"},
                                               {"a b", "x", "is no header name"},
                                               {"a", "x\r\ny: z", "its value has bytes that no header can carry"}}) {
    const FindHeaderSecret find = [&](const ObjectRef&) { return HeaderList{{name, value}}; };
    const auto made = HeaderMutations::compile(levels, find);
    ASSERT_FALSE(made) << name;
    EXPECT_TRUE(made.error().message.starts_with("secret ns.s: header ")) << made.error().message;
    EXPECT_TRUE(made.error().message.ends_with(told)) << made.error().message;
    EXPECT_EQ(HeaderMutations::check(level, find),
              std::vector{"requestHeadersToAdd[0].headerSecretRef: " + made.error().message});
  }
}

TEST_F(Routers, replace_and_remove_headers_however_the_client_spells_them) {
  kinds::HeaderManipulation level;
  level.request_headers_to_add.push_back({kinds::HeaderValue{"x-user-id", "7"}, std::nullopt, false});
  level.request_headers_to_remove.push_back("x-admin");
  for (const char* name : {"x_user_id", "x-user-id", "x-user_id", "x_admin", "x-adminx"})
    request.headers.add(name, "evil");
  request.accepts_trailers = true;
  const HeaderMutations changes = mutations({level});
  changes.apply_request(request);
  EXPECT_EQ(values(request.headers, "x-user-id"), std::vector<std::string>{"7"});
  EXPECT_EQ(request.headers.size(), 2U);
  EXPECT_EQ(request.kept_from_trailers.size(), 2U);
}

TEST_F(Routers, name_the_header_whose_value_does_not_compile) {
  kinds::HeaderManipulation level = response_adds("%NOPE_NOPE_NOPE%", true);
  const kinds::HeaderManipulation* levels[] = {&level};
  EXPECT_EQ(HeaderMutations::compile(levels).error().message, "header \"x-who\": unknown operator %NOPE_NOPE_NOPE%");
}

// ---- rewrites ----

struct Rewrite {
  kinds::PathMatch form;
  std::string path;
  std::string replacement;
  std::string_view asked;
  std::string_view expected;
};

TEST_F(Routers, tell_upstreams_nothing_of_their_own_where_that_is_unwanted) {
  RouteEntry route;
  route.prefix_rewrite = "/new";
  route.matcher = *RequestMatcher::compile({.path_match = kinds::PathMatch::prefix, .path = "/old"});
  for (const bool wanted : {true, false}) {
    route.envoy_headers = wanted;
    request.headers.clear();
    request.path = "/old/a";
    route.rewrite_request(request);
    EXPECT_EQ(request.path, "/new/a");
    EXPECT_EQ(request.headers.has(Known::x_envoy_original_path), wanted);
    EXPECT_EQ(request.headers.has(Known::x_envoy_expected_rq_timeout_ms), wanted);
  }
}

TEST_F(Routers, rewrite_the_matched_prefix_or_the_whole_path) {
  using enum kinds::PathMatch;
  const Rewrite rows[] = {
      {prefix, "/foo", "/bar", "/foo/x?q=/foo", "/bar/x?q=/foo"},
      {prefix, "/foo", "/", "/foo/x", "//x"},
      {prefix, "/foo", "/", "/foo", "/"},
      {prefix, "/foo", "", "/foo", "/foo"},
      {prefix, "/", "/api/", "/x", "/api/x"},
      {exact, "/foo", "/bar", "/foo?a", "/bar?a"},
      {regex, "/f.*", "/bar", "/foo/x?a", "/bar?a"},
  };
  for (const Rewrite& row : rows) {
    RouteEntry route;
    route.matcher = *RequestMatcher::compile({.path_match = row.form, .path = row.path});
    route.prefix_rewrite = row.replacement;
    request.headers.clear();
    request.path = row.asked;
    route.rewrite_request(request);
    EXPECT_EQ(request.path, row.expected) << row.asked;
    const bool rewritten = !row.replacement.empty();
    EXPECT_EQ(request.headers.get(Known::x_envoy_original_path), rewritten ? std::optional(row.asked) : std::nullopt);
  }
}

TEST_F(Routers, leave_a_path_alone_that_no_longer_has_the_matched_prefix) {
  RouteEntry route;
  route.matcher = *RequestMatcher::compile({.path = "/foo"});
  route.prefix_rewrite = "/bar";
  request.path = "/x";
  route.rewrite_request(request);
  EXPECT_EQ(request.path, "/x");
  EXPECT_FALSE(request.headers.has(Known::x_envoy_original_path));
}

TEST_F(Routers, tell_upstreams_the_timeout_and_the_new_host) {
  RouteEntry route;
  route.host_rewrite = "new.test";
  kinds::HeaderManipulation level;
  level.request_headers_to_add.push_back({kinds::HeaderValue{"x-old", "%REQ(:AUTHORITY)%"}, {}, true});
  route.headers = mutations({level});
  request.headers.add(Known::x_envoy_expected_rq_timeout_ms, "1");
  route.rewrite_request(request);
  EXPECT_EQ(values(request.headers, "x-envoy-expected-rq-timeout-ms"), std::vector<std::string>{"15000"});
  EXPECT_EQ(request.authority, "new.test");
  EXPECT_EQ(request.headers.get("x-old"), "api.test");  // header changes see the request as it came

  request.headers.clear();
  route.timeout = 0s;
  route.rewrite_request(request);
  EXPECT_FALSE(request.headers.has(Known::x_envoy_expected_rq_timeout_ms));
}

// ---- redirects and direct responses ----

TEST_F(Routers, redirect_to_what_the_action_names_and_keep_the_rest) {
  struct Row {
    kinds::RedirectAction action;
    std::string_view authority;
    std::string_view asked;
    std::string_view location;
  };
  const kinds::RegexRewrite regex{"/old/([a-z]+)", "/new/\\1"};
  const Row rows[] = {
      {{}, "api.test", "/old/x?q", "http://api.test/old/x?q"},
      {{.host_redirect = "b.test"}, "api.test", "/old/x?q", "http://b.test/old/x?q"},
      {{.host_redirect = "b.test"}, "api.test:81", "/old", "http://b.test/old"},
      {{.https_redirect = true}, "api.test", "/old", "https://api.test/old"},
      {{.https_redirect = true}, "api.test:80", "/old", "https://api.test/old"},
      {{.https_redirect = true}, "api.test:8080", "/old", "https://api.test:8080/old"},
      {{}, "api.test:80", "/old", "http://api.test:80/old"},
      {{.port_redirect = 8443}, "api.test:8080", "/old", "http://api.test:8443/old"},
      {{.port_redirect = 8443}, "[::1]", "/old", "http://[::1]:8443/old"},
      {{.port_redirect = 8443}, "[::1]:80", "/old", "http://[::1]:8443/old"},
      {{.path_redirect = "/p"}, "api.test", "/old?q", "http://api.test/p?q"},
      {{.path_redirect = "/p?own"}, "api.test", "/old?q", "http://api.test/p?own"},
      {{.path_redirect = "/p?own", .strip_query = true}, "api.test", "/old?q", "http://api.test/p?own"},
      {{.path_redirect = "/p", .strip_query = true}, "api.test", "/old?q", "http://api.test/p"},
      {{.prefix_rewrite = "/new"}, "api.test", "/old/x?q", "http://api.test/new/x?q"},
      {{.prefix_rewrite = "/new", .strip_query = true}, "api.test", "/old/x?q", "http://api.test/new/x"},
      {{.regex_rewrite = regex}, "api.test", "/old/abc?q=/old/x", "http://api.test/new/abc?q=/old/x"},
      {{.strip_query = true}, "api.test", "/old?", "http://api.test/old"},
  };
  for (const Row& row : rows) {
    router.reset();
    host = {"vh", {"*"}, {}};
    RouteEntry& route = add("/old", nullptr);
    route.chain.terminal = *make_redirect(row.action, route.matcher, *too_costly);
    request.authority = row.authority;
    const auto response = send(row.asked);
    EXPECT_EQ(response->status, 301);
    EXPECT_EQ(response->headers->get(Known::location), row.location);
    EXPECT_TRUE(response->body.empty());
    EXPECT_EQ(info.details, "direct_response");
  }
}

TEST_F(Routers, redirect_with_the_status_asked_for) {
  RouteEntry& route = add("/", nullptr);
  route.chain.terminal =
      *make_redirect({.response_code = kinds::RedirectCode::permanent_redirect}, route.matcher, *too_costly);
  route.headers = mutations({response_adds("rt", true)});
  const auto response = send("/");
  EXPECT_EQ(response->status, 308);
  EXPECT_EQ(values(*response->headers, "x-who"), std::vector<std::string>{"rt"});
}

TEST_F(Routers, answer_500_where_a_redirects_expression_looks_far_beyond_each_match) {
  RouteEntry& route = add("/", nullptr);
  route.chain.terminal =
      *make_redirect({.regex_rewrite = kinds::RegexRewrite{"a(?:.*b)?", "x"}}, route.matcher, *too_costly);
  EXPECT_EQ(send("/aaa")->headers->get(Known::location), "http://api.test/xxx");
  const std::string path = "/" + std::string(60'000, 'a');
  const auto response = send(path);
  EXPECT_EQ(response->status, 500);
  EXPECT_FALSE(response->headers->has(Known::location));
  EXPECT_EQ(info.details, "redirect_regex_too_costly");
  EXPECT_EQ(too_costly->value(), 1u);
}

TEST_F(Routers, refuse_redirects_whose_regular_expression_is_bad) {
  EXPECT_FALSE(make_redirect({.regex_rewrite = kinds::RegexRewrite{"(", "x"}}, RequestMatcher(), *too_costly));
  EXPECT_FALSE(make_redirect({.regex_rewrite = kinds::RegexRewrite{"x", "\\1"}}, RequestMatcher(), *too_costly));
}

TEST_F(Routers, answer_directly) {
  RouteEntry& route = add("/", *make_direct_response({418, "short and stout"}, 15));
  route.headers = mutations({response_adds("rt", true)});
  const auto response = send("/");
  EXPECT_EQ(response->status, 418);
  EXPECT_EQ(response->headers->get(Known::content_type), "text/plain");
  EXPECT_EQ(response->headers->get("x-who"), "rt");
  EXPECT_EQ(response->body.length, 15U);
  EXPECT_EQ(info.details, "direct_response");
}

TEST_F(Routers, answer_directly_with_as_many_bytes_as_are_allowed) {
  EXPECT_TRUE(make_direct_response({200, std::string(4096, 'x')}, 4096));
  EXPECT_FALSE(make_direct_response({200, std::string(4097, 'x')}, 4096));
}

TEST(RouteNames, are_those_of_the_data_plane) {
  EXPECT_EQ(route_name("gloo-system_httpbin", 2, "", 0), "gloo-system_httpbin-route-2-matcher-0");
  EXPECT_EQ(route_tree_name("gateway-proxy", "gateway-proxy", "gloo-system", "httpbin", ""), "");
  EXPECT_EQ(route_name("vh", 0, route_tree_name("gw", "px", "ns", "vs", "r"), 1),
            "vh-route-0-vs:gw_px_ns_vs_route:r-matcher-1");
}

}  // namespace
}  // namespace sluice
