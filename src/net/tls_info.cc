#include "net/tls_info.h"

namespace sluice {
namespace {

constexpr int kFirstCode = 1 << 20;  // above every errno and status

}  // namespace

TlsFailure tls_failure(const Error& error) {
  return error.code < kFirstCode ? TlsFailure::none : static_cast<TlsFailure>(error.code - kFirstCode);
}

Error tls_error(TlsFailure failure, std::string message, Side side) {
  return {.kind = failure == TlsFailure::protocol ? ErrorKind::invalid : ErrorKind::denied,
          .message = std::move(message),
          .side = side,
          .code = kFirstCode + static_cast<int>(failure)};
}

}  // namespace sluice
