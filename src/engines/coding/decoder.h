// Decodes a compressed body while it passes.
//
// A body that grows too much is refused: more than `free_bytes` plus `ratio_max` bytes for each byte that came in, by
// any of its codings. gzip and deflate reach at most 1032, text usually 3 to 20, logs and tables up to 100; brotli
// knows no bound. Memory: 50 KiB for a gzip or deflate coding, at most 17 MiB for a brotli one (the sender chooses its
// window; usual are 4 MiB and less), 16 KiB more for each coding but the last.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "engines/coding/content_coding.h"

namespace sluice::coding {

struct Limits {
  uint64_t ratio_max = 200;
  uint64_t free_bytes = 1 << 20;
};

// One coding undone; zlib or brotli behind it. Seen from outside only by Decoder.
class Stage {
 public:
  virtual ~Stage() = default;
  // Decodes into `out` and takes what it used off `input`. Returns the bytes written; 0 when it needs more input.
  virtual Result<size_t> decode(std::string_view& input, std::span<char> out) = 0;
  // What came so far is whole.
  virtual bool complete() const = 0;
};

class Decoder {
 public:
  // `codings` in the order in which they were applied; at least one.
  static Result<Decoder> create(std::span<const Coding> codings, Limits limits = {});

  // Decodes into `out` and takes what it used off `input`. Returns the bytes written, at most `out`; 0: all of the
  // input is used and more is needed. Call it until it says 0, for a little input can be much output. Fails with
  // ErrorKind::invalid for bytes that are not of the coding or stand behind its end, with ErrorKind::limit when the
  // body grows too much; both are the upstream's fault. Not to be called after an error.
  Result<size_t> decode(std::string_view& input, std::span<char> out);

  // The input has ended: fails when the coded body has not. No input at all is an empty body.
  Status finish() const;

 private:
  struct Layer {
    std::unique_ptr<Stage> stage;
    std::unique_ptr<char[]> buffer;  // what the layer before wrote; none for the first
    std::string_view input;          // the part of it that is not used yet
    uint64_t produced = 0;
  };

  Decoder() = default;
  Result<size_t> pull(size_t layer, std::string_view& input, std::span<char> out);
  Status count(Layer& layer, size_t produced);

  std::vector<Layer> layers_;  // the coding applied last comes first
  Limits limits_;
  uint64_t taken_ = 0;  // input bytes
};

}  // namespace sluice::coding
