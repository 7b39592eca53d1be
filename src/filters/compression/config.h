// The options of compression as users write them: gloo-core.md 2.4.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "config/bind.h"
#include "engines/coding/encoder.h"

namespace sluice::compression {

enum class Level : uint8_t { standard, best, speed };
std::span<const EnumName> enum_names(Level);

using Strategy = coding::GzipStrategy;

}  // namespace sluice::compression

namespace sluice::coding {
std::span<const EnumName> enum_names(GzipStrategy);
}

namespace sluice::compression {

// `gzip` of a Gateway.
struct Options {
  uint32_t content_length = 30;           // bytes at least, where the length is known
  std::vector<std::string> content_type;  // empty: kContentTypes
  Level compression_level = Level::standard;
  Strategy compression_strategy = Strategy::standard;
  bool disable_on_etag_header = false;
  bool remove_accept_encoding_header = false;
  uint32_t memory_level = 5;
  uint32_t window_bits = 12;
  std::string written;  // all of this as JSON, for FilterBuild::share

  coding::GzipSettings gzip() const;
};
void bind(Fields& f, Options& options);

// Envoy's.
inline constexpr std::string_view kContentTypes[] = {"application/javascript",
                                                     "application/json",
                                                     "application/xhtml+xml",
                                                     "image/svg+xml",
                                                     "text/css",
                                                     "text/html",
                                                     "text/plain",
                                                     "text/xml"};

}  // namespace sluice::compression
