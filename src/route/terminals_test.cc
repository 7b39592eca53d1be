#include "route/terminals.h"

#include <gtest/gtest.h>

#include "io/loop.h"
#include "route/route_entry.h"

namespace sluice {
namespace {

struct Redirected {
  Redirected(const kinds::RedirectAction& action, std::string_view authority, std::string_view path) {
    route.matcher = *RequestMatcher::compile({.path_match = kinds::PathMatch::regex, .path = ".*"});
    request.method = "OPTIONS";
    request.authority = authority;
    request.path = path;
    request.route = {&route.chain, &route};
    const auto redirect = *make_redirect(action, route.matcher, *metrics.metric({"too_costly", "Too costly."}));
    Task<Response> handling = redirect->handle(request);
    response = *handling.take();
  }
  std::string_view location() const { return response.headers->get(Known::location).value_or("none"); }

  Metrics metrics{1};
  Loop loop;
  Arena arena;
  StreamInfo info;
  Request request{arena, loop, info};
  RouteEntry route;
  Response response;
};

TEST(Redirects, need_a_host) {
  for (const kinds::RedirectAction& action :
       {kinds::RedirectAction{}, {.path_redirect = "/p"}, {.https_redirect = true}, {.port_redirect = 8443}}) {
    const Redirected redirected(action, "", "/rd");
    EXPECT_EQ(redirected.response.status, 400);
    EXPECT_EQ(redirected.location(), "none");
    EXPECT_EQ(redirected.info.details, "empty_host_header");
  }
  EXPECT_EQ(Redirected({.host_redirect = "b.test"}, "", "/rd").location(), "http://b.test/rd");
}

TEST(Redirects, of_a_whole_server_have_no_path) {
  struct Row {
    kinds::RedirectAction action;
    std::string_view location;
  };
  const Row rows[] = {
      {{}, "http://h.test"},
      {{.https_redirect = true}, "https://h.test"},
      {{.host_redirect = "b.test", .strip_query = true}, "http://b.test"},
      {{.path_redirect = "/p"}, "http://h.test/p"},
      {{.prefix_rewrite = "/all"}, "http://h.test/all"},
  };
  for (const Row& row : rows) EXPECT_EQ(Redirected(row.action, "h.test", "*").location(), row.location);
}

TEST(Redirects, never_make_the_path_a_part_of_the_host) {
  const kinds::RegexRewrite without_p{.regex = "^/p", .substitution = ""};
  struct Row {
    kinds::RedirectAction action;
    std::string_view path;
    std::string_view location;  // "none": 400
  };
  const Row rows[] = {
      {{.host_redirect = "good.test", .regex_rewrite = without_p}, "/p@evil.com/x", "none"},
      {{.host_redirect = "good.test", .regex_rewrite = without_p}, "/p.evil.com/x", "none"},
      {{.host_redirect = "good.test", .regex_rewrite = without_p}, "/p:80/x", "none"},
      {{.host_redirect = "good.test", .regex_rewrite = without_p}, "/p", "none"},
      {{.host_redirect = "good.test", .regex_rewrite = without_p}, "/p?q", "none"},
      {{.host_redirect = "good.test", .regex_rewrite = without_p}, "/p/x?q", "http://good.test/x?q"},
      {{.prefix_rewrite = "@evil.com"}, "/p", "none"},
      {{.path_redirect = "@evil.com"}, "/p", "none"},
      {{.regex_rewrite = {{.regex = "^/p", .substitution = "/files/"}}}, "/p../secret", "none"},
      {{.regex_rewrite = {{.regex = "^/p", .substitution = "/files/"}}}, "/p..;x/secret", "none"},
      // Expressions match bytes: what is no UTF-8 is rewritten as well.
      {{.regex_rewrite = {{.regex = "^/p(.*)$", .substitution = "/q\\1"}}}, "/p/\xff", "http://h.test/q/\xff"},
  };
  for (const Row& row : rows) {
    const Redirected redirected(row.action, "h.test", row.path);
    EXPECT_EQ(redirected.location(), row.location) << row.path;
    if (row.location != "none") continue;
    EXPECT_EQ(redirected.response.status, 400);
    EXPECT_EQ(redirected.info.details, "invalid_rewritten_path");
    EXPECT_FALSE(redirected.response.body.empty());
  }
}

}  // namespace
}  // namespace sluice
