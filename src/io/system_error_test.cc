#include "io/system_error.h"

#include <gtest/gtest.h>

#include <cerrno>

namespace sluice {
namespace {

// What the kernel gave up is not what a deadline of ours ended: nobody is answered 408 for it.
TEST(SystemError, takes_no_errno_for_a_deadline) {
  for (int code = 1; code < 134; ++code) EXPECT_NE(errno_error(code, "").kind, ErrorKind::timeout) << code;
  EXPECT_EQ(errno_error(ETIMEDOUT, "").kind, ErrorKind::unreachable);
  EXPECT_EQ(errno_error(ECONNRESET, "").kind, ErrorKind::reset);
  EXPECT_EQ(errno_error(ECONNREFUSED, "connecting").message, "connecting: Connection refused");
}

}  // namespace
}  // namespace sluice
