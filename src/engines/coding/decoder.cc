#include "engines/coding/decoder.h"

#include <fmt/format.h>

#include "base/check.h"
#include "engines/coding/stages.h"

namespace sluice::coding {
namespace {

constexpr size_t kBufferBytes = 16U << 10;

Result<std::unique_ptr<Stage>> make_stage(Coding coding) {
  switch (coding) {
    case Coding::gzip: return make_gzip_stage();
    case Coding::deflate: return make_deflate_stage();
    case Coding::brotli: return make_brotli_stage();
  }
  __builtin_unreachable();
}

}  // namespace

Result<Decoder> Decoder::create(std::span<const Coding> codings, Limits limits) {
  CHECK(!codings.empty());
  Decoder decoder;
  decoder.limits_ = limits;
  for (size_t i = codings.size(); i-- > 0;) {
    Layer layer;
    layer.stage = TRY(make_stage(codings[i]));
    if (!decoder.layers_.empty()) layer.buffer = std::make_unique<char[]>(kBufferBytes);
    decoder.layers_.push_back(std::move(layer));
  }
  return decoder;
}

Result<size_t> Decoder::decode(std::string_view& input, std::span<char> out) {
  CHECK(!out.empty());
  return pull(layers_.size() - 1, input, out);
}

Result<size_t> Decoder::pull(size_t index, std::string_view& input, std::span<char> out) {
  Layer& layer = layers_[index];
  std::string_view& source = index == 0 ? input : layer.input;
  for (;;) {
    const size_t before = source.size();
    const size_t produced = TRY(layer.stage->decode(source, out));
    if (index == 0) taken_ += before - source.size();
    if (Status fits = count(layer, produced); !fits) return std::unexpected(std::move(fits).error());
    if (produced > 0) return produced;
    if (!source.empty()) {  // the coded body has ended before its bytes did: the stage says so next time
      if (source.size() == before) return fail(ErrorKind::internal, "a decoder does not move on");
      continue;
    }
    if (index == 0) return 0;
    const size_t more = TRY(pull(index - 1, input, {layer.buffer.get(), kBufferBytes}));
    if (more == 0) return 0;
    layer.input = {layer.buffer.get(), more};
  }
}

Status Decoder::count(Layer& layer, size_t produced) {
  layer.produced += produced;
  if (layer.produced <= limits_.free_bytes) return {};
  if ((layer.produced - limits_.free_bytes) / limits_.ratio_max < taken_) return {};
  return fail(ErrorKind::limit,
              fmt::format("a compressed body of {} bytes grew to more than {} bytes: over {} times is refused", taken_,
                          layer.produced, limits_.ratio_max),
              Side::upstream);
}

Status Decoder::finish() const {
  if (taken_ == 0) return {};
  for (const Layer& layer : layers_) {
    if (layer.stage->complete()) continue;
    return fail(ErrorKind::invalid, "the compressed body ended too early", Side::upstream);
  }
  return {};
}

}  // namespace sluice::coding
