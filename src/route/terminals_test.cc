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
    const auto redirect = *make_redirect(action, route.matcher);
    Task<Response> handling = redirect->handle(request, Next(route.chain, 0));
    response = *handling.take();
  }
  std::string_view location() const { return response.headers->get(Known::location).value_or("none"); }

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

}  // namespace
}  // namespace sluice
