#include "filters/stateful_session/filter.h"

#include <gtest/gtest.h>

#include "base/encoding.h"
#include "pipeline/testing.h"

namespace sluice::stateful_session {
namespace {

class StatefulSession : public testing::Test {
 protected:
  StatefulSession() {
    gateway.upstream = [this](Request& request) {
      wish = request.endpoint_wish ? std::optional(request.endpoint_wish->address.to_string()) : std::nullopt;
      strict = request.endpoint_wish && request.endpoint_wish->strict;
      if (host.empty()) return reply(request, OutcomeKind::no_healthy_upstream);
      request.info.upstream_host = host;
      return make_response(request, 200, {}, {"ok"});
    };
  }
  FilterHarness::Answer send(const std::string& cookie, std::string path = "/") {
    FilterHarness::Ask ask{.path = std::move(path)};
    if (!cookie.empty()) ask.headers.emplace_back("cookie", cookie);
    return gateway.send(ask);
  }
  int64_t count(const char* session) {
    return gateway.metrics.metric({"sluice_stateful_session_requests_total", ""}, {{"session", session}})->value();
  }
  // "begun kept moved refused".
  std::string counts() {
    return fmt::format("{} {} {} {}", count("begun"), count("kept"), count("moved"), count("refused"));
  }

  FilterHarness gateway{stateful_session_filter()};
  std::string host = "10.0.0.1:80";
  std::optional<std::string> wish;
  bool strict = false;
};

TEST_F(StatefulSession, tells_the_endpoint_by_a_cookie_until_it_is_kept) {
  ASSERT_EQ(gateway.listener("statefulSession: {cookieBased: {cookie: {name: s, path: /app, ttl: 90s}}}"), "");
  const std::string session = "s=" + base64_encode(host);
  EXPECT_EQ(send("", "/app").header("set-cookie"), session + "; Max-Age=90; Path=/app; HttpOnly");
  EXPECT_EQ(wish, std::nullopt);
  EXPECT_EQ(send("a=b; " + session + "; s=other", "/app/x?y").header("set-cookie"), std::nullopt);
  EXPECT_EQ(wish, host);
  EXPECT_FALSE(strict);
  const std::string before = std::exchange(host, "[2001:db8::1]:8080");
  EXPECT_EQ(send("s=\"" + base64_encode(before) + '"', "/app/").header("set-cookie"),
            "s=" + base64_encode(host) + "; Max-Age=90; Path=/app; HttpOnly");
  EXPECT_EQ(wish, before);
  EXPECT_EQ(send("s=" + base64_encode(host), "/app").header("set-cookie"), std::nullopt);
  EXPECT_EQ(wish, host);
  EXPECT_EQ(counts(), "1 2 1 0");
}

TEST_F(StatefulSession, is_of_the_cookies_path_and_below) {
  ASSERT_EQ(gateway.listener("statefulSession: {cookieBased: {cookie: {name: s, path: /app}}}"), "");
  for (const char* path : {"/", "/ap", "/apple", "/APP", "*"}) {
    EXPECT_EQ(send("s=" + base64_encode(host), path).header("set-cookie"), std::nullopt) << path;
    EXPECT_EQ(wish, std::nullopt) << path;
  }
  EXPECT_EQ(counts(), "0 0 0 0");
  ASSERT_EQ(gateway.listener("statefulSession: {cookieBased: {cookie: {name: s, path: /app/}}}"), "");
  EXPECT_EQ(send("", "/app").header("set-cookie"), std::nullopt);
  EXPECT_TRUE(send("", "/app/x").header("set-cookie"));
  ASSERT_EQ(gateway.listener("statefulSession: {cookieBased: {cookie: {name: s}}}"), "");
  EXPECT_EQ(send("", "/any").header("set-cookie"), "s=" + base64_encode(host) + "; HttpOnly");
}

TEST_F(StatefulSession, tells_the_endpoint_by_a_header) {
  ASSERT_EQ(gateway.listener("statefulSession: {headerBased: {headerName: X-Session}, strict: true}"), "");
  EXPECT_EQ(gateway.send({}).header("x-session"), base64_encode(host));
  EXPECT_EQ(gateway.send({.headers = {{"x-session", base64_encode(host)}}}).header("x-session"), std::nullopt);
  EXPECT_EQ(wish, host);
  EXPECT_TRUE(strict);
}

// What is no address is no session: strict or not, the request goes where any goes.
TEST_F(StatefulSession, takes_what_is_no_session_for_none) {
  ASSERT_EQ(gateway.listener("statefulSession: {cookieBased: {cookie: {name: s}}, strict: true}"), "");
  for (const std::string& session :
       {std::string(), std::string("%"), base64_encode(""), base64_encode("10.0.0.1"), base64_encode("host:80"),
        base64_encode("10.0.0.1:0x50"), base64_encode("10.0.0.1:65536"), base64_encode(std::string(5000, '1')),
        base64_encode("10.0.0.1:80\r\n")}) {
    EXPECT_TRUE(send("s=" + session).header("set-cookie")) << session;
    EXPECT_EQ(wish, std::nullopt) << session;
  }
  for (const char* cookies : {";", "s", "=", "; ;s ;", "S=x", "ss=x", "\"s\"=x"}) {
    EXPECT_TRUE(send(cookies).header("set-cookie")) << cookies;
    EXPECT_EQ(wish, std::nullopt) << cookies;
  }
}

TEST_F(StatefulSession, says_nothing_on_answers_of_the_gateway) {
  ASSERT_EQ(gateway.listener("statefulSession: {cookieBased: {cookie: {name: s}}, strict: true}"), "");
  const std::string session = "s=" + base64_encode(host);
  host = "";
  EXPECT_EQ(send("").header("set-cookie"), std::nullopt);
  EXPECT_EQ(counts(), "0 0 0 0");
  EXPECT_EQ(send(session).status, 503);
  EXPECT_EQ(counts(), "0 0 0 1");
}

TEST(StatefulSessionConfig, refuses_what_can_be_no_session) {
  FilterHarness gateway(stateful_session_filter());
  const auto says = [&](std::string_view options, std::string_view what) {
    const std::string said = gateway.listener(options);
    EXPECT_TRUE(said.contains(what)) << said;
  };
  says("statefulSession: {}", "one of cookieBased, headerBased must be set");
  says("statefulSession: {cookieBased: {}}", "cookieBased.cookie: is required");
  says("statefulSession: {cookieBased: {cookie: {path: /}}}", "cookie.name: is required");
  says("statefulSession: {cookieBased: {cookie: {name: 'a b'}}}", "cookie.name: must be the name of a cookie");
  says("statefulSession: {cookieBased: {cookie: {name: s, path: x}}}", "cookie.path: must begin with");
  says("statefulSession: {cookieBased: {cookie: {name: s, path: '/;Domain=x'}}}", "cookie.path: must begin with");
  says("statefulSession: {cookieBased: {cookie: {name: s, ttl: 1500ms}}}", "cookie.ttl: must be whole seconds");
  says("statefulSession: {cookieBased: {cookie: {name: s, ttl: -1s}}}", "cookie.ttl: must");
  says("statefulSession: {headerBased: {headerName: 'a b'}}", "headerName");
  says("statefulSession: {headerBased: {headerName: Content-Length}}", "headerName");
  says("statefulSession: {headerBased: {headerName: x}, cookieBased: {cookie: {name: s}}}",
       "only one of cookieBased, headerBased");
}

}  // namespace
}  // namespace sluice::stateful_session
