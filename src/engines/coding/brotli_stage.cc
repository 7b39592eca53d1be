#include <brotli/decode.h>
#include <fmt/format.h>

#include "engines/coding/stages.h"

namespace sluice::coding {
namespace {

struct Destroy {
  void operator()(BrotliDecoderState* state) const { BrotliDecoderDestroyInstance(state); }
};
using State = std::unique_ptr<BrotliDecoderState, Destroy>;

class BrotliStage final : public Stage {
 public:
  explicit BrotliStage(State state) : state_(std::move(state)) {}
  bool complete() const override { return complete_; }

  Result<size_t> decode(std::string_view& input, std::span<char> out) override {
    if (complete_) {
      if (input.empty()) return 0;
      return fail(ErrorKind::invalid, "bytes stand behind the end of a compressed body", Side::upstream);
    }
    size_t given = input.size();
    const auto* next_in = reinterpret_cast<const uint8_t*>(input.data());
    size_t room = out.size();
    auto* next_out = reinterpret_cast<uint8_t*>(out.data());
    const BrotliDecoderResult result =
        BrotliDecoderDecompressStream(state_.get(), &given, &next_in, &room, &next_out, nullptr);
    input.remove_prefix(input.size() - given);
    if (result == BROTLI_DECODER_RESULT_ERROR) {
      const char* why = BrotliDecoderErrorString(BrotliDecoderGetErrorCode(state_.get()));
      return fail(ErrorKind::invalid, fmt::format("a compressed body is broken: brotli says {}", why), Side::upstream);
    }
    complete_ = result == BROTLI_DECODER_RESULT_SUCCESS;
    return out.size() - room;
  }

 private:
  State state_;
  bool complete_ = false;
};

}  // namespace

Result<std::unique_ptr<Stage>> make_brotli_stage() {
  State state(BrotliDecoderCreateInstance(nullptr, nullptr, nullptr));
  if (!state) return fail(ErrorKind::internal, "no memory to decode a compressed body");
  return std::make_unique<BrotliStage>(std::move(state));
}

}  // namespace sluice::coding
