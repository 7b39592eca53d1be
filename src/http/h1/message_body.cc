#include "http/h1/message_body.h"

#include <algorithm>

#include "net/splice.h"

namespace sluice {
namespace {

constexpr size_t kSpaceMin = 2048;
constexpr uint64_t kPassedMin = 128U << 10;

// The head's read filled its block: there is more at hand than it holds, and the rest is large.
bool goes_on_largely(const MessageBody::Source& source, BodyKind kind, uint64_t length) {
  if (source.early.empty() || std::to_address(source.early.end()) != std::to_address(source.block.span().end()))
    return false;
  return kind != BodyKind::length || length > source.early.size() + Block::kSmall;
}

// Reads that find bytes, in one turn of the loop: about 1 MiB.
constexpr unsigned kReadsATurn = 16;

}  // namespace

MessageBody::MessageBody(const Source& source, BodyKind kind, uint64_t length)
    : source_(source),
      want_large_(goes_on_largely(source, kind, length)),
      kind_(kind),
      left_(length),
      pending_(source.early),
      budget_(kReadsATurn) {
  complete_ = kind == BodyKind::none;
}

// Called only when all bytes have been handed out and used.
std::span<char> MessageBody::space() {
  if (want_large_ && own_.size() < Block::kLarge) own_ = Block(Block::kLarge);
  if (own_.empty() && source_.block.size() - source_.reserved < kSpaceMin) own_ = Block(Block::kSmall);
  return own_.empty() ? source_.block.span().subspan(source_.reserved) : own_.span();
}

MessageBody::Step MessageBody::counted(std::span<char> bytes, bool last) {
  bytes_read_ += bytes.size();
  complete_ = last;
  return {{bytes, last}, true};
}

Result<MessageBody::Step> MessageBody::next() {
  if (complete_) return Step{{{}, true}, true};
  if (broken_off_) return std::unexpected(*broken_off_);
  if (kind_ == BodyKind::chunked) return next_chunked();
  if (pending_.empty() && !ended_) return Step{};
  if (kind_ == BodyKind::until_close) return counted(std::exchange(pending_, {}), ended_);
  const auto take = static_cast<size_t>(std::min<uint64_t>(left_, pending_.size()));
  if (take == 0) return fail(ErrorKind::reset, "the connection ended before the body did", source_.side);  // F17
  const auto bytes = pending_.first(take);
  pending_ = pending_.subspan(take);
  left_ -= take;
  return counted(bytes, left_ == 0);
}

Result<MessageBody::Step> MessageBody::next_chunked() {
  using Is = ChunkedDecoder::Step::Is;
  const auto broken = [&] { return fail(ErrorKind::invalid, "broken chunked coding", source_.side); };
  std::span<char> data = std::exchange(stashed_, {});
  while (!pending_.empty()) {
    const ChunkedDecoder::Step step = decoder_.step(pending_);
    if (step.is == Is::broken) return broken();  // F6
    pending_ = pending_.subspan(step.consumed);
    if (step.is == Is::done) {
      if (!decoder_.trailer_text().empty()) {
        auto* headers = source_.arena.make<Headers>(source_.arena);
        if (!parse_trailers(decoder_.trailer_text(), *headers)) return broken();
        if (headers->size() > 0) trailers_ = headers;
      }
      return counted(data, true);
    }
    if (step.is == Is::more) break;
    if (data.empty()) {
      data = step.data;
    } else {
      // Small chunks travel on together: the second is moved up to the first.
      std::memmove(data.data() + data.size(), step.data.data(), step.data.size());
      data = {data.data(), data.size() + step.data.size()};
    }
  }
  if (!data.empty()) return counted(data, false);
  if (ended_) return fail(ErrorKind::reset, "the connection ended before the body did", source_.side);
  return Step{};
}

void MessageBody::accept(std::span<char> into, size_t got) {
  if (got == 0) ended_ = true;
  want_large_ |= got == into.size();
  pending_ = into.first(got);
}

Task<Chunk> MessageBody::read() {
  auto step = next();
  if (!step) return std::unexpected(std::move(step).error());
  if (step->have) return step->chunk;
  if (say_first_.empty() && source_.stream.has_buffered()) {
    if (budget_.spent(source_.stream.loop())) return read_after_others();
    const std::span<char> into = space();
    if (auto got = source_.stream.try_read(into)) {
      if (!*got) return std::unexpected(std::move(*got).error());
      accept(into, **got);
      step = next();
      if (!step) return std::unexpected(std::move(step).error());
      if (step->have) return step->chunk;
    }
  }
  return read_waiting();
}

// Only by length: a chunked body's framing has to be read. Small rests are not worth a pipe.
std::optional<Task<void>> MessageBody::pass_to(Stream& to, Nanos idle, uint64_t& moved) {
  if (kind_ != BodyKind::length || broken_off_ || !pending_.empty() || !say_first_.empty() || left_ < kPassedMin)
    return std::nullopt;
  auto splicing = splice(source_.stream, to, left_, {.from = source_.idle_max, .to = idle}, moved);
  if (!splicing) return std::nullopt;
  return pass(*std::move(splicing), moved);
}

Task<void> MessageBody::pass(Task<void> splicing, const uint64_t& moved) {
  const uint64_t before = moved;
  auto passed = co_await splicing;
  bytes_read_ += moved - before;  // also of one that was cut
  left_ -= moved - before;
  if (!passed) {
    if (broken_off_ && passed.error().kind != ErrorKind::cancelled) co_return std::unexpected(*broken_off_);
    co_return passed;
  }
  complete_ = true;
  co_return Status{};
}

Task<void> MessageBody::said() {
  while (saying_) {
    auto waiting = said_.wait(source_.stream.loop());
    CO_TRY(co_await waiting);
  }
  co_return Status{};
}

const Error& MessageBody::why_unread(const Error& error) const {
  return broken_off_ && error.kind != ErrorKind::cancelled ? *broken_off_ : error;
}

Task<Chunk> MessageBody::read_after_others() {
  if (source_.stream.loop().now() >= deadline_) co_return fail(ErrorKind::timeout, "timed out", source_.side);
  auto turn = next_turn(source_.stream.loop());
  CO_TRY(co_await turn);
  auto reading = read();
  co_return co_await reading;
}

Task<Chunk> MessageBody::read_waiting() {
  if (!say_first_.empty()) {
    const std::string_view words = std::exchange(say_first_, {});
    saying_ = true;
    auto writing = source_.stream.write_all(words, source_.idle_max);
    auto written = co_await writing;
    saying_ = false;
    said_.notify(source_.stream.loop());
    CO_TRY(std::move(written));
  }
  for (;;) {
    const SteadyTime now = source_.stream.loop().now();
    const SteadyTime until = std::min(deadline_, deadline_after(now, source_.idle_max));
    if (want_large_) {
      // Whoever is slow does not hold a large block meanwhile.
      own_.release();
      auto waiting = source_.stream.readable(until);
      const Status readable = co_await waiting;
      if (!readable) co_return std::unexpected(why_unread(readable.error()));
    }
    const std::span<char> into = space();
    auto reading = source_.stream.read(into, until);
    auto got = co_await reading;
    if (!got) co_return std::unexpected(why_unread(got.error()));
    accept(into, *got);
    const Step step = CO_TRY(next());
    if (step.have) co_return step.chunk;
  }
}

}  // namespace sluice
