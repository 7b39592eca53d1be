#include "filters/grpc_json/messages.h"

namespace sluice::grpc_json {
namespace {

Error of(Side side, Error error) {
  if (error.kind != ErrorKind::overload) error.side = side;  // that is ours
  return error;
}

}  // namespace

// --- frames ------------------------------------------------------------------------------------------------------

void begin_frame(std::string& out) {
  out.append(grpc::kFrameHeadBytes, '\0');
}

void finish_frame(std::string& out, size_t at) {
  const size_t length = out.size() - at - grpc::kFrameHeadBytes;
  const auto head = grpc::write_frame_head({.length = static_cast<uint32_t>(length)});
  std::ranges::copy(head, out.begin() + static_cast<ptrdiff_t>(at));
}

Result<std::optional<std::string_view>> Frames::next() {
  if (std::exchange(done_, false)) {
    message_.clear();
    head_filled_ = 0;
    held_.nothing();
  }
  const size_t of_head = std::min(input_.size(), head_.size() - head_filled_);
  std::ranges::copy(input_.substr(0, of_head), head_.begin() + static_cast<ptrdiff_t>(head_filled_));
  head_filled_ += of_head;
  input_.remove_prefix(of_head);
  if (head_filled_ < head_.size()) return std::nullopt;
  const grpc::FrameHead head = grpc::read_frame_head(head_.data());
  if (head.flags != 0)
    return fail(ErrorKind::invalid, "a message is compressed, which was not asked for", Side::upstream);
  if (head.length > held_.bytes_max()) return fail(ErrorKind::limit, "a message is too long");
  const std::string_view more = input_.substr(0, head.length - message_.size());
  TRY(held_.covers(message_.size() + more.size()));
  message_ += more;
  input_.remove_prefix(more.size());
  if (message_.size() < head.length) return std::nullopt;
  done_ = true;
  return message_;
}

Result<bool> Frames::ended() const {
  if (!ended_ || !input_.empty()) return false;
  if (head_filled_ == 0 || done_) return true;
  return fail(ErrorKind::invalid, "the response ends in the middle of a message", Side::upstream);
}

// --- requests ----------------------------------------------------------------------------------------------------

void StreamedRequest::take(const Chunk& piece) {
  input_ = {piece.bytes.data(), piece.bytes.size()};
  ended_ = piece.last;
}

Result<std::optional<Chunk>> StreamedRequest::convert() {
  out_.clear();
  Status added = how_.call.method().takes_raw ? add_raw() : add_elements();
  if (!added) return std::unexpected(of(Side::downstream, std::move(added).error()));
  if (ended_ && !how_.call.method().takes_raw && !array_.ended())
    return fail(ErrorKind::invalid, "the body ends before its JSON array does", Side::downstream);
  if (out_.empty() && !ended_) return std::nullopt;
  return Chunk{out_, ended_};
}

// One message for each piece, and one for a body of nothing.
Status StreamedRequest::add_raw() {
  if (input_.empty() && !(ended_ && place_ == transcoding::Call::Place::first)) return {};
  const bool first = place_ == transcoding::Call::Place::first;
  begin_frame(out_);
  const transcoding::RawBody body{.content_type = std::string(first ? content_type_ : ""), .data = std::string(input_)};
  TRY(how_.call.append_raw(body, place(), out_));
  finish_frame(out_, 0);
  input_ = {};
  return {};
}

Status StreamedRequest::add_elements() {
  while (!input_.empty()) {
    const auto step = TRY(array_.take(input_));
    input_.remove_prefix(step.read);
    TRY(held_.covers(array_.element().size()));
    if (!step.element) continue;
    const size_t at = out_.size();
    begin_frame(out_);
    TRY(how_.call.append_message(array_.element(), place(), out_));
    finish_frame(out_, at);
    held_.nothing();
  }
  return {};
}

// --- responses ---------------------------------------------------------------------------------------------------

Result<std::optional<Chunk>> StreamedResponse::convert() {
  if (std::exchange(given_, false)) {
    out_.clear();
    held_.nothing();
  }
  for (;;) {
    const auto message = TRY(frames_.next());
    if (!message) break;
    if (Status added = add(*message); !added) return std::unexpected(of(Side::upstream, std::move(added).error()));
  }
  const bool last = TRY(frames_.ended());
  if (last && !how_.call.method().gives_raw) out_ += begun_ ? "]" : "[]";
  if (out_.empty() && !last) return std::nullopt;
  TRY(held_.covers(out_.size()));
  given_ = true;
  return Chunk{out_, last};
}

Status StreamedResponse::add(std::string_view message) {
  if (how_.call.method().gives_raw) {
    out_ += TRY(how_.call.raw(message)).data;
    return {};
  }
  out_ += std::exchange(begun_, true) ? ',' : '[';
  return how_.call.append_json(message, out_);
}

}  // namespace sluice::grpc_json
