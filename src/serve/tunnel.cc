#include "serve/tunnel.h"

#include "io/loop.h"
#include "net/splice.h"

namespace sluice {

namespace {

constexpr unsigned kPiecesATurn = 16;  // of 16 KiB, each way

}  // namespace

// When one way breaks, the other must not wait for ever. The client's end is left to whoever has it: what it has sent
// is to be read before it is closed, or a reset overtakes what it has not read yet.
void Tunnel::give_up(const Error& why) {
  if (!broken_) broken_ = why;
  upstream.abort();
  pumps_.cancel();
}

Task<void> Tunnel::run(std::string_view early_from_client) {
  if (far_.cut) co_return std::unexpected(*far_.cut);
  far_.cutter = &cutter_;
  last_moved_ = client.loop().now();
  pumps_.spawn(pump(Way::to_upstream, early_from_client));
  pumps_.spawn(pump(Way::to_client, far_.early_bytes));
  auto joining = pumps_.join();
  CO_TRY(co_await joining);
  if (broken_) co_return std::unexpected(*broken_);
  co_return Status{};
}

void Tunnel::count(Way way, uint64_t bytes) {
  last_moved_ = client.loop().now();
  way == Way::to_upstream ? counts_.to_upstream(bytes) : counts_.to_client(bytes);
}

Task<void> Tunnel::pump(Way way, std::string_view early) {
  Stream& from = way == Way::to_upstream ? client : upstream;
  Stream& to = way == Way::to_upstream ? upstream : client;
  Result<bool> ended = false;
  if (!early.empty()) {
    auto writing = to.write_all(early, write_max());
    if (const auto written = co_await writing; !written)
      ended = std::unexpected(written.error());
    else
      count(way, early.size());
  }
  while (ended && !*ended) {
    auto moving = move(way, from, to);
    ended = co_await moving;
    if (!ended || *ended) break;
    auto waiting = wait(from);
    ended = co_await waiting;
  }
  Status gone;
  if (ended) {
    to.end_writing();
    auto going = to.all_gone(deadline_after(to.loop().now(), write_max()));
    gone = co_await going;
  } else {
    gone = std::unexpected(std::move(ended).error());
  }
  if (!gone) give_up(gone.error());
  co_return gone;
}

// Until there is something to read. As long as the other way moves, this one may be silent.
Task<bool> Tunnel::wait(Stream& from) {
  for (;;) {
    const SteadyTime since = from.loop().now();
    auto waiting = from.readable(deadline_after(since, idle_max));
    const auto waited = co_await waiting;
    if (waited) co_return false;
    if (waited.error().kind != ErrorKind::timeout || last_moved_ <= since) co_return std::unexpected(waited.error());
  }
}

// What is at hand. True: that was the end.
Task<bool> Tunnel::move(Way way, Stream& from, Stream& to) {
  const Block block(Block::kSmall);
  for (TurnBudget budget(kPiecesATurn);;) {
    if (budget.spent(from.loop())) {
      auto turn = next_turn(from.loop());
      CO_TRY(co_await turn);
    }
    const auto read = from.try_read(block.span());
    if (!read) co_return false;
    const size_t got = CO_TRY(*read);
    if (got == 0) co_return true;
    auto writing = to.write_all(std::string_view(block.data(), got), write_max());
    CO_TRY(co_await writing);
    count(way, got);
    if (got < block.size()) continue;
    // It is much: what follows need not come into memory.
    Counting counting(*this, way);
    auto splicing = splice_at_hand(from, to, write_max(), counting);
    if (splicing) co_return co_await *splicing;
  }
}

}  // namespace sluice
