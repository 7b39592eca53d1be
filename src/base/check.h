// CHECK(condition): what only a bug can break. Stays on in release builds; prints the place and aborts.
#pragma once

namespace sluice {
[[noreturn, gnu::cold]] void check_failed(const char* condition, const char* file, int line);
}  // namespace sluice

#define CHECK(condition) \
  (static_cast<bool>(condition) ? static_cast<void>(0) : ::sluice::check_failed(#condition, __FILE__, __LINE__))
