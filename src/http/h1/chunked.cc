#include "http/h1/chunked.h"

#include "base/strings.h"
#include "http/h1/head.h"
#include "http/one_hop.h"

namespace sluice {
namespace {

constexpr unsigned kExtensionBytesMax = 4096;
constexpr size_t kTrailerBytesMax = 16U << 10;

// The parser of heads, for fields without a start line.
class TrailerParser : public HeadParser {
 public:
  TrailerParser() : HeadParser(HeadLimits{.fields_max = 50}) { start_line_done_ = true; }
  bool parse(std::span<char> bytes, Headers& headers) { return parse_fields(bytes, headers) == HeadProgress::done; }
};

}  // namespace

ChunkedDecoder::State ChunkedDecoder::on_byte(char c) {
  switch (state_) {
    case State::size: {
      const int digit = hex_value(c);
      if (digit >= 0) {
        if (++digits_ > 16) return State::broken;
        left_ = left_ << 4 | static_cast<unsigned>(digit);
        return left_ > INT64_MAX ? State::broken : State::size;
      }
      if (digits_ == 0) return State::broken;
      if (c == '\r') return State::size_lf;
      if (c == ';') return State::extension;
      return State::broken;
    }
    case State::extension:
      if (c == '\r') return State::size_lf;
      if (++extension_bytes_ > kExtensionBytesMax) return State::broken;
      return (static_cast<unsigned char>(c) < 0x20 && c != '\t') || c == 0x7F ? State::broken : State::extension;
    case State::size_lf:
      if (c != '\n') return State::broken;
      digits_ = 0;
      return left_ == 0 ? State::trailer : State::data;
    case State::data_cr: return c == '\r' ? State::data_lf : State::broken;
    case State::data_lf: return c == '\n' ? State::size : State::broken;
    case State::trailer:
      if (trailers_.size() >= kTrailerBytesMax) return State::broken;
      trailers_ += c;
      if (c == '\n') {
        if (trailers_.size() < 2 || trailers_[trailers_.size() - 2] != '\r') return State::broken;
        if (trailers_.size() == 2) {
          trailers_.clear();
          return State::done;
        }
        if (trailers_.ends_with("\r\n\r\n")) return State::done;
      }
      return State::trailer;
    case State::data:
    case State::done:
    case State::broken: break;
  }
  return State::broken;
}

ChunkedDecoder::Step ChunkedDecoder::step(std::span<char> bytes) {
  size_t at = 0;
  while (at < bytes.size() && state_ != State::broken && state_ != State::done) {
    if (state_ == State::data) {
      const auto size = static_cast<size_t>(std::min<uint64_t>(left_, bytes.size() - at));
      left_ -= size;
      if (left_ == 0) state_ = State::data_cr;
      return {bytes.subspan(at, size), at + size, Step::Is::data};
    }
    state_ = on_byte(bytes[at++]);
  }
  if (state_ == State::broken) return {{}, at, Step::Is::broken};
  return {{}, at, state_ == State::done ? Step::Is::done : Step::Is::more};
}

size_t write_chunk_size(char* out, uint64_t size) {
  static constexpr char kHex[] = "0123456789abcdef";
  char digits[16];
  size_t count = 0;
  do digits[count++] = kHex[size & 15];
  while ((size >>= 4) != 0);
  for (size_t i = 0; i < count; ++i) out[i] = digits[count - 1 - i];
  out[count] = '\r';
  out[count + 1] = '\n';
  return count + 2;
}

bool parse_trailers(std::string& text, Headers& headers) {
  if (text.empty()) return true;
  TrailerParser parser;
  if (!parser.parse(text, headers)) return false;
  remove_from_trailers(headers);
  return true;
}

}  // namespace sluice
