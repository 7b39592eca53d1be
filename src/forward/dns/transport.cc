#include "forward/dns/transport.h"

#include <sys/random.h>
#include <unistd.h>

#include <cerrno>

#include "base/check.h"
#include "io/socket.h"

namespace sluice {
namespace {

using dns::Answer;
using dns::Edns;
using dns::Rcode;
using dns::RecordType;

struct Query {
  std::string name;
  RecordType type;
  uint16_t id = 0;
  std::array<uint8_t, dns::kQueryBytesMax> bytes;
  size_t length = 0;

  std::string_view text() const { return {reinterpret_cast<const char*>(bytes.data()), length}; }
  Result<Answer> read(std::string_view message) const {
    return parse_answer({reinterpret_cast<const uint8_t*>(message.data()), message.size()}, name, type, id);
  }
};

uint16_t random_id() {
  uint16_t id = 0;
  CHECK(getrandom(&id, sizeof id, 0) == sizeof id);
  return id;
}

Result<Query> make_query(const std::string& name, RecordType type, Edns edns) {
  Query query{.name = name, .type = type, .id = random_id()};
  query.length = write_query(query.bytes, name, type, query.id, edns);
  if (query.length == 0) return fail(ErrorKind::unsupported, "no query can carry this name");
  return query;
}

SocketAddress socket_address(const Endpoint& endpoint) {
  return *SocketAddress::parse(endpoint.address.to_string(), endpoint.port);
}

Status open_udp(Socket& socket, Loop& loop, const Endpoint& server) {
  const SocketAddress address = socket_address(server);
  const int fd = ::socket(address.get()->sa_family, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (fd < 0) return std::unexpected(errno_error(errno, "socket"));
  if (::connect(fd, address.get(), address.length) != 0) {
    const int code = errno;
    ::close(fd);
    return std::unexpected(errno_error(code, "", Side::upstream));
  }
  const Status adopted = socket.adopt(loop, fd, Side::upstream);
  if (!adopted) ::close(fd);
  return adopted;
}

Task<Answer> ask_by_udp(Loop& loop, Endpoint server, DatagramBuffer& buffer, const Query& query, SteadyTime deadline) {
  Socket socket;
  CO_TRY(open_udp(socket, loop, server));
  if (auto sent = socket.try_write(query.text()); sent && !*sent) co_return std::unexpected(std::move(*sent).error());
  for (;;) {
    auto reading = socket.read(buffer, deadline);
    const size_t length = CO_TRY(co_await reading);
    // A datagram does not fill the buffer and yet more may wait behind it.
    socket.watch().readable = true;
    if (auto answer = query.read({buffer.data(), length})) co_return std::move(*answer);
  }
}

Task<void> read_exactly(Socket& socket, std::span<char> into, SteadyTime deadline) {
  while (!into.empty()) {
    auto reading = socket.read(into, deadline);
    const size_t got = CO_TRY(co_await reading);
    if (got == 0) co_return fail(ErrorKind::closed, "the server closed the connection", Side::upstream);
    into = into.subspan(got);
  }
  co_return Status{};
}

// RFC 1035 4.2.2: each message behind its length in two bytes.
Task<Answer> ask_by_tcp(Loop& loop, Endpoint server, const Query& query, SteadyTime deadline) {
  Socket socket;
  auto connecting = connect(socket, loop, socket_address(server), deadline - loop.now());
  CO_TRY(co_await connecting);
  std::string request{static_cast<char>(query.length >> 8), static_cast<char>(query.length & 0xFF)};
  request += query.text();
  auto writing = socket.write_all(request, deadline - loop.now());
  CO_TRY(co_await writing);

  std::array<char, 2> prefix;
  auto reading_length = read_exactly(socket, prefix, deadline);
  CO_TRY(co_await reading_length);
  std::string message(size_t{static_cast<uint8_t>(prefix[0])} << 8 | static_cast<uint8_t>(prefix[1]), '\0');
  auto reading = read_exactly(socket, message, deadline);
  CO_TRY(co_await reading);
  Answer answer = CO_TRY(query.read(message));
  if (answer.truncated) co_return invalid("an answer over TCP that says it was cut off");
  co_return answer;
}

Task<Answer> ask_once(Loop& loop, const DnsServer& server, DatagramBuffer& buffer, const Query& query,
                      SteadyTime deadline) {
  if (server.protocol == DnsProtocol::udp_then_tcp) {
    auto by_udp = ask_by_udp(loop, server.endpoint, buffer, query, deadline);
    Answer answer = CO_TRY(co_await by_udp);
    if (!answer.truncated) co_return answer;
  }
  auto by_tcp = ask_by_tcp(loop, server.endpoint, query, deadline);
  co_return co_await by_tcp;
}

Task<Answer> ask_server(Loop& loop, const DnsServer& server, DatagramBuffer& buffer, const std::string& name,
                        RecordType type, SteadyTime deadline) {
  const Query query = CO_TRY(make_query(name, type, Edns::with));
  auto asking = ask_once(loop, server, buffer, query, deadline);
  Answer answer = CO_TRY(co_await asking);
  if (answer.rcode != Rcode::format_error) co_return answer;
  // RFC 6891 7: it may be so old that it does not know EDNS.
  const Query plain = CO_TRY(make_query(name, type, Edns::without));
  auto asking_again = ask_once(loop, server, buffer, plain, deadline);
  co_return co_await asking_again;
}

bool is_final(const Answer& answer) {
  return answer.rcode == Rcode::no_error || answer.rcode == Rcode::name_does_not_exist;
}

}  // namespace

Task<Answer> ask_servers(Loop& loop, const DnsServers& servers, DatagramBuffer& buffer, std::string name,
                         RecordType type) {
  Result<Answer> last = fail(ErrorKind::unreachable, "there is no DNS server to ask");
  std::vector<bool> given_up(servers.list.size());
  for (unsigned round = 0; round < DnsServers::kRoundsMax; ++round) {
    for (size_t i = 0; i < servers.list.size(); ++i) {
      if (given_up[i]) continue;
      const SteadyTime deadline = loop.now() + servers.patience * (1 << round);
      auto asking = ask_server(loop, servers.list[i], buffer, name, type, deadline);
      Result<Answer> answer = co_await asking;
      if (!answer && answer.error().kind == ErrorKind::cancelled) co_return answer;
      if (answer && is_final(*answer)) co_return answer;
      given_up[i] = answer || answer.error().kind != ErrorKind::timeout;
      // That one refused says more than that another is silent.
      if (answer || !last) last = std::move(answer);
    }
  }
  co_return last;
}

}  // namespace sluice
