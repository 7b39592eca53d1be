#include "net/splice.h"

#include <fcntl.h>
#include <unistd.h>
#include <algorithm>
#include <utility>
#include <vector>

#include "io/loop.h"

namespace sluice {
namespace {

constexpr size_t kPipeBytes = 256U << 10;
constexpr unsigned kMovesATurn = 8;  // of up to that many bytes, in one turn of the loop

struct Ends {
  int in = -1;
  int out = -1;
};

// What a thread has.
struct Stock {
  Stock() = default;
  Stock(const Stock&) = delete;
  Stock& operator=(const Stock&) = delete;
  ~Stock() {
    for (const Ends& ends : spare) close(ends);
  }
  static void close(const Ends& ends) {
    ::close(ends.in);
    ::close(ends.out);
  }
  std::vector<Ends> spare;
  size_t open = 0;
  size_t most = 2;
};
thread_local Stock stock;

// An empty pipe, given back when it is empty again.
class Pipe {
 public:
  static std::optional<Pipe> take() {
    if (!stock.spare.empty()) {
      const Ends ends = stock.spare.back();
      stock.spare.pop_back();
      return Pipe(ends);
    }
    int fds[2];
    if (stock.open >= stock.most || ::pipe2(fds, O_NONBLOCK | O_CLOEXEC) != 0) return std::nullopt;
    ::fcntl(fds[1], F_SETPIPE_SZ, kPipeBytes);  // where the user may have no more it stays as it is
    ++stock.open;
    return Pipe({.in = fds[1], .out = fds[0]});
  }
  Pipe(Pipe&& other) noexcept : held(other.held), ends_(std::exchange(other.ends_, {})) {}
  Pipe& operator=(Pipe&&) = delete;
  ~Pipe() {
    if (ends_.in < 0) return;
    if (held == 0) {
      stock.spare.push_back(ends_);
    } else {
      Stock::close(ends_);
      --stock.open;
    }
  }
  int in() const { return ends_.in; }
  int out() const { return ends_.out; }

  size_t held = 0;  // bytes

 private:
  explicit Pipe(const Ends& ends) : ends_(ends) {}
  Ends ends_;
};

}  // namespace

class Splicing {
 public:
  static Task<void> run(Stream& from, Stream& to, Pipe pipe, uint64_t count, Nanos idle, uint64_t& moved);
};

Task<void> Splicing::run(Stream& from, Stream& to, Pipe pipe, uint64_t count, Nanos idle, uint64_t& moved) {
  for (TurnBudget budget(kMovesATurn);;) {
    if (budget.spent(from.loop())) {
      auto turn = next_turn(from.loop());
      CO_TRY(co_await turn);
    }
    if (pipe.held == 0) {
      if (count == 0) co_return Status{};
      const auto got = from.try_read_into_pipe(pipe.in(), static_cast<size_t>(std::min<uint64_t>(count, kPipeBytes)));
      if (!got) {
        auto waiting = from.readable(deadline_after(from.loop().now(), idle));
        CO_TRY(co_await waiting);
        continue;
      }
      pipe.held = CO_TRY(*got);
      if (pipe.held == 0) co_return fail(ErrorKind::reset, "the connection ended before the body did", from.side());
      count -= pipe.held;
    }
    const auto put = to.try_write_from_pipe(pipe.out(), pipe.held);
    if (!put) {
      auto waiting = to.writable(deadline_after(to.loop().now(), idle));
      CO_TRY(co_await waiting);
      continue;
    }
    const size_t bytes = CO_TRY(*put);
    pipe.held -= bytes;
    moved += bytes;
  }
}

std::optional<Task<void>> splice(Stream& from, Stream& to, uint64_t count, Nanos idle, uint64_t& moved) {
  if (!from.can_splice() || !to.can_splice()) return std::nullopt;
  auto pipe = Pipe::take();
  if (!pipe) return std::nullopt;
  return Splicing::run(from, to, *std::move(pipe), count, idle, moved);
}

void set_pipes_max(size_t pipes) {
  stock.most = pipes;
}

}  // namespace sluice
