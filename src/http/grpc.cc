#include "http/grpc.h"

#include <fmt/format.h>
#include <algorithm>

#include "base/encoding.h"
#include "base/strings.h"

namespace sluice::grpc {
namespace {

struct Names {
  std::string_view camel;
  std::string_view snake;
};
// As Envoy writes them (%GRPC_STATUS%).
constexpr Names kNames[] = {{"OK", "OK"},
                            {"Canceled", "CANCELLED"},
                            {"Unknown", "UNKNOWN"},
                            {"InvalidArgument", "INVALID_ARGUMENT"},
                            {"DeadlineExceeded", "DEADLINE_EXCEEDED"},
                            {"NotFound", "NOT_FOUND"},
                            {"AlreadyExists", "ALREADY_EXISTS"},
                            {"PermissionDenied", "PERMISSION_DENIED"},
                            {"ResourceExhausted", "RESOURCE_EXHAUSTED"},
                            {"FailedPrecondition", "FAILED_PRECONDITION"},
                            {"Aborted", "ABORTED"},
                            {"OutOfRange", "OUT_OF_RANGE"},
                            {"Unimplemented", "UNIMPLEMENTED"},
                            {"Internal", "INTERNAL"},
                            {"Unavailable", "UNAVAILABLE"},
                            {"DataLoss", "DATA_LOSS"},
                            {"Unauthenticated", "UNAUTHENTICATED"}};
static_assert(std::size(kNames) == static_cast<size_t>(Status::count));

constexpr uint16_t kHttp[] = {200, 499, 500, 400, 504, 404, 409, 403, 429, 400, 409, 400, 501, 500, 503, 500, 401};
static_assert(std::size(kHttp) == static_cast<size_t>(Status::count));

struct Unit {
  char letter;
  Nanos length;
};
constexpr Unit kUnits[] = {{'n', 1ns}, {'u', 1us}, {'m', 1ms}, {'S', 1s}, {'M', 1min}, {'H', 1h}};
constexpr size_t kTimeoutDigitsMax = 8;
constexpr int64_t kTimeoutNumberMax = 99'999'999;

bool stays(char c) {
  return c >= 0x20 && c <= 0x7e && c != '%';
}

}  // namespace

bool is_grpc_type(std::string_view content_type) {
  if (!content_type.starts_with(kContentType)) return false;
  content_type.remove_prefix(kContentType.size());
  return content_type.empty() || content_type.front() == '+' || content_type.front() == ';';
}

Status status_of_http(uint16_t http_status) {
  switch (http_status) {
    case 400: return Status::internal;
    case 401: return Status::unauthenticated;
    case 403: return Status::permission_denied;
    case 404: return Status::unimplemented;
    case 429:
    case 502:
    case 503:
    case 504: return Status::unavailable;
    default: return Status::unknown;
  }
}

uint16_t http_status_of(uint64_t status) {
  return status < std::size(kHttp) ? kHttp[status] : 500;
}

std::optional<uint64_t> status_in(const Headers& headers) {
  const auto text = headers.get(kStatusField);
  return text ? parse_decimal(*text) : std::nullopt;
}

std::string_view status_name(uint64_t status, Spelling spelling) {
  if (status >= std::size(kNames)) return "";
  return spelling == Spelling::camel ? kNames[status].camel : kNames[status].snake;
}

std::string_view encode_message(std::string_view text, Arena& arena) {
  if (std::ranges::all_of(text, stays)) return arena.copy(text);
  std::string out;
  for (const char c : text) {
    if (stays(c))
      out += c;
    else
      fmt::format_to(std::back_inserter(out), "%{:02X}", static_cast<unsigned char>(c));
  }
  return arena.copy(out);
}

std::string decode_message(std::string_view text) {
  return percent_decode_some(text);
}

std::optional<Nanos> parse_timeout(std::string_view text) {
  if (text.size() < 2 || text.size() > kTimeoutDigitsMax + 1) return std::nullopt;
  const auto* const unit = std::ranges::find(kUnits, text.back(), &Unit::letter);
  const auto number = parse_decimal(text.substr(0, text.size() - 1));
  if (unit == std::end(kUnits) || !number) return std::nullopt;
  return times(unit->length, static_cast<int64_t>(*number));
}

std::string write_timeout(Nanos timeout) {
  timeout = std::max(timeout, Nanos(0));
  for (const Unit& unit : kUnits)
    if (const int64_t number = timeout / unit.length; number <= kTimeoutNumberMax)
      return fmt::format("{}{}", number, unit.letter);
  return fmt::format("{}H", kTimeoutNumberMax);
}

std::array<char, kFrameHeadBytes> write_frame_head(FrameHead head) {
  return {static_cast<char>(head.flags), static_cast<char>(head.length >> 24), static_cast<char>(head.length >> 16),
          static_cast<char>(head.length >> 8), static_cast<char>(head.length)};
}

FrameHead read_frame_head(const char* bytes) {
  FrameHead head{.flags = static_cast<uint8_t>(bytes[0])};
  for (size_t i = 1; i < kFrameHeadBytes; ++i) head.length = head.length << 8 | static_cast<uint8_t>(bytes[i]);
  return head;
}

}  // namespace sluice::grpc
