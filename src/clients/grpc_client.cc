#include "clients/grpc_client.h"

#include <algorithm>

#include "base/strings.h"

namespace sluice {
namespace {

constexpr uint64_t kStatuses = static_cast<uint64_t>(grpc::Status::count);

std::string_view value_of(const HeaderTexts& fields, std::string_view name) {
  const auto found = std::ranges::find(fields, name, &HeaderTexts::value_type::first);
  return found == fields.end() ? std::string_view() : std::string_view(found->second);
}

HttpCall http_call(GrpcCall&& call) {
  HttpCall out{.method = "POST", .authority = std::move(call.authority), .path = std::move(call.method)};
  out.headers = std::move(call.metadata);
  out.headers.emplace_back("content-type", grpc::kContentType);
  out.headers.emplace_back(grpc::kTimeoutField, grpc::write_timeout(call.timeout));
  const auto head = grpc::write_frame_head({.flags = 0, .length = static_cast<uint32_t>(call.message.size())});
  out.body.reserve(head.size() + call.message.size());
  out.body.append(head.data(), head.size()).append(call.message);
  out.timeout = call.timeout;
  out.response_bytes_max = call.message_bytes_max + grpc::kFrameHeadBytes;
  out.grpc = true;
  return out;
}

std::unexpected<Error> broken(ErrorKind kind, std::string_view what) {
  return fail(kind, std::string(what), Side::upstream);
}

// The one message that a body is; nothing where it is empty.
Result<std::string> message_of(std::string_view body) {
  if (body.empty()) return std::string();
  if (body.size() < grpc::kFrameHeadBytes) return broken(ErrorKind::invalid, "the answer's message is cut off");
  const grpc::FrameHead head = grpc::read_frame_head(body.data());
  body.remove_prefix(grpc::kFrameHeadBytes);
  if (head.flags == grpc::kCompressed) return broken(ErrorKind::unsupported, "the answer's message is compressed");
  if (head.flags != 0) return broken(ErrorKind::invalid, "the answer's message has flags that nobody knows");
  if (head.length > body.size()) return broken(ErrorKind::invalid, "the answer's message is cut off");
  if (head.length < body.size()) return broken(ErrorKind::invalid, "the answer has more than one message");
  return std::string(body);
}

// Of an answer by something that does not speak gRPC, or by a proxy in front of it.
GrpcAnswer of_http(HttpAnswer&& http) {
  GrpcAnswer out{.status = grpc::status_of_http(http.status), .text = fmt::format("HTTP status {}", http.status)};
  out.metadata = std::move(http.headers);
  return out;
}

Result<GrpcAnswer> answer_of(HttpAnswer&& http) {
  const bool in_head = !value_of(http.headers, grpc::kStatusField).empty();
  if (!in_head && (http.status != 200 || !grpc::is_grpc_type(value_of(http.headers, "content-type"))))
    return of_http(std::move(http));
  const HeaderTexts& from = in_head ? http.headers : http.trailers;
  const auto status = parse_decimal(value_of(from, grpc::kStatusField));
  if (!status) return broken(ErrorKind::invalid, "the answer has no grpc-status");
  GrpcAnswer out;
  out.status = *status < kStatuses ? static_cast<grpc::Status>(*status) : grpc::Status::unknown;
  out.text = grpc::decode_message(value_of(from, grpc::kMessageField));
  if (out.status == grpc::Status::ok && http.body.empty())
    return broken(ErrorKind::invalid, "the answer has no message");
  out.message = TRY(message_of(http.body));
  out.metadata = std::move(http.headers);
  out.trailers = std::move(http.trailers);
  return out;
}

}  // namespace

Task<GrpcAnswer> GrpcClient::call(WorkerPlace at, GrpcCall call) const {
  auto sending = http_.send(at, http_call(std::move(call)));
  HttpAnswer answer = CO_TRY(co_await sending);
  co_return answer_of(std::move(answer));
}

}  // namespace sluice
