// What gRPC lays over HTTP ("gRPC over HTTP2"): statuses, messages of statuses, deadlines, the frames of a body.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/arena.h"
#include "base/time.h"
#include "http/headers.h"

namespace sluice::grpc {

enum class Status : uint8_t {
  ok,
  cancelled,
  unknown,
  invalid_argument,
  deadline_exceeded,
  not_found,
  already_exists,
  permission_denied,
  resource_exhausted,
  failed_precondition,
  aborted,
  out_of_range,
  unimplemented,
  internal,
  unavailable,
  data_loss,
  unauthenticated,
  count,
};

inline constexpr std::string_view kContentType = "application/grpc";
inline constexpr std::string_view kStatusField = "grpc-status";
inline constexpr std::string_view kMessageField = "grpc-message";
inline constexpr std::string_view kTimeoutField = "grpc-timeout";

// application/grpc, application/grpc+...: not gRPC-Web, which is HTTP to whoever does not translate it.
bool is_grpc_type(std::string_view content_type);
inline bool is_grpc(const Headers& headers) {
  const auto type = headers.get(Known::content_type);
  return type && is_grpc_type(*type);
}

// "http-grpc-status-mapping": what a client must take an HTTP status for.
Status status_of_http(uint16_t http_status);
// As Envoy counts a status among those of HTTP.
uint16_t http_status_of(uint64_t status);

// The number in grpc-status. Peers may send such as have no name. Nothing: there is none, or it is no number.
std::optional<uint64_t> status_in(const Headers& headers);

enum class Spelling : uint8_t { camel, snake };
// "InvalidArgument", "INVALID_ARGUMENT"; "" for a number without a name.
std::string_view status_name(uint64_t status, Spelling spelling);

// grpc-message: all but printable ASCII percent-encoded, and "%".
std::string_view encode_message(std::string_view text, Arena& arena);
// The other way; what is no escape stays.
std::string decode_message(std::string_view text);

// grpc-timeout: up to eight digits and a unit, H M S m u n. Nothing: it is not that.
std::optional<Nanos> parse_timeout(std::string_view text);
// The same, in the finest unit in which eight digits are enough.
std::string write_timeout(Nanos timeout);

// In front of each message of a body.
inline constexpr size_t kFrameHeadBytes = 5;
inline constexpr uint8_t kCompressed = 0x01;
inline constexpr uint8_t kTrailers = 0x80;  // gRPC-Web: it holds the trailers
struct FrameHead {
  uint8_t flags = 0;
  uint32_t length = 0;  // of what follows
};
std::array<char, kFrameHeadBytes> write_frame_head(FrameHead head);
FrameHead read_frame_head(const char* bytes);  // kFrameHeadBytes of them

}  // namespace sluice::grpc
