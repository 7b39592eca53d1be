#include "net/splice.h"

#include <algorithm>
#include <utility>

#include "io/loop.h"

namespace sluice {
namespace {

constexpr unsigned kMovesATurn = 8;  // of a pipe full of bytes, in one turn of the loop

}  // namespace

class Splicing {
 public:
  static Task<void> run(Stream& from, Stream& to, PipeStock::Pipe pipe, uint64_t count, SpliceIdle idle,
                        uint64_t& moved);
  static Task<bool> run_at_hand(Stream& from, Stream& to, PipeStock::Pipe pipe, Nanos idle, SpliceListener& listener);
};

Task<void> Splicing::run(Stream& from, Stream& to, PipeStock::Pipe pipe, uint64_t count, SpliceIdle idle,
                         uint64_t& moved) {
  for (TurnBudget budget(kMovesATurn);;) {
    if (budget.spent(from.loop())) {
      auto turn = next_turn(from.loop());
      CO_TRY(co_await turn);
    }
    if (pipe.held == 0) {
      if (count == 0) co_return Status{};
      const auto got =
          from.try_read_into_pipe(pipe.in(), static_cast<size_t>(std::min<uint64_t>(count, PipeStock::kPipeBytes)));
      if (!got) {
        auto waiting = from.readable(deadline_after(from.loop().now(), idle.from));
        CO_TRY(co_await waiting);
        continue;
      }
      pipe.held = CO_TRY(*got);
      if (pipe.held == 0) co_return fail(ErrorKind::reset, "the connection ended before the body did", from.side());
      count -= pipe.held;
    }
    const auto put = to.try_write_from_pipe(pipe.out(), pipe.held);
    if (!put) {
      auto waiting = to.writable(deadline_after(to.loop().now(), idle.to));
      CO_TRY(co_await waiting);
      continue;
    }
    const size_t bytes = CO_TRY(*put);
    pipe.held -= bytes;
    moved += bytes;
  }
}

std::optional<Task<void>> splice(Stream& from, Stream& to, uint64_t count, SpliceIdle idle, uint64_t& moved) {
  if (!from.can_splice() || !to.can_splice()) return std::nullopt;
  auto pipe = from.loop().pipes.take();
  if (!pipe) return std::nullopt;
  return Splicing::run(from, to, *std::move(pipe), count, idle, moved);
}

Task<bool> Splicing::run_at_hand(Stream& from, Stream& to, PipeStock::Pipe pipe, Nanos idle, SpliceListener& listener) {
  for (TurnBudget budget(kMovesATurn);;) {
    if (budget.spent(from.loop())) {
      auto turn = next_turn(from.loop());
      CO_TRY(co_await turn);
    }
    if (pipe.held == 0) {
      const auto got = from.try_read_into_pipe(pipe.in(), PipeStock::kPipeBytes);
      if (!got) co_return false;
      pipe.held = CO_TRY(*got);
      if (pipe.held == 0) co_return true;
    }
    const auto put = to.try_write_from_pipe(pipe.out(), pipe.held);
    if (!put) {
      auto waiting = to.writable(deadline_after(to.loop().now(), idle));
      CO_TRY(co_await waiting);
      continue;
    }
    const size_t bytes = CO_TRY(*put);
    pipe.held -= bytes;
    listener.moved(bytes);
  }
}

std::optional<Task<bool>> splice_at_hand(Stream& from, Stream& to, Nanos idle, SpliceListener& listener) {
  if (!from.can_splice() || !to.can_splice()) return std::nullopt;
  auto pipe = from.loop().pipes.take();
  if (!pipe) return std::nullopt;
  return Splicing::run_at_hand(from, to, *std::move(pipe), idle, listener);
}

}  // namespace sluice
