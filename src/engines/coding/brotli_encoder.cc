// br (RFC 7932), by brotli.
#include <brotli/encode.h>

#include <array>
#include <memory>

#include "engines/coding/encoder.h"

namespace sluice::coding {
namespace {

struct EndState {
  void operator()(BrotliEncoderState* state) const { BrotliEncoderDestroyInstance(state); }
};

class BrotliEncoder final : public Encoder {
 public:
  Status open(const BrotliSettings& settings) {
    state_.reset(BrotliEncoderCreateInstance(nullptr, nullptr, nullptr));
    if (!state_) return fail(ErrorKind::internal, "no memory to compress a body");
    BrotliEncoderSetParameter(state_.get(), BROTLI_PARAM_QUALITY, settings.quality);
    BrotliEncoderSetParameter(state_.get(), BROTLI_PARAM_LGWIN, settings.window_bits);
    BrotliEncoderSetParameter(state_.get(), BROTLI_PARAM_MODE, BROTLI_MODE_TEXT);
    return {};
  }

  Result<Written> encode(std::string_view& input, std::span<char> out, Until until) override {
    size_t given = input.size(), room = out.size();
    const auto* next_in = reinterpret_cast<const uint8_t*>(input.data());
    auto* next_out = reinterpret_cast<uint8_t*>(out.data());
    if (!BrotliEncoderCompressStream(state_.get(), operation_of(until), &given, &next_in, &room, &next_out, nullptr))
      return fail(ErrorKind::internal, "a body cannot be compressed");
    input.remove_prefix(input.size() - given);
    const bool done = until == Until::ended ? BrotliEncoderIsFinished(state_.get()) == BROTLI_TRUE
                                            : BrotliEncoderHasMoreOutput(state_.get()) == BROTLI_FALSE;
    return Written{out.size() - room, input.empty() && done};
  }

 private:
  static BrotliEncoderOperation operation_of(Until until) {
    switch (until) {
      case Until::later: return BROTLI_OPERATION_PROCESS;
      case Until::flushed: return BROTLI_OPERATION_FLUSH;
      case Until::ended: return BROTLI_OPERATION_FINISH;
    }
    return BROTLI_OPERATION_FINISH;
  }

  std::unique_ptr<BrotliEncoderState, EndState> state_;
};

// Of the tables in which it finds what came before, and of what it works on: in KiB, by quality, as measured
// (encoder_test.cc).
constexpr std::array<size_t, BrotliSettings::kQualityMax + 1> kTables{512,  512,  1024,  1024,  2048,
                                                                      2560, 3584, 10240, 18432, 36864};

}  // namespace

// It keeps the window twice.
size_t BrotliSettings::memory_bytes() const {
  return (size_t{2} << window_bits) + (kTables[quality] << 10);
}

Result<std::unique_ptr<Encoder>> make_brotli_encoder(const BrotliSettings& settings) {
  auto encoder = std::make_unique<BrotliEncoder>();
  TRY(encoder->open(settings));
  return encoder;
}

}  // namespace sluice::coding
