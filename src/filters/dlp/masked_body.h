// Body readers that stand between the upstream's body and the client.
#pragma once

#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "base/metrics.h"
#include "engines/coding/decoder.h"
#include "engines/masking/masker.h"
#include "http/converted_body.h"

namespace sluice::dlp {

// What counts the matches of a filter's rules, by the rules' counter names.
struct MatchCounters {
  MatchCounters(std::shared_ptr<const masking::Rules> r, Metrics& metrics) : rules(std::move(r)), set(metrics) {}
  const std::shared_ptr<const masking::Rules> rules;
  MetricSet set;  // actions are named by the configuration
  std::vector<Counter*> counters;
};

// What a filter's rules come to for one body: its matches, added to the metrics by report() and at the latest by the
// destructor.
class MatchCounts {
 public:
  // `slots` are zero, and by the same index as the counters.
  MatchCounts(std::span<uint64_t> slots, std::shared_ptr<const MatchCounters> into)
      : slots_(slots), into_(std::move(into)) {}
  ~MatchCounts() { report(); }
  MatchCounts(const MatchCounts&) = delete;
  MatchCounts& operator=(const MatchCounts&) = delete;

  std::span<uint64_t> slots() { return slots_; }
  void report();

 private:
  std::span<uint64_t> slots_;
  std::shared_ptr<const MatchCounters> into_;
};

// A body, masked while it passes. The bytes are as many as came; a body that is there in one piece is masked where it
// lies. The trailers are those of the inner body.
class MaskedBody final : public BodyReader {
 public:
  // For rules that do not need the whole body. What is given outlives this. `too_costly` counts the bodies that end in
  // an error because an expression looks too far beyond its matches: what it was not yet applied to does not leave.
  MaskedBody(BodyReader& inner, std::shared_ptr<const masking::Rules> rules, MatchCounts& counts, Counter& too_costly)
      : inner_(inner), rules_(std::move(rules)), counts_(counts), too_costly_(too_costly) {}

  Task<Chunk> read() override;
  const Headers* trailers() const override { return inner_.trailers(); }

 private:
  Task<Chunk> read_slowly(Task<Chunk> reading);
  Result<std::optional<Chunk>> mask(Chunk chunk);
  Result<masking::Masker::Output> run_rules(Chunk chunk);
  Chunk pass(masking::Masker::Output output, bool last);

  BodyReader& inner_;
  std::shared_ptr<const masking::Rules> rules_;
  MatchCounts& counts_;
  Counter& too_costly_;
  std::optional<masking::Masker> masker_;  // once the body comes in more than one piece
  std::span<char> waiting_;                // to leave with the next read
  bool waiting_is_last_ = false;
};

// A body with its codings undone. Errors are the upstream's.
class DecodedBody final : public ConvertedBody {
 public:
  static constexpr size_t kBufferBytes = 16U << 10;

  // `buffer` is where the decoded bytes go, kBufferBytes of them.
  DecodedBody(BodyReader& inner, coding::Decoder decoder, std::span<char> buffer)
      : ConvertedBody(inner), decoder_(std::move(decoder)), buffer_(buffer) {}

  const Headers* trailers() const override { return inner_.trailers(); }
  // It was the coding that was wrong, not what carries it.
  bool is_broken() const { return is_broken_; }

 private:
  void take(const Chunk& piece) override;
  Result<std::optional<Chunk>> convert() override;
  Result<std::optional<Chunk>> decode_some();

  coding::Decoder decoder_;
  std::span<char> buffer_;
  std::string_view input_;  // read and not decoded yet
  bool input_ended_ = false;
  bool is_broken_ = false;
};

// A body that is at hand as a whole, with the trailers of the one it came from.
class WholeBody final : public BodyReader {
 public:
  WholeBody(BodyReader& inner, std::span<char> bytes) : inner_(inner), bytes_(bytes) {}
  Task<Chunk> read() override { return Chunk{bytes_, true}; }
  const Headers* trailers() const override { return inner_.trailers(); }

 private:
  BodyReader& inner_;
  std::span<char> bytes_;
};

}  // namespace sluice::dlp
