// Errors of system calls as Errors.
#pragma once

#include <string_view>

#include "base/result.h"

namespace sluice {

// `what` was tried: "socket"; empty: the reason alone.
Error errno_error(int code, std::string_view what, Side side = Side::ours);

}  // namespace sluice
