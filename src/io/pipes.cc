#include "io/pipes.h"

#include <fcntl.h>
#include <unistd.h>

#include "base/check.h"

namespace sluice {

void PipeStock::Ends::close() const {
  ::close(in);
  ::close(out);
}

PipeStock::~PipeStock() {
  CHECK(open_ == spare_.size());
  for (const Ends& ends : spare_) ends.close();
}

std::optional<PipeStock::Pipe> PipeStock::take() {
  if (!spare_.empty()) {
    const Ends ends = spare_.back();
    spare_.pop_back();
    return Pipe(*this, ends);
  }
  int fds[2];
  if (open_ >= most_ || ::pipe2(fds, O_NONBLOCK | O_CLOEXEC) != 0) return std::nullopt;
  ::fcntl(fds[1], F_SETPIPE_SZ, kPipeBytes);
  ++open_;
  return Pipe(*this, {.in = fds[1], .out = fds[0]});
}

PipeStock::Pipe::~Pipe() {
  if (!stock_) return;
  if (held == 0) {
    stock_->spare_.push_back(ends_);
  } else {
    ends_.close();
    --stock_->open_;
  }
}

}  // namespace sluice
