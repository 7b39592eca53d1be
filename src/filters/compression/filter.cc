#include "filters/compression/filter.h"

#include <algorithm>
#include <bit>

#include "base/strings.h"
#include "config/kinds/proxy_settings.h"
#include "pipeline/rerouting.h"

namespace sluice::compression {
namespace {

using coding::Coding;

constexpr MetricFamily kCompressed{"envoy_http_gzip_compressed", "Responses compressed by gzip."};
constexpr MetricFamily kNotCompressed{"envoy_http_gzip_not_compressed",
                                      "Responses that stayed as they were, whatever the reason."};
constexpr MetricFamily kNoAcceptHeader{"envoy_http_gzip_no_accept_header", "Requests without accept-encoding."};
constexpr MetricFamily kTooShort{"envoy_http_gzip_content_length_too_small",
                                 "Responses that were shorter than contentLength."};
constexpr MetricFamily kHasEtag{"envoy_http_gzip_not_compressed_etag",
                                "Responses that stayed as they were because of an etag."};
constexpr MetricFamily kBytesIn{"envoy_http_gzip_total_uncompressed_bytes", "Bytes of bodies before gzip."};
constexpr MetricFamily kBytesOut{"envoy_http_gzip_total_compressed_bytes", "Bytes of bodies behind gzip."};
constexpr MetricFamily kBrotliCompressed{"sluice_brotli_compressed_total", "Responses compressed by brotli."};
constexpr MetricFamily kBrotliBytesIn{"sluice_brotli_uncompressed_bytes_total", "Bytes of bodies before brotli."};
constexpr MetricFamily kBrotliBytesOut{"sluice_brotli_compressed_bytes_total", "Bytes of bodies behind brotli."};
constexpr MetricFamily kNoMemory{"sluice_compression_no_memory_total",
                                 "Responses that stayed as they were because bodies may take no more memory."};

constexpr uint16_t kPartialContent = 206;

bool lists(std::string_view list, std::string_view word) {
  bool found = false;
  for_each_token(list, [&](std::string_view token) { found |= equals_ignoring_case(token, word); });
  return found;
}

// RFC 9110 7.7: nobody on the way may change the content then. And digests are of the bytes as they are (RFC 9530 2).
bool must_stay(const Headers& headers) {
  const auto cache_control = headers.joined("cache-control");
  if (cache_control && lists(*cache_control, "no-transform")) return true;
  return headers.get("content-digest") || headers.get("content-md5") || headers.get("digest");
}

// Caches must know that there are several of it (RFC 9110 12.5.5).
void add_vary(Headers& headers, Arena& arena) {
  const auto vary = headers.joined("vary");
  if (!vary) return headers.add("vary", "accept-encoding");
  if (lists(*vary, "accept-encoding") || lists(*vary, "*")) return;
  headers.set("vary", arena.concat(*vary, std::string_view(", accept-encoding")));
}

// RFC 9110 8.8.1: bytes that differ have no strong validator in common.
void weaken_etag(Headers& headers, Arena& arena) {
  const auto etag = headers.get(Known::etag);
  if (etag && !etag->starts_with("W/")) headers.set(Known::etag, arena.concat(std::string_view("W/"), *etag));
}

class Factory final : public FilterFactory {
 public:
  std::string_view name() const override { return "compression"; }
  std::vector<Stage> stages() const override { return {Stage::compression}; }
  std::vector<OptionField> option_fields() const override {
    return {option_field<Options>("gzip", OptionLevel::listener, "Compresses responses for clients that accept it.")};
  }

  Result<std::vector<StagedFilter>> build(const FilterBuild& build) const override {
    const auto* gzip = build.listener ? build.listener->get<Options>("gzip") : nullptr;
    const auto& brotli = build.settings->brotli;
    if (!gzip && !brotli) return std::vector<StagedFilter>{};
    const std::string settings =
        brotli ? fmt::format("br {} {}", brotli->quality, brotli->window_bits) : std::string("no br");
    const auto make = [&] {
      CompressionFilter::Offer offer{.options = gzip ? *gzip : Options{}, .gzip = gzip != nullptr, .brotli = {}};
      if (brotli) offer.brotli = coding::BrotliSettings{brotli->quality, brotli->window_bits};
      return std::make_shared<CompressionFilter>(std::move(offer), build);
    };
    return std::vector<StagedFilter>{
        {Stage::compression,
         build.share<CompressionFilter>("compression " + settings, gzip ? gzip->written : "-", make)}};
  }

