#include "filters/compression/config.h"

namespace sluice::coding {
namespace {

constexpr EnumName kStrategyNames[] = {{"DEFAULT", static_cast<int64_t>(GzipStrategy::standard)},
                                       {"FILTERED", static_cast<int64_t>(GzipStrategy::filtered)},
                                       {"HUFFMAN", static_cast<int64_t>(GzipStrategy::huffman)},
                                       {"RLE", static_cast<int64_t>(GzipStrategy::rle)}};

}  // namespace

std::span<const EnumName> enum_names(GzipStrategy) {
  return kStrategyNames;
}

}  // namespace sluice::coding

namespace sluice::compression {
namespace {

constexpr size_t kContentTypesMax = 50;
constexpr EnumName kLevelNames[] = {{"DEFAULT", static_cast<int64_t>(Level::standard)},
                                    {"BEST", static_cast<int64_t>(Level::best)},
                                    {"SPEED", static_cast<int64_t>(Level::speed)}};

}  // namespace

std::span<const EnumName> enum_names(Level) {
  return kLevelNames;
}

void bind(Fields& f, Options& o) {
  f.optional("contentLength", o.content_length, "A response that is known to be shorter stays as it is.");
  f.optional(
      "contentType", o.content_type,
      "Content types of responses that are compressed; when empty, usual ones of text. Those without any are, too.");
  f.optional("compressionLevel", o.compression_level, "Smaller or faster.");
  f.optional("compressionStrategy", o.compression_strategy, "zlib's, for bodies of a kind.");
  f.optional("disableOnEtagHeader", o.disable_on_etag_header, "Leave responses with an `etag` as they are.");
  f.optional("removeAcceptEncodingHeader", o.remove_accept_encoding_header,
             "Take `accept-encoding` off requests, so that upstreams do not compress.");
  f.optional("memoryLevel", o.memory_level, "More is faster, smaller and takes more memory.");
  f.optional("windowBits", o.window_bits, "It looks back 2 to the power of this bytes.");
  f.in_range("contentLength", o.content_length, 30, UINT32_MAX);
  f.in_range("memoryLevel", o.memory_level, 1, 9);
  f.in_range("windowBits", o.window_bits, 9, 15);
  f.check(o.content_type.size() <= kContentTypesMax, "contentType", "must have at most 50 entries");
  if (f.reading()) o.written = f.written();
}

coding::GzipSettings Options::gzip() const {
  constexpr int kBest = 9, kSpeed = 1, kStandard = -1;
  const int level = compression_level == Level::best ? kBest : compression_level == Level::speed ? kSpeed : kStandard;
  return {.level = level,
          .window_bits = static_cast<int>(window_bits),
          .memory_level = static_cast<int>(memory_level),
          .strategy = compression_strategy};
}

}  // namespace sluice::compression
