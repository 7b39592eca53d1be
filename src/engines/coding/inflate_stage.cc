// gzip, zlib's format and raw deflate, by zlib.
#include <fmt/format.h>
#include <zlib.h>

#include <algorithm>
#include <limits>

#include "engines/coding/stages.h"

namespace sluice::coding {
namespace {

enum class Format : int { raw = -MAX_WBITS, zlib = MAX_WBITS, gzip = MAX_WBITS + 16 };

std::unexpected<Error> broken(std::string_view what, const z_stream& stream) {
  return fail(ErrorKind::invalid, fmt::format("{}: {}", what, stream.msg ? stream.msg : "not of this coding"),
              Side::upstream);
}

// zlib's stream, which points to itself and so must not move.
class Inflater {
 public:
  Inflater() = default;
  ~Inflater() {
    if (open_) inflateEnd(&stream_);
  }
  Inflater(const Inflater&) = delete;
  Inflater& operator=(const Inflater&) = delete;

  Status open(Format format) {
    if (inflateInit2(&stream_, static_cast<int>(format)) != Z_OK) {
      return fail(ErrorKind::internal, "no memory to decode a compressed body");
    }
    open_ = true;
    return {};
  }
  bool is_open() const { return open_; }
  bool complete() const { return complete_; }

  // Behind a member of gzip another one may follow.
  void restart() {
    inflateReset(&stream_);
    complete_ = false;
  }

  Result<size_t> decode(std::string_view& input, std::span<char> out) {
    constexpr size_t kMost = std::numeric_limits<uInt>::max();
    const auto given = static_cast<uInt>(std::min(input.size(), kMost));
    const auto room = static_cast<uInt>(std::min(out.size(), kMost));
    stream_.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(input.data()));  // read only, by zlib's word
    stream_.avail_in = given;
    stream_.next_out = reinterpret_cast<Bytef*>(out.data());
    stream_.avail_out = room;
    const int code = inflate(&stream_, Z_NO_FLUSH);
    input.remove_prefix(given - stream_.avail_in);
    if (code == Z_STREAM_END) {
      complete_ = true;
    } else if (code != Z_OK && code != Z_BUF_ERROR) {  // Z_BUF_ERROR: nothing to do without more input
      return broken("a compressed body is broken", stream_);
    }
    return room - stream_.avail_out;
  }

 private:
  z_stream stream_{};
  bool open_ = false;
  bool complete_ = false;
};

class GzipStage final : public Stage {
 public:
  Status open() { return inflater_.open(Format::gzip); }
  bool complete() const override { return inflater_.complete(); }

  Result<size_t> decode(std::string_view& input, std::span<char> out) override {
    for (;;) {
      if (inflater_.complete()) {
        if (input.empty()) return 0;
        inflater_.restart();
      }
      const size_t produced = TRY(inflater_.decode(input, out));
      if (produced > 0 || input.empty()) return produced;
      // An empty member: go on with the next.
    }
  }

 private:
  Inflater inflater_;
};

class DeflateStage final : public Stage {
 public:
  bool complete() const override { return inflater_.complete(); }

  Result<size_t> decode(std::string_view& input, std::span<char> out) override {
    if (!inflater_.is_open()) {
      while (head_size_ < 2 && !input.empty()) {
        head_[head_size_++] = input.front();
        input.remove_prefix(1);
      }
      if (head_size_ < 2) return 0;
      if (Status opened = inflater_.open(format()); !opened) return std::unexpected(std::move(opened).error());
    }
    while (head_used_ < head_size_) {
      std::string_view head(head_ + head_used_, head_size_ - head_used_);
      const size_t produced = TRY(inflater_.decode(head, out));
      head_used_ = head_size_ - head.size();
      if (produced > 0) return produced;
      if (inflater_.complete()) break;
    }
    if (inflater_.complete()) {
      if (input.empty() && head_used_ == head_size_) return 0;
      return fail(ErrorKind::invalid, "bytes stand behind the end of a compressed body", Side::upstream);
    }
    return inflater_.decode(input, out);
  }

 private:
  // RFC 1950 2.2: the method is deflate, the window fits, the check holds, no dictionary.
  Format format() const {
    const auto first = static_cast<unsigned char>(head_[0]);
    const auto second = static_cast<unsigned char>(head_[1]);
    const bool zlib =
        (first & 0x0f) == 8 && first >> 4 <= 7 && (first * 256 + second) % 31 == 0 && (second & 0x20) == 0;
    return zlib ? Format::zlib : Format::raw;
  }

  Inflater inflater_;
  char head_[2] = {};
  size_t head_size_ = 0;
  size_t head_used_ = 0;
};

}  // namespace

Result<std::unique_ptr<Stage>> make_gzip_stage() {
  auto stage = std::make_unique<GzipStage>();
  if (Status opened = stage->open(); !opened) return std::unexpected(std::move(opened).error());
  return stage;
}

Result<std::unique_ptr<Stage>> make_deflate_stage() {
  return std::make_unique<DeflateStage>();
}

}  // namespace sluice::coding