  std::vector<MetricFamily> metrics() const override {
    return {kCompressed, kNotCompressed, kNoAcceptHeader,   kTooShort,      kHasEtag,       kBytesIn,
            kBytesOut,   kNoMemory,      kBrotliCompressed, kBrotliBytesIn, kBrotliBytesOut};
  }
};

}  // namespace

Counters::Counters(Metrics& metrics) {
  const Labels labels{{"envoy_http_conn_manager_prefix", "http"}};
  const auto get = [&](const MetricFamily& family) { return metrics.metric(family, labels); };
  compressed = get(kCompressed);
  not_compressed = get(kNotCompressed);
  no_accept_header = get(kNoAcceptHeader);
  too_short = get(kTooShort);
  has_etag = get(kHasEtag);
  gzip_bytes = {get(kBytesIn), get(kBytesOut)};
  no_memory = metrics.metric(kNoMemory);
  brotli_compressed = metrics.metric(kBrotliCompressed);
  brotli_bytes = {metrics.metric(kBrotliBytesIn), metrics.metric(kBrotliBytesOut)};
}

CompressionFilter::CompressionFilter(Offer offer, const FilterBuild& build)
    : offer_(std::move(offer)), gzip_(offer_.options.gzip()), budget_(build.body_budget), counters_(*build.metrics) {}

// Filters behind this may take the field off the request.
CompressionFilter::Wish CompressionFilter::wish_of(const Request& request) const {
  const auto accepted = request.headers.joined(Known::accept_encoding);
  if (!accepted) return {};
  return {coding::choose_coding(coding::parse_accept_encoding(*accepted), offer_.gzip, offer_.brotli.has_value()),
          true};
}

Task<Response> CompressionFilter::handle(Request& request, Next next) const {
  const Wish wish = wish_of(request);
  if (offer_.options.remove_accept_encoding_header) request.headers.remove(Known::accept_encoding);
  Task<Response> rest = next(request);
  if (!rest.ready()) return wait(request, wish, std::move(rest));
  Result<Response> response = rest.take();
  if (!response) return response;
  return finish(request, wish, *std::move(response));
}

Task<Response> CompressionFilter::wait(Request& request, Wish wish, Task<Response> rest) const {
  Response response = CO_TRY(co_await rest);
  co_return finish(request, wish, std::move(response));
}

Result<Response> CompressionFilter::finish(Request& request, Wish wish, Response response) const {
  // Others that stand around everything have not had their turn: this comes after them (finish_rerouted).
  if (request.rerouting) {
    request.rerouting->run_outermost(*this);
    return response;
  }
  bool done = false;
  if (is_compressible(request, response)) {
    // Also where this client gets it as it is.
    add_vary(*response.headers, request.arena);
    if (!wish.said) counters_.no_accept_header->add();
    done = wish.coding && compress(request, response, *wish.coding);
  }
  if (!done) counters_.not_compressed->add();
  return response;
}

// As in Envoy; and no part of a body, whose place is told in bytes of the whole (RFC 9110 14.4).
bool CompressionFilter::is_compressible(const Request& request, const Response& response) const {
  const Headers& headers = *response.headers;
  if (response.body.empty() || response.tunnel || request.info.method == "HEAD") return false;
  if (headers.has(Known::content_encoding) || response.status == kPartialContent) return false;
  if (response.body.length && *response.body.length < offer_.options.content_length) {
    counters_.too_short->add();
    return false;
  }
  if (!has_listed_type(headers) || must_stay(headers)) return false;
  if (!offer_.options.disable_on_etag_header || !headers.has(Known::etag)) return true;
  counters_.has_etag->add();
  return false;
}

bool CompressionFilter::has_listed_type(const Headers& headers) const {
  const auto value = headers.get(Known::content_type);
  if (!value) return true;
  const std::string_view type = trim(value->substr(0, value->find(';')));
  const auto is_it = [type](std::string_view one) { return equals_ignoring_case(one, type); };
  const auto& own = offer_.options.content_type;
  return own.empty() ? std::ranges::any_of(kContentTypes, is_it) : std::ranges::any_of(own, is_it);
}

bool CompressionFilter::compress(Request& request, Response& response, Coding coding) const {
  const std::optional<uint64_t> length = response.body.length;
  std::unique_ptr<BodyBudget::Share> memory;
  if (budget_) {
    memory = std::make_unique<BodyBudget::Share>(*budget_);
    if (!memory->covers(memory_bytes(coding, length))) {
      counters_.no_memory->add();
      return false;
    }
  }
  auto encoder = make_encoder(coding, length);
  if (!encoder) {
    counters_.no_memory->add();
    return false;
  }
  Headers& headers = *response.headers;
  for (const Known known : {Known::content_length, Known::accept_ranges}) headers.remove(known);
  headers.set(Known::content_encoding, coding == Coding::brotli ? "br" : "gzip");
  weaken_etag(headers, request.arena);
  const bool brotli = coding == Coding::brotli;
  (brotli ? counters_.brotli_compressed : counters_.compressed)->add();
  char* buffer = static_cast<char*>(request.arena.allocate(CompressedBody::kBufferBytes, 1));
  response.body = {request.arena.make<CompressedBody>(*response.body.reader, *std::move(encoder), std::move(memory),
                                                      brotli ? counters_.brotli_bytes : counters_.gzip_bytes,
                                                      std::span(buffer, CompressedBody::kBufferBytes)),
                   std::nullopt};
  return true;
}

// A body that is known to be short needs no large window.
coding::BrotliSettings CompressionFilter::brotli_for(std::optional<uint64_t> length) const {
  constexpr uint32_t kLeast = 10;
  coding::BrotliSettings settings = *offer_.brotli;
  if (length)
    settings.window_bits =
        std::min(settings.window_bits, std::max(kLeast, static_cast<uint32_t>(std::bit_width(*length))));
  return settings;
}

size_t CompressionFilter::memory_bytes(Coding coding, std::optional<uint64_t> length) const {
  const size_t encoder = coding == Coding::brotli ? brotli_for(length).memory_bytes() : gzip_.memory_bytes();
  return encoder + CompressedBody::kBufferBytes;
}

Result<std::unique_ptr<coding::Encoder>> CompressionFilter::make_encoder(Coding coding,
                                                                         std::optional<uint64_t> length) const {
  return coding == Coding::brotli ? coding::make_brotli_encoder(brotli_for(length)) : coding::make_gzip_encoder(gzip_);
}

}  // namespace sluice::compression

namespace sluice {

const FilterFactory& compression_filter() {
  static const compression::Factory factory;
  return factory;
}

}  // namespace sluice
