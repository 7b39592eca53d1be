#include "serve/tunnel.h"

#include "io/loop.h"

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
  pumps_.spawn(pump(client, upstream, early_from_client, bytes_to_upstream));
  pumps_.spawn(pump(upstream, client, far_.early_bytes, bytes_to_client));
  auto joining = pumps_.join();
  CO_TRY(co_await joining);
  if (broken_) co_return std::unexpected(*broken_);
  co_return Status{};
}

Task<void> Tunnel::pump(Stream& from, Stream& to, std::string_view early, uint64_t& count) {
  const Nanos write_max = idle_max.count() > 0 ? idle_max : Nanos(24h);
  if (!early.empty()) {
    auto writing = to.write_all(early, write_max);
    auto written = co_await writing;
    if (!written) {
      give_up(written.error());
      co_return written;
    }
    count += early.size();
  }
  const Block block(Block::kSmall);
  for (TurnBudget budget(kPiecesATurn);;) {
    if (budget.spent(from.loop())) {
      auto turn = next_turn(from.loop());
      CO_TRY(co_await turn);
    }
    const SteadyTime since = from.loop().now();
    auto reading = from.read(block.span(), deadline_after(since, idle_max));
    auto got = co_await reading;
    if (!got && got.error().kind == ErrorKind::timeout && last_moved_ > since) continue;  // the other way moves
    if (!got) {
      give_up(got.error());
      co_return std::unexpected(std::move(got).error());
    }
    if (*got == 0) {
      to.end_writing();
      co_return Status{};
    }
    auto writing = to.write_all(std::string_view(block.data(), *got), write_max);
    auto written = co_await writing;
    if (!written) {
      give_up(written.error());
      co_return written;
    }
    count += *got;
    last_moved_ = from.loop().now();
  }
}

}  // namespace sluice
