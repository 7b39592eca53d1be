#include "forward/dns/transport.h"

#include "net/dialer.h"

namespace sluice {
namespace {

using dns::Answer;
using dns::Edns;
using dns::Rcode;
using dns::RecordType;

struct Query {
  std::string name;
  RecordType type;
  uint16_t id = 0;  // until the way it goes is known
  std::array<uint8_t, dns::kQueryBytesMax> bytes;
  size_t length = 0;

  void set_id(uint16_t value) {
    id = value;
    bytes[0] = static_cast<uint8_t>(value >> 8);
    bytes[1] = static_cast<uint8_t>(value & 0xFF);
  }
  std::string_view text() const { return {reinterpret_cast<const char*>(bytes.data()), length}; }
  Result<Answer> read(std::string_view message) const {
    return parse_answer({reinterpret_cast<const uint8_t*>(message.data()), message.size()}, name, type, id);
  }
};

Result<Query> make_query(const std::string& name, RecordType type, Edns edns) {
  Query query{.name = name, .type = type};
  query.length = write_query(query.bytes, name, type, query.id, edns);
  if (query.length == 0) return fail(ErrorKind::unsupported, "no query can carry this name");
  return query;
}

// By which sockets a query goes.
struct Way {
  Loop& loop;
  DnsSockets& sockets;
  dns::Standing standing;
};

Task<Answer> ask_by_udp(const Way& way, Endpoint server, Query& query, SteadyTime deadline) {
  std::optional<Answer> answer;
  DnsSockets::Question question(way.sockets, way.standing, [&](std::string_view datagram) {
    auto read = query.read(datagram);
    if (read) answer = *std::move(read);
    return answer.has_value();
  });
  auto joining = question.join(server, deadline);
  query.set_id(CO_TRY(co_await joining));
  CO_TRY(question.send(query.text()));
  auto waiting = question.answered(deadline);
  CO_TRY(co_await waiting);
  co_return *std::move(answer);
}

Task<void> read_exactly(Stream& stream, std::span<char> into, SteadyTime deadline) {
  while (!into.empty()) {
    auto reading = stream.read(into, deadline);
    const size_t got = CO_TRY(co_await reading);
    if (got == 0) co_return fail(ErrorKind::closed, "the server closed the connection", Side::upstream);
    into = into.subspan(got);
  }
  co_return Status{};
}

// RFC 1035 4.2.2: each message behind its length in two bytes.
Task<Answer> ask_by_tcp(const Way& way, Endpoint server, Query& query, SteadyTime deadline) {
  Loop& loop = way.loop;
  DnsSockets::Question place(way.sockets, way.standing);
  auto taking = place.take_tcp(deadline);
  CO_TRY(co_await taking);
  const auto stream = CO_TRY(socket_dialer().dial(loop, SocketAddress::of(server)));
  auto connecting = stream->established(deadline);
  CO_TRY(co_await connecting);
  query.set_id(random_query_id());
  std::string request{static_cast<char>(query.length >> 8), static_cast<char>(query.length & 0xFF)};
  request += query.text();
  auto writing = stream->write_all(request, deadline - loop.now());
  CO_TRY(co_await writing);

  std::array<char, 2> prefix;
  auto reading_length = read_exactly(*stream, prefix, deadline);
  CO_TRY(co_await reading_length);
  std::string message(size_t{static_cast<uint8_t>(prefix[0])} << 8 | static_cast<uint8_t>(prefix[1]), '\0');
  auto reading = read_exactly(*stream, message, deadline);
  CO_TRY(co_await reading);
  Answer answer = CO_TRY(query.read(message));
  if (answer.truncated) co_return invalid("an answer over TCP that says it was cut off");
  co_return answer;
}

Task<Answer> ask_once(const Way& way, const DnsServer& server, Query& query, SteadyTime deadline) {
  if (server.protocol == DnsProtocol::udp_then_tcp) {
    auto by_udp = ask_by_udp(way, server.endpoint, query, deadline);
    Answer answer = CO_TRY(co_await by_udp);
    if (!answer.truncated) co_return answer;
  }
  auto by_tcp = ask_by_tcp(way, server.endpoint, query, deadline);
  co_return co_await by_tcp;
}

Task<Answer> ask_server(const Way& way, const DnsServer& server, const std::string& name, RecordType type,
                        SteadyTime deadline) {
  Query query = CO_TRY(make_query(name, type, Edns::with));
  auto asking = ask_once(way, server, query, deadline);
  Answer answer = CO_TRY(co_await asking);
  if (answer.rcode != Rcode::format_error) co_return answer;
  // RFC 6891 7: it may be so old that it does not know EDNS.
  Query plain = CO_TRY(make_query(name, type, Edns::without));
  auto asking_again = ask_once(way, server, plain, deadline);
  co_return co_await asking_again;
}

bool is_final(const Answer& answer) {
  return answer.rcode == Rcode::no_error || answer.rcode == Rcode::name_does_not_exist;
}

// One question while it is being asked, and what its tries share. A server that lets its patience pass is not hung up
// on: the next one is asked, and whoever answers first, to any of the tries, has answered.
class Inquiry {
 public:
  Inquiry(const Way& way, const DnsServers& servers, std::string name, RecordType type)
      : loop_(way.loop), way_(way), servers_(servers), name_(std::move(name)), type_(type) {}

