#include "filters/dlp/masked_body.h"

#include "base/log.h"

namespace sluice::dlp {

void MatchCounts::report() {
  for (size_t i = 0; i < slots_.size(); ++i) {
    if (slots_[i] == 0) continue;
    into_->counters[i]->add(static_cast<int64_t>(slots_[i]));
    if (log::enabled(LogLevel::debug))
      log::debug("dlp", "found", {{"action", into_->rules->counter_names()[i]}, {"matches", slots_[i]}});
    slots_[i] = 0;
  }
}

// --- MaskedBody ---

// Usually the bytes are there already, and no coroutine is needed.
Task<Chunk> MaskedBody::read() {
  if (!waiting_.empty()) return Chunk{std::exchange(waiting_, {}), waiting_is_last_};
  Task<Chunk> reading = inner_.read();
  while (reading.ready()) {
    const Result<Chunk> chunk = reading.take();
    if (!chunk) return std::unexpected(chunk.error());
    const auto masked = mask(*chunk);
    if (!masked) return std::unexpected(masked.error());
    if (*masked) return **masked;
    reading = inner_.read();
  }
  return read_slowly(std::move(reading));
}

Task<Chunk> MaskedBody::read_slowly(Task<Chunk> reading) {
  for (;;) {
    const Chunk chunk = CO_TRY(co_await reading);
    const std::optional<Chunk> masked = CO_TRY(mask(chunk));
    if (masked) co_return *masked;
    reading = inner_.read();
  }
}

// Nothing: all of it is held back.
Result<std::optional<Chunk>> MaskedBody::mask(Chunk chunk) {
  auto output = run_rules(chunk);
  if (!output) {
    too_costly_.add();
    static log::Site site{LogLevel::warn, "dlp", "response cut off: it could not be masked"};
    if (site.admits()) site.write({{"why", output.error().message}});
    return std::unexpected(std::move(output).error());
  }
  if (chunk.last) counts_.report();
  if (output->size() == 0 && !chunk.last) return std::nullopt;
  return pass(*output, chunk.last);
}

Result<masking::Masker::Output> MaskedBody::run_rules(Chunk chunk) {
  if (!masker_ && chunk.last) {
    TRY(rules_->mask_whole(chunk.bytes, counts_.slots()));
    return masking::Masker::Output{.fresh = chunk.bytes};
  }
  if (!masker_) masker_.emplace(rules_, 0, counts_.slots());
  return masker_->feed(chunk.bytes, chunk.last ? masking::End::final : masking::End::open);
}

Chunk MaskedBody::pass(masking::Masker::Output output, bool last) {
  if (output.held.empty()) return {output.fresh, last};
  if (output.fresh.empty()) return {output.held, last};
  waiting_ = output.fresh;
  waiting_is_last_ = last;
  return {output.held, false};
}

// --- DecodedBody ---

void DecodedBody::take(const Chunk& piece) {
  input_ = {piece.bytes.data(), piece.bytes.size()};
  input_ended_ = piece.last;
}

Result<std::optional<Chunk>> DecodedBody::convert() {
  auto decoded = decode_some();
  is_broken_ |= !decoded;
  return decoded;
}

Result<std::optional<Chunk>> DecodedBody::decode_some() {
  size_t size = 0;
  while (size < buffer_.size()) {
    const size_t more = TRY(decoder_.decode(input_, buffer_.subspan(size)));
    size += more;
    if (more > 0) continue;
    if (!input_ended_) return size > 0 ? std::optional(Chunk{buffer_.first(size), false}) : std::nullopt;
    if (Status whole = decoder_.finish(); !whole) return std::unexpected(std::move(whole).error());
    return Chunk{buffer_.first(size), true};
  }
  return Chunk{buffer_, false};
}

}  // namespace sluice::dlp
