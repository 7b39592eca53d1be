#include "base/header_names.h"

#include <gtest/gtest.h>

namespace sluice {
namespace {

TEST(HeaderNames, are_the_same_to_backends_that_know_no_dash) {
  EXPECT_TRUE(same_header("x-jwt-tenant", "x_jwt_tenant"));
  EXPECT_TRUE(same_header("x-jwt-tenant", "x-jwt_tenant"));
  EXPECT_TRUE(same_header("", ""));
  EXPECT_FALSE(same_header("x-jwt-tenant", "x-jwt-tenan"));
  EXPECT_FALSE(same_header("x-jwt", "x.jwt"));
  EXPECT_TRUE(begins_like("x_envoy-internal", "x-envoy-"));
  EXPECT_FALSE(begins_like("x_envoy", "x-envoy-"));
}

TEST(HeaderNames, of_framing_and_of_the_connection_are_the_gateways) {
  for (const char* name :
       {"transfer-encoding", "Transfer-Encoding", "transfer_encoding", "content-length", "connection", "Keep-Alive",
        "proxy-connection", "te", "trailer", "upgrade", "http2-settings", "expect"})
    EXPECT_TRUE(header_change_error(name).ends_with("the gateway writes it itself")) << name;
  for (const char* name : {"", "a b", ":path", "a:", "\xc3\xa4"})
    EXPECT_TRUE(header_change_error(name).ends_with("is no header name")) << name;
  for (const char* name :
       {"x-a", "x_a", "content-type", "authorization", "proxy-authorization", "server", "date", "ten"})
    EXPECT_EQ(header_change_error(name), "") << name;
}

}  // namespace
}  // namespace sluice
