#include "forward/connect_tunnel.h"

#include <fmt/format.h>
#include <algorithm>

#include "base/arena.h"
#include "base/strings.h"
#include "http/h1/head.h"
#include "io/loop.h"
#include "net/prefix_stream.h"

namespace sluice {
namespace {

constexpr size_t kHeadBytesMax = 16U << 10;
constexpr size_t kHeadFieldsMax = 100;

// RFC 9112 3.2.3: host and port. What the operators gave may be nothing, or anything.
bool is_authority_form(std::string_view text) {
  const size_t colon = text.rfind(':');
  if (colon == std::string_view::npos || colon == 0) return false;
  const auto is_of_host = [](char c) { return c > ' ' && c < 0x7f && !std::string_view("/?#@\\\"<>").contains(c); };
  const std::string_view port = text.substr(colon + 1);
  return std::ranges::all_of(text.substr(0, colon), is_of_host) && !port.empty() && port.size() <= 5 &&
         std::ranges::all_of(port, ascii_digit);
}

bool may_stand_in_a_field(std::string_view value) {
  return std::ranges::none_of(value,
                              [](char c) { return (static_cast<unsigned char>(c) < ' ' && c != '\t') || c == 0x7f; });
}

Result<std::string> host_of(const TcpTunnel& tunnel, const FormatInput& input) {
  std::string host;
  tunnel.host.append(host, input);
  if (!is_authority_form(host))
    return fail(ErrorKind::invalid, fmt::format("hostname of tunnelingConfig: {} is no host with a port",
                                                json_quote(printable(host, 100))));
  return host;
}

// Calls `add(name, value)` for each.
template <class Add>
void each_header(const TcpTunnel& tunnel, const FormatInput& input, Add&& add) {
  for (const TcpTunnel::Header& header : tunnel.headers) {
    std::string value;
    header.value.append(value, input);
    if (!value.empty() && may_stand_in_a_field(value)) add(header.name, value);
  }
}

// A proxy that will not go there is none the worse for it.
Status answered(uint16_t status) {
  if (status < 300) return {};
  return fail(ErrorKind::denied, fmt::format("the proxy answered CONNECT with {}", status),
              status >= 500 ? Side::upstream : Side::ours);
}

// The bytes behind the head.
Task<std::string> read_answer(Stream& stream, SteadyTime deadline) {
  Arena arena;
  Headers headers(arena);
  ResponseHeadParser parser({.head_bytes_max = kHeadBytesMax, .fields_max = kHeadFieldsMax});
  std::string bytes(kHeadBytesMax, '\0');
  size_t filled = 0;
  for (;;) {
    const HeadProgress progress = parser.parse(std::span(bytes).first(filled), headers);
    if (progress == HeadProgress::failed)
      co_return fail(ErrorKind::invalid, "the proxy's answer to CONNECT is no HTTP/1", Side::upstream);
    if (progress == HeadProgress::done && parser.status >= 200) break;
    if (progress == HeadProgress::done) {  // RFC 9110 15.2: there is another to come
      bytes.erase(0, parser.size());
      filled -= parser.size();
      bytes.resize(kHeadBytesMax);
      parser.restart(headers);
      continue;
    }
    if (filled == bytes.size())
      co_return fail(ErrorKind::invalid, "the head of the proxy's answer to CONNECT is too long", Side::upstream);
    auto reading = stream.read(std::span(bytes).subspan(filled), deadline);
    const size_t got = CO_TRY(co_await reading);
    if (got == 0)
      co_return fail(ErrorKind::closed, "the proxy ended the connection before it answered CONNECT", Side::upstream);
    filled += got;
  }
  CO_TRY(answered(parser.status));
  co_return bytes.substr(parser.size(), filled - parser.size());
}

}  // namespace

Task<std::unique_ptr<Stream>> connect_through(std::unique_ptr<Stream> stream, const TcpTunnel& tunnel,
                                              const StreamInfo& info, SteadyTime deadline) {
  const FormatInput input{.info = info, .now = stream->loop().now()};
  const std::string host = CO_TRY(host_of(tunnel, input));
  std::string head = fmt::format("CONNECT {0} HTTP/1.1\r\nHost: {0}\r\n", host);
  each_header(tunnel, input,
              [&](std::string_view name, std::string_view value) { head += fmt::format("{}: {}\r\n", name, value); });
  head += "\r\n";
  auto writing = stream->write_all(head, deadline - stream->loop().now());
  CO_TRY(co_await writing);
  auto answering = read_answer(*stream, deadline);
  std::string rest = CO_TRY(co_await answering);
  co_return with_prefix(std::move(stream), std::move(rest));
}

// Of what has been answered and what has not alike.
Http2Tunnel::~Http2Tunnel() {
  stream_.reset();
}

Task<void> Http2Tunnel::connect(ClientSession& session, const TcpTunnel& tunnel, const StreamInfo& info, SteadyTime now,
                                Nanos patience) {
  const FormatInput input{.info = info, .now = now};
  const std::string_view host = arena_.copy(CO_TRY(host_of(tunnel, input)));
  each_header(tunnel, input,
              [&](std::string_view name, std::string_view value) { headers_.add(name, arena_.copy(value)); });
  stream_ = session.open({.method = "CONNECT",
                          .target = {},
                          .authority = host,
                          .headers = headers_,
                          .body = {},
                          .connects = true,
                          .idle_max = patience},
                         *this, arena_, background_);
  auto sending = stream_->send();
  CO_TRY(co_await sending);
  auto receiving = stream_->receive();
  const ClientResponse answer = CO_TRY(co_await receiving);
  CO_TRY(answered(answer.status));
  tunnel_ = answer.tunnel;
  co_return Status{};
}

}  // namespace sluice
