#include "forward/dns/sockets.h"

#include <sys/random.h>
#include <algorithm>

#include "base/check.h"

namespace sluice {
namespace {

constexpr unsigned kDatagramsPerTurn = 64;  // a server that floods must not starve the worker

}  // namespace

uint16_t random_query_id() {
  uint16_t id = 0;
  CHECK(getrandom(&id, sizeof id, 0) == sizeof id);
  return id;
}

// A UDP socket with the questions on it.
class DnsSockets::Shared final : private Waiter {
 public:
  Shared(DnsSockets& owner, const Endpoint& to) : server(to), owner_(owner) {}
  ~Shared() { owner_.loop_.undefer(*this); }

  Status open() { return socket.open(owner_.loop_, SocketAddress::of(server), *this); }
  bool takes_more() const { return !broken && taken < kQuestionsMax; }
  void add(Question& question) {
    do question.id_ = random_query_id();
    while (!questions.try_emplace(question.id_, &question).second);
    question.shared_ = this;
    ++taken;
  }
  // It is of no use any more: everybody on it is told why.
  void fail(const Error& error) {
    broken = true;
    for (const auto& [id, question] : questions) question->fail(error);
  }

  const Endpoint server;
  DatagramSocket socket;
  std::unordered_map<uint16_t, Question*> questions;
  size_t taken = 0;
  bool broken = false;

 private:
  void wake() override {
    for (unsigned i = 0; i < kDatagramsPerTurn; ++i) {
      auto got = socket.receive(owner_.buffer_);
      if (!got) return;
      if (!*got) return fail(got->error());
      hear({owner_.buffer_.data(), **got});
    }
    owner_.loop_.defer_to_next_turn(*this);
  }
  void cancel() override {}

  void hear(std::string_view datagram) {
    if (datagram.size() < 2) return;
    const auto id = static_cast<uint16_t>(static_cast<uint8_t>(datagram[0]) << 8 | static_cast<uint8_t>(datagram[1]));
    const auto found = questions.find(id);
    if (found == questions.end()) return;
    Question& question = *found->second;
    if (question.ended() || !question.accept_(datagram)) return;
    question.accepted_ = true;
    question.event_.notify(owner_.loop_);
  }

  DnsSockets& owner_;
};

DnsSockets::DnsSockets(Loop& loop, size_t descriptors)
    : loop_(loop),
      lanes_{Lane{.udp_max = std::max<size_t>(1, descriptors / 2), .tcp_max = std::max<size_t>(1, descriptors / 8)},
             Lane{.udp_max = std::max<size_t>(1, descriptors / 4), .tcp_max = std::max<size_t>(1, descriptors / 8)}} {}

DnsSockets::~DnsSockets() = default;

// A server's first socket is always opened, so that no server shuts another out.
Result<DnsSockets::Shared*> DnsSockets::find_room(Lane& lane, const Endpoint& server) {
  Shared* emptiest = nullptr;
  bool first = true;
  for (const auto& socket : lane.udp) {
    if (socket->server != server) continue;
    first = false;
    if (!socket->takes_more()) continue;
    if (!emptiest || socket->questions.size() < emptiest->questions.size()) emptiest = socket.get();
  }
  if (lane.udp.size() >= lane.udp_max && !first) return emptiest;
  auto made = std::make_unique<Shared>(*this, server);
  if (auto opened = made->open(); !opened) {
    if (emptiest) return emptiest;  // the process has no descriptor left
    return std::unexpected(std::move(opened).error());
  }
  ++stats_.open;
  return lane.udp.emplace_back(std::move(made)).get();
}

void DnsSockets::close(Lane& lane, Shared& socket) {
  std::erase_if(lane.udp, [&](const auto& one) { return one.get() == &socket; });
  --stats_.open;
  tell_next(lane.waiting_udp);
}

void DnsSockets::tell_next(const std::list<Question*>& waiting) {
  if (!waiting.empty()) waiting.front()->event_.notify(loop_);
}

DnsSockets::Question::~Question() {
  leave_queue();
  if (has_tcp_) {
    --lane_.tcp;
    --sockets_.stats_.open;
    sockets_.tell_next(lane_.waiting_tcp);
  }
  if (!shared_) return;
  shared_->questions.erase(id_);
  if (shared_->questions.empty()) sockets_.close(lane_, *shared_);
}

Task<uint16_t> DnsSockets::Question::join(Endpoint server, SteadyTime deadline) {
  for (;;) {
    // Whoever came first goes first.
    const bool turn = lane_.waiting_udp.empty() || lane_.waiting_udp.front() == this;
    Shared* const room = turn ? CO_TRY(sockets_.find_room(lane_, server)) : nullptr;
    if (room) {
      room->add(*this);
      break;
    }
    auto waiting = wait_in(lane_.waiting_udp, deadline);
    CO_TRY(co_await waiting);
  }
  leave_queue();
  co_return id_;
}

Task<void> DnsSockets::Question::take_tcp(SteadyTime deadline) {
  while (lane_.tcp >= lane_.tcp_max || (!lane_.waiting_tcp.empty() && lane_.waiting_tcp.front() != this)) {
    auto waiting = wait_in(lane_.waiting_tcp, deadline);
    CO_TRY(co_await waiting);
  }
  has_tcp_ = true;
  ++lane_.tcp;
  ++sockets_.stats_.open;
  leave_queue();
  co_return Status{};
}

Task<void> DnsSockets::Question::wait_in(std::list<Question*>& waiting, SteadyTime deadline) {
  if (!queue_) {
    ++sockets_.stats_.waited;
    queue_ = &waiting;
    place_ = waiting.insert(waiting.end(), this);
  }
  auto told = event_.wait(sockets_.loop_, deadline);
  co_return co_await told;
}

// There may be room for more than one: whoever leaves the queue tells the next to look.
void DnsSockets::Question::leave_queue() {
  if (!queue_) return;
  queue_->erase(place_);
  sockets_.tell_next(*std::exchange(queue_, nullptr));
}

Status DnsSockets::Question::send(std::string_view message) {
  Status sent = shared_->socket.send(message);
  // Perhaps it is what another question on this socket was answered with; it holds for all of them.
  if (!sent) shared_->fail(sent.error());
  return sent;
}

Task<void> DnsSockets::Question::answered(SteadyTime deadline) {
  while (!ended()) {
    auto waiting = event_.wait(sockets_.loop_, deadline);
    CO_TRY(co_await waiting);
  }
  if (error_) co_return std::unexpected(*error_);
  co_return Status{};
}

void DnsSockets::Question::fail(const Error& error) {
  if (ended()) return;
  error_ = error;
  event_.notify(sockets_.loop_);
}

}  // namespace sluice