  // Waits until all tries have ended.
  Task<Answer> run() {
    auto asking = ask_in_rounds();
    const Status asked = co_await asking;
    tries_.cancel();
    auto ending = tries_.join();
    CO_TRY(co_await ending);
    if (!asked) co_return std::unexpected(asked.error());
    co_return std::move(outcome_);
  }

 private:
  Task<void> ask_in_rounds() {
    for (unsigned round = 0; round < DnsServers::kRoundsMax; ++round)
      for (size_t i = 0; i < servers_.list.size(); ++i) {
        if (given_up_[i]) continue;
        tries_.spawn(try_server(i));
        auto waiting = wait_for(i, loop_.now() + servers_.patience * (1 << round));
        CO_TRY(co_await waiting);
        if (answered_) co_return Status{};
      }
    co_return Status{};
  }

  Task<void> try_server(size_t server) {
    auto asking = ask_server(way_, servers_.list[server], name_, type_, deadline_);
    take(server, co_await asking);
    co_return Status{};
  }

  // Until there is an answer, this server is given up, or the patience with it is over.
  Task<void> wait_for(size_t server, SteadyTime patience_ends) {
    while (!answered_ && !given_up_[server] && loop_.now() < patience_ends) {
      auto waiting = news_.wait(loop_, patience_ends);
      const Status heard = co_await waiting;
      if (!heard && heard.error().kind != ErrorKind::timeout) co_return heard;
    }
    if (!answered_ && !given_up_[server]) way_.sockets.count_timeout();
    // That another refused says more than that this one is silent.
    if (!outcome_ && !given_up_[server]) outcome_ = fail(ErrorKind::timeout, "timed out", Side::upstream);
    co_return Status{};
  }

  void take(size_t server, Result<Answer> answer) {
    if (answered_ || (!answer && answer.error().kind == ErrorKind::cancelled)) return;
    answered_ = answer && is_final(*answer);
    given_up_[server] = given_up_[server] || answer || answer.error().kind != ErrorKind::timeout;
    if (answer || !outcome_) outcome_ = std::move(answer);
    news_.notify(loop_);
  }

  Loop& loop_;
  const Way way_;
  const DnsServers& servers_;
  std::string name_;
  RecordType type_;
  // No try need outlast the last round's patience with the last server.
  SteadyTime deadline_ =
      loop_.now() + servers_.patience * ((1 << DnsServers::kRoundsMax) - 1) * static_cast<int>(servers_.list.size());
  Result<Answer> outcome_ = fail(ErrorKind::unreachable, "there is no DNS server to ask");
  bool answered_ = false;  // `outcome_` is final
  std::vector<bool> given_up_ = std::vector<bool>(servers_.list.size());
  Event news_;  // a try has ended
  TaskGroup tries_;
};

}  // namespace

Task<Answer> ask_servers(Loop& loop, const DnsServers& servers, DnsSockets& sockets, std::string name, RecordType type,
                         dns::Standing standing) {
  Inquiry inquiry({loop, sockets, standing}, servers, std::move(name), type);
  auto running = inquiry.run();
  co_return co_await running;
}

}  // namespace sluice
