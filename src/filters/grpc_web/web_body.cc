#include "filters/grpc_web/web_body.h"

#include <cstring>

namespace sluice::grpc_web {

// --- requests ---------------------------------------------------------------------------------------------------

Task<Chunk> DecodedBody::read() {
  for (;;) {
    const auto decoded = decode();
    if (!decoded) return std::unexpected(decoded.error());
    if (*decoded) return **decoded;
    Task<Chunk> reading = inner_.read();
    if (!reading.ready()) return read_slowly(std::move(reading));
    const Result<Chunk> chunk = reading.take();
    if (!chunk) return std::unexpected(chunk.error());
    take(*chunk);
  }
}

Task<Chunk> DecodedBody::read_slowly(Task<Chunk> reading) {
  for (;;) {
    const Chunk chunk = CO_TRY(co_await reading);
    take(chunk);
    const std::optional<Chunk> decoded = CO_TRY(decode());
    if (decoded) co_return *decoded;
    reading = inner_.read();
  }
}

void DecodedBody::take(const Chunk& chunk) {
  input_ = {chunk.bytes.data(), chunk.bytes.size()};
  ended_ = chunk.last;
}

// Nothing: more input is needed.
Result<std::optional<Chunk>> DecodedBody::decode() {
  const Base64Step step = TRY(decoder_.decode(input_, buffer_));
  input_.remove_prefix(step.read);
  const bool last = ended_ && input_.empty();
  if (last && !decoder_.is_whole())
    return fail(ErrorKind::invalid, "the body ends in the middle of a group of Base64", Side::downstream);
  if (step.written == 0 && !last) return std::nullopt;
  return Chunk{buffer_.first(step.written), last};
}

// --- responses --------------------------------------------------------------------------------------------------

size_t FrameEnds::take(std::string_view bytes) {
  size_t taken = 0;
  if (left_ == 0) {
    taken = std::min(bytes.size(), head_.size() - head_filled_);
    std::memcpy(head_.data() + head_filled_, bytes.data(), taken);
    head_filled_ += taken;
    if (head_filled_ < head_.size()) return taken;
    left_ = grpc::read_frame_head(head_.data()).length;
    head_filled_ = 0;
  }
  const auto of_message = static_cast<size_t>(std::min<uint64_t>(bytes.size() - taken, left_));
  left_ -= of_message;
  return taken + of_message;
}

Task<Chunk> WebBody::read() {
  for (;;) {
    if (const auto chunk = next()) return *chunk;
    Task<Chunk> reading = inner_.read();
    if (!reading.ready()) return read_slowly(std::move(reading));
    const Result<Chunk> chunk = reading.take();
    if (!chunk) return std::unexpected(chunk.error());
    if (const auto taken = take(*chunk)) return *taken;
  }
}

Task<Chunk> WebBody::read_slowly(Task<Chunk> reading) {
  for (;;) {
    const Chunk chunk = CO_TRY(co_await reading);
    if (const auto taken = take(chunk)) co_return *taken;
    reading = inner_.read();
  }
}

// What passes as it is needs no second look.
std::optional<Chunk> WebBody::take(const Chunk& chunk) {
  inner_ended_ = chunk.last;
  if (buffer_.empty() && !chunk.bytes.empty()) return Chunk{chunk.bytes, false};
  input_ = chunk.bytes;
  return next();
}

// Nothing: more input is needed.
std::optional<Chunk> WebBody::next() {
  if (input_.empty() && inner_ended_ && !std::exchange(trailers_made_, true)) {
    input_ = trailer_frame();
    frames_ = {};
  }
  if (buffer_.empty()) {
    if (input_.empty() && !trailers_made_) return std::nullopt;
    return Chunk{std::exchange(input_, {}), trailers_made_};
  }
  size_t filled = 0;
  // Room for a last group and its padding.
  while (!input_.empty() && buffer_.size() - filled >= 2 * Base64Encoder::kOutMin) {
    const std::string_view bytes(input_.data(), input_.size());
    if (of_frame_ == 0) of_frame_ = frames_.take(bytes);
    const auto room = buffer_.subspan(filled, buffer_.size() - filled - Base64Encoder::kOutMin);
    const Base64Step step = encoder_.encode(bytes.substr(0, of_frame_), room);
    filled += step.written;
    input_ = input_.subspan(step.read);
    of_frame_ -= step.read;
    if (of_frame_ == 0 && frames_.between()) filled += encoder_.finish(buffer_.subspan(filled));
  }
  const bool last = input_.empty() && trailers_made_;
  // Of a body that ended in the middle of a frame.
  if (last) filled += encoder_.finish(buffer_.subspan(filled));
  if (filled == 0 && !last) {
    if (inner_ended_) return next();
    return std::nullopt;
  }
  return Chunk{buffer_.first(filled), last};
}

// "name:value" and the end of a line for each, as HTTP/1 has them. Nothing where there are none: its client sees that
// the status is missing.
std::span<char> WebBody::trailer_frame() {
  const Headers* trailers = without(inner_.trailers(), request_.kept_from_response_trailers, request_.arena);
  if (!trailers || trailers->size() == 0) return {};
  request_.info.grpc_status = grpc::status_in(*trailers);
  size_t size = 0;
  for (const HeaderField& field : *trailers) size += field.name.size() + field.value.size() + 3;
  const auto head = grpc::write_frame_head({.flags = grpc::kTrailers, .length = static_cast<uint32_t>(size)});
  char* const frame = static_cast<char*>(request_.arena.allocate(head.size() + size, 1));
  char* at = std::ranges::copy(head, frame).out;
  for (const HeaderField& field : *trailers)
    for (const std::string_view part : {field.name, std::string_view(":"), field.value, std::string_view("\r\n")})
      at = std::ranges::copy(part, at).out;
  return {frame, head.size() + size};
}

}  // namespace sluice::grpc_web
