#include "base/check.h"

#include <fmt/format.h>
#include <cstdlib>

#include "base/log.h"

namespace sluice {

void check_failed(const char* condition, const char* file, int line) {
  log::last_words(
      fmt::format("{}:{}: CHECK({}) failed: this is a bug in sluice, please report it\n", file, line, condition));
  std::abort();
}

}  // namespace sluice
