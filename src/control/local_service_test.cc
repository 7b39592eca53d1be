#include "control/local_service.h"

#include <gtest/gtest.h>

#include "io/loop.h"

namespace sluice {
namespace {

class LocalService : public testing::Test {
 protected:
  // The status of the refusal; 0 when the caller is welcome.
  unsigned refused(std::string_view host, std::string_view origin = "", Callers callers = Callers::of_this_machine) {
    Arena arena;
    StreamInfo info;
    Request request(arena, loop_, info);
    request.authority = host;
    if (!origin.empty()) request.headers.add(Known::origin, origin);
    const auto answer = refuse_foreign_caller(request, callers);
    return answer ? answer->status : 0;
  }
  Loop loop_;
};

TEST_F(LocalService, answers_callers_who_address_it_by_loopback) {
  for (const auto host :
       {"localhost", "LocalHost:19000", "127.0.0.1", "127.0.0.1:19000", "127.9.9.9:1", "[::1]", "[::1]:19000"})
    EXPECT_EQ(refused(host), 0U) << host;
}

TEST_F(LocalService, refuses_names_that_somebody_made_point_here) {
  for (const auto host :
       {"evil.test", "localhost.evil.test", "127.0.0.1.evil.test", "10.0.0.1", "[::2]", "[::ffff:10.0.0.1]",
        "128.0.0.1", "0.0.0.0", "[", "[]", ":", "", "127.1", "2130706433", "0x7f.1"})
    EXPECT_EQ(refused(host), 403U) << host;
}

TEST_F(LocalService, answers_callers_with_a_token_by_any_name) {
  for (const auto host : {"gateway.local:19000", "10.0.0.1", "[fd00::1]:19000"})
    EXPECT_EQ(refused(host, "", Callers::with_token), 0U) << host;
}

TEST_F(LocalService, refuses_web_pages) {
  EXPECT_EQ(refused("localhost", "http://localhost:3000"), 403U);
  EXPECT_EQ(refused("localhost", "null"), 403U);
  EXPECT_EQ(refused("localhost", "null", Callers::with_token), 403U);
}

}  // namespace
}  // namespace sluice
