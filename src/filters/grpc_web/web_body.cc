#include "filters/grpc_web/web_body.h"

#include <cstring>

namespace sluice::grpc_web {

// --- requests ---------------------------------------------------------------------------------------------------

void DecodedBody::take(const Chunk& piece) {
  input_ = {piece.bytes.data(), piece.bytes.size()};
  ended_ = piece.last;
}

Result<std::optional<Chunk>> DecodedBody::convert() {
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

void WebBody::take(const Chunk& piece) {
  input_ = piece.bytes;
  inner_ended_ = piece.last;
}

Result<std::optional<Chunk>> WebBody::convert() {
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
    if (inner_ended_) return convert();
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
