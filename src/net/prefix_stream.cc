#include "net/prefix_stream.h"

#include <algorithm>
#include <cstring>

#include "io/loop.h"

namespace sluice {

namespace {

class PrefixStream final : public Stream {
 public:
  PrefixStream(std::unique_ptr<Stream> below, std::string bytes)
      : below_(std::move(below)), prefix_(std::move(bytes)) {}

  Loop& loop() const override { return below_->loop(); }
  SocketAddress local_address() const override { return below_->local_address(); }
  const TlsInfo* tls() const override { return below_->tls(); }
  Task<void> established(SteadyTime deadline) override { return below_->established(deadline); }

  bool has_buffered() const override { return has_prefix() || below_->has_buffered(); }
  bool may_have_input() const override { return has_prefix() || below_->may_have_input(); }
  size_t buffered_bytes() override { return prefix_.size() - at_ + below_->buffered_bytes(); }
  Attempt try_read(std::span<char> into) override {
    if (!has_prefix()) return below_->try_read(into);
    return take(into);
  }
  Task<size_t> read(std::span<char> into, SteadyTime deadline) override {
    if (!has_prefix()) return below_->read(into, deadline);
    return take(into);
  }
  Task<void> readable(SteadyTime deadline) override {
    if (has_prefix()) return Status{};
    return below_->readable(deadline);
  }
  void when_readable(Waiter* waiter) override { below_->when_readable(waiter); }
  bool is_silent() override { return !has_prefix() && below_->is_silent(); }

  Attempt try_write(std::span<const iovec> parts) override { return below_->try_write(parts); }
  Task<void> writable(SteadyTime deadline) override { return below_->writable(deadline); }
  void end_writing() override { below_->end_writing(); }
  Task<void> all_gone(SteadyTime deadline) override { return below_->all_gone(deadline); }

  bool can_splice() const override { return !has_prefix() && below_->can_splice(); }
  Attempt try_read_into_pipe(int pipe, size_t most) override { return below_->try_read_into_pipe(pipe, most); }
  Attempt try_write_from_pipe(int pipe, size_t bytes) override { return below_->try_write_from_pipe(pipe, bytes); }
  Side side() const override { return below_->side(); }

  bool peer_ended() const override { return below_->peer_ended(); }
  bool is_broken() const override { return below_->is_broken(); }
  void when_hung_up(Waiter* waiter) override { below_->when_hung_up(waiter); }
  // What has not been read is given up, too: the next read meets the error.
  void abort() override {
    forget();
    below_->abort();
  }

 private:
  bool has_prefix() const { return at_ < prefix_.size(); }
  Result<size_t> take(std::span<char> into) {
    const size_t taken = std::min(into.size(), prefix_.size() - at_);
    std::memcpy(into.data(), prefix_.data() + at_, taken);
    at_ += taken;
    if (!has_prefix()) forget();
    return taken;
  }
  void forget() {
    std::string().swap(prefix_);
    at_ = 0;
  }

  const std::unique_ptr<Stream> below_;
  std::string prefix_;  // its memory goes once it has been read
  size_t at_ = 0;
};

}  // namespace

std::unique_ptr<Stream> with_prefix(std::unique_ptr<Stream> below, std::string bytes) {
  if (bytes.empty()) return below;
  return std::make_unique<PrefixStream>(std::move(below), std::move(bytes));
}

}  // namespace sluice
