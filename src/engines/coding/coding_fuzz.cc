// Any bytes as a coded body: no crash, no more output than the bound allows, the same however they are cut.
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/check.h"
#include "engines/coding/decoder.h"

namespace {

using namespace sluice::coding;

struct Outcome {
  std::string text;
  bool failed = false;
};

Outcome decode(std::span<const Coding> codings, std::string_view coded, size_t piece, size_t room) {
  constexpr Limits kLimits{.ratio_max = 50, .free_bytes = 4096};
  auto decoder = Decoder::create(codings, kLimits);
  Outcome outcome;
  std::vector<char> out(room);
  for (size_t at = 0; at < coded.size(); at += piece) {
    std::string_view input = coded.substr(at, piece);
    for (;;) {
      const auto produced = decoder->decode(input, out);
      if (!produced) {
        outcome.failed = true;
        return outcome;
      }
      if (*produced == 0) break;
      outcome.text.append(out.data(), *produced);
    }
    CHECK(input.empty());
  }
  CHECK(outcome.text.size() <= kLimits.free_bytes + kLimits.ratio_max * (coded.size() + 1));
  outcome.failed = !decoder->finish();
  return outcome;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size < 2) return 0;
  std::vector<Coding> codings = {static_cast<Coding>(data[0] % 3)};
  if (data[0] & 0x80) codings.push_back(static_cast<Coding>(data[0] / 3 % 3));
  const std::string_view coded(reinterpret_cast<const char*>(data) + 2, size - 2);
  const Outcome whole = decode(codings, coded, coded.size() + 1, 4096);
  const Outcome pieces = decode(codings, coded, 1 + data[1] % 32, 512);
  // Where a limit ends it depends on the cut; a body that passes whole does so in pieces unless it grew early.
  if (!whole.failed && !pieces.failed) CHECK(whole.text == pieces.text);
  return 0;
}
