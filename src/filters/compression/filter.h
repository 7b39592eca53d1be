// Compresses responses for clients that accept it.
//
// Outermost on the response, also of a request whose route was chosen again: what masks or changes bodies sees them as
// they are. Behaviour: gloo-core.md 2.4, README.md beside this.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "engines/coding/accept_encoding.h"
#include "filters/compression/compressed_body.h"
#include "filters/compression/config.h"
#include "pipeline/filter.h"

namespace sluice {

const FilterFactory& compression_filter();

namespace compression {

struct Counters {
  explicit Counters(Metrics& metrics);

  Counter* compressed;
  Counter* not_compressed;
  Counter* no_accept_header;
  Counter* too_short;
  Counter* has_etag;
  Counter* no_memory;
  Counter* brotli_compressed;
  BodyCounters gzip_bytes;
  BodyCounters brotli_bytes;
};

class CompressionFilter final : public Filter {
 public:
  // `options`: without `gzip` at the Gateway the defaults, for brotli.
  struct Offer {
    Options options;
    bool gzip = true;
    std::optional<coding::BrotliSettings> brotli;
  };
  CompressionFilter(Offer offer, const FilterBuild& build);

  Task<Response> handle(Request& request, Next next) const override;

 private:
  // What the client wants, by its Accept-Encoding.
  struct Wish {
    std::optional<coding::Coding> coding;
    bool said = false;  // there was any
  };
  Wish wish_of(const Request& request) const;
  Task<Response> wait(Request& request, Wish wish, Task<Response> rest) const;
  Result<Response> finish(Request& request, Wish wish, Response response) const;
  bool is_compressible(const Request& request, const Response& response) const;
  bool has_listed_type(const Headers& headers) const;
  // False: there is no memory for it, and the response stays as it is.
  bool compress(Request& request, Response& response, coding::Coding coding) const;
  Result<std::unique_ptr<coding::Encoder>> make_encoder(coding::Coding coding, std::optional<uint64_t> length) const;
  size_t memory_bytes(coding::Coding coding, std::optional<uint64_t> length) const;
  coding::BrotliSettings brotli_for(std::optional<uint64_t> length) const;

  const Offer offer_;
  const coding::GzipSettings gzip_;
  BodyBudget* const budget_;
  const Counters counters_;
};

}  // namespace compression
}  // namespace sluice
