// Errors as values: Result<T> is a T or an Error.
//
// What the network, a user or a file can cause is an Error; what only a bug can cause is a CHECK (base/check.h).
#pragma once

#include <cstdint>
#include <expected>
#include <string>
#include <utility>

namespace sluice {

// What happened, in the few words that code decides on. Texts for people are in Error::message.
enum class ErrorKind : uint8_t {
  invalid,      // bytes or values that break a rule
  unsupported,  // understood, and not to be had yet
  not_found,
  conflict,  // somebody else changed it first
  limit,     // a bound of ours was reached
  overload,  // a bound that all share was reached: later it may go
  timeout,
  cancelled,  // the owner of the task asked it to end
  closed,     // the other side ended in good order, or went away between two messages
  reset,      // the connection broke in the middle of something
  refused,    // nobody accepts connections there
  unreachable,
  denied,  // a policy said no
  io,      // a system call failed otherwise
  internal,
};

// Whose fault it is, which decides status codes and log levels.
enum class Side : uint8_t { ours, downstream, upstream };

struct Error {
  ErrorKind kind = ErrorKind::internal;
  std::string message;  // a sentence for a human: what, where, which value, what to do
  Side side = Side::ours;
  int code = 0;  // an errno or a status, where there is one

  // The same error with the place put in front: "reading JWKS for provider `okta`: connection refused".
  Error in(std::string_view where) && {
    message.insert(0, std::string(where) + ": ");
    return std::move(*this);
  }
};

template <class T>
using Result = std::expected<T, Error>;

using Status = Result<void>;

[[gnu::cold]] inline std::unexpected<Error> fail(ErrorKind kind, std::string message, Side side = Side::ours) {
  return std::unexpected(Error{.kind = kind, .message = std::move(message), .side = side});
}

[[gnu::cold]] inline std::unexpected<Error> invalid(std::string message) {
  return fail(ErrorKind::invalid, std::move(message));
}

}  // namespace sluice

// TRY(expression): its value, or return its error from this function. CO_TRY: the same in a coroutine.
#define TRY(...)                                                \
  ({                                                            \
    auto sluice_result = (__VA_ARGS__);                         \
    if (!sluice_result) [[unlikely]]                            \
      return std::unexpected(std::move(sluice_result).error()); \
    *std::move(sluice_result);                                  \
  })

#define CO_TRY(...)                                                \
  ({                                                               \
    auto sluice_result = (__VA_ARGS__);                            \
    if (!sluice_result) [[unlikely]]                               \
      co_return std::unexpected(std::move(sluice_result).error()); \
    *std::move(sluice_result);                                     \
  })
