#include "main/http_get.h"

#include <fmt/format.h>
#include <netdb.h>
#include <cstring>

#include "base/strings.h"
#include "engines/address/authority.h"
#include "http/h1/chunked.h"
#include "http/h1/framing.h"
#include "io/loop.h"
#include "net/dialer.h"
#include "net/tls/client.h"

namespace sluice {
namespace {

constexpr Nanos kPatience = 10s;
constexpr size_t kAnswerBytesMax = size_t{256} << 20;  // as much as the API may hold

// The bytes of an answer, until the other end closes.
Task<void> ask(Stream& stream, std::string_view question, std::string& answer, bool& connected) {
  auto connecting = stream.established(stream.loop().now() + kPatience);
  CO_TRY(co_await connecting);
  connected = true;
  auto writing = stream.write_all(question, kPatience);
  CO_TRY(co_await writing);
  char buffer[16384];
  for (;;) {
    auto reading = stream.read(buffer, stream.loop().now() + kPatience);
    const size_t got = CO_TRY(co_await reading);
    if (got == 0) co_return Status{};
    answer.append(buffer, got);
    if (answer.size() > kAnswerBytesMax) co_return fail(ErrorKind::limit, "the answer is too large");
  }
}

Task<void> note(Task<void> task, std::optional<Status>& out) {
  out.emplace(co_await task);
  co_return Status{};
}

Result<std::vector<SocketAddress>> addresses_of(const OwnAddress& own) {
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = AI_NUMERICSERV;
  addrinfo* found = nullptr;
  if (const int code = ::getaddrinfo(own.host.c_str(), std::to_string(own.port).c_str(), &hints, &found); code != 0)
    return fail(ErrorKind::refused, fmt::format("no address of {} is known: {}", own.host, ::gai_strerror(code)));
  const std::unique_ptr<addrinfo, decltype(&::freeaddrinfo)> all(found, ::freeaddrinfo);
  std::vector<SocketAddress> out;
  for (const addrinfo* one = found; one; one = one->ai_next) {
    SocketAddress& address = out.emplace_back();
    address.length = std::min<socklen_t>(one->ai_addrlen, sizeof address.v6_address);
    std::memcpy(address.get(), one->ai_addr, address.length);
  }
  return out;
}

std::string unchunk(std::string text) {
  ChunkedDecoder decoder;
  std::string out;
  for (std::span<char> rest = text; !rest.empty();) {
    const auto step = decoder.step(rest);
    out.append(step.data.data(), step.data.size());
    if (step.is != ChunkedDecoder::Step::Is::data) break;
    rest = rest.subspan(step.consumed);
  }
  return out;
}

Result<std::string> exchange(std::unique_ptr<Stream> stream, const std::string& authority,
                             const std::string& question) {
  Loop& loop = stream->loop();
  std::string answer;
  bool connected = false;
  std::optional<Status> done;
  TaskGroup tasks;
  tasks.spawn(note(ask(*stream, question, answer, connected), done));
  while (!done) loop.turn(100ms);
  if (*done) return answer;
  Error why = std::move(*done).error();
  if (connected || why.kind == ErrorKind::denied) return std::unexpected(std::move(why).in(authority));
  why.kind = ErrorKind::refused;
  return std::unexpected(std::move(why).in("no running sluice at " + authority));
}

Result<std::string> exchange_at(Loop& loop, const SocketAddress& address, const OwnAddress& own,
                                const std::shared_ptr<const TlsClientContext>& context, const std::string& question) {
  auto stream = TRY(socket_dialer().dial(loop, address));
  if (context) stream = tls_connect(std::move(stream), context, {.name = own.host, .alpn = {}}, nullptr);
  return exchange(std::move(stream), own.authority, question);
}

}  // namespace

Result<OwnAddress> parse_own_address(const OwnServer& server) {
  std::string_view text = server.address;
  const bool says_tls = text.starts_with("https://");
  const bool says_clear = text.starts_with("http://");
  if (says_tls || says_clear) text.remove_prefix(text.find("//") + 2);
  HostScratch scratch;
  const auto authority = parse_authority(text, scratch, AuthorityUse::connect);
  if (!authority) return invalid(fmt::format("{} is no address and port", json_quote(printable(server.address, 80))));
  const bool is_here = authority->address ? !is_beyond_loopback(*authority->address) : authority->host == "localhost";
  if (says_clear && !is_here)
    return invalid(
        fmt::format("{}: beyond loopback it is served by TLS alone: https://", printable(server.address, 80)));
  const bool has_credentials = !server.ca_file.empty() || !server.token_file.empty();
  return OwnAddress{.tls = says_tls || !is_here || (has_credentials && !says_clear),
                    .authority = std::string(text),
                    .host = std::string(authority->host),
                    .port = authority->port};
}

Result<AdminAnswer> http_get(const OwnServer& server, const std::string& path, const std::string& accept) {
  const OwnAddress own = TRY(parse_own_address(server));
  std::string authorization;
  std::shared_ptr<const TlsClientContext> context;
  if (own.tls) {
    OwnCredentials credentials = TRY(read_own_credentials(server.state_folder, server.ca_file, server.token_file));
    authorization = "Authorization: Bearer " + credentials.token + "\r\n";
    context = TRY(TlsClientContext::create({.ca = std::move(credentials.ca)}));
  }
  const std::string question = fmt::format("GET {} HTTP/1.1\r\nHost: {}\r\nAccept: {}\r\n{}Connection: close\r\n\r\n",
                                           path, own.authority, accept, authorization);
  Loop loop;
  Result<std::string> answered = fail(ErrorKind::refused, "no address of " + own.host);
  const std::vector<SocketAddress> addresses = TRY(addresses_of(own));
  for (const SocketAddress& address : addresses) {
    answered = exchange_at(loop, address, own, context, question);
    if (answered || answered.error().kind == ErrorKind::denied) break;
  }
  std::string answer = TRY(std::move(answered));
  Arena arena;
  Headers headers(arena);
  ResponseHeadParser head(HeadLimits{});
  if (head.parse(answer, headers) != HeadProgress::done)
    return invalid(fmt::format("what answers at {} is no sluice, or is one that speaks TLS (https://)", own.authority));
  std::string body = answer.substr(head.size());
  if (headers.has(Known::transfer_encoding)) body = unchunk(std::move(body));
  if (head.status == 401) return fail(ErrorKind::denied, fmt::format("{} does not take this token", own.authority));
  return AdminAnswer{head.status, std::move(body)};
}

}  // namespace sluice
