#include "filters/dlp/filter.h"

#include "base/log.h"
#include "base/strings.h"
#include "filters/dlp/config.h"

namespace sluice::dlp {
namespace {

constexpr MetricFamily kMatches{"sluice_dlp_matches_total", "Matches of an action, also of one that only counts"};
constexpr MetricFamily kTooCostly{
    "sluice_dlp_regex_too_costly_total",
    "Responses held back or cut off because an expression looks too far beyond its matches"};
constexpr MetricFamily kRefused{"sluice_dlp_refused_total", "Responses held back because they could not be masked"};

constexpr std::string_view kBufferRemedy =
    ", and an expression without a bound needs all of it: give the expression a bound such as {1,100}, or raise "
    "perConnectionBufferLimitBytes";
constexpr std::string_view kByteRanges = "multipart/byteranges";

bool is_byte_ranges(const Headers& headers) {
  const std::string_view type = headers.get(Known::content_type).value_or("");
  return equals_ignoring_case(trim(type.substr(0, type.find(';'))), kByteRanges);
}

// It can be masked as it comes: bytes as they are, in one part.
bool is_plain(const Headers& headers) {
  return !headers.has(Known::content_encoding) && !is_byte_ranges(headers);
}

}  // namespace

// What a HEAD answer says about a body is left alone; and who only counts changes nothing, not even a coding.
bool DlpFilter::concerns(const Request& request, const Response& response) const {
  if (response.body.empty() || request.info.method == "HEAD") return false;
  return !rules_->only_counts() || is_plain(*response.headers);
}

DlpFilter::DlpFilter(std::shared_ptr<const masking::Rules> rules, const FilterBuild& build)
    : rules_(std::move(rules)),
      refused_(build.metrics->metric(kRefused)),
      too_costly_(build.metrics->metric(kTooCostly)),
      buffer_bytes_max_(build.body_buffer_bytes_max) {
  auto counters = std::make_shared<MatchCounters>(rules_, *build.metrics);
  for (const std::string& name : rules_->counter_names())
    counters->counters.push_back(counters->set.metric(kMatches, {{"action", name}}));
  counters_ = std::move(counters);
}

Task<Response> DlpFilter::handle(Request& request, Next next) const {
  Task<Response> rest = next(request);
  if (!rest.ready() || rules_->needs_whole_body()) return handle_slowly(request, std::move(rest));
  Result<Response> response = rest.take();
  if (!response || !concerns(request, *response)) return response;
  return mask(request, *std::move(response));
}

Task<Response> DlpFilter::handle_slowly(Request& request, Task<Response> rest) const {
  Response response = CO_TRY(co_await rest);
  if (!concerns(request, response)) co_return response;
  if (!rules_->needs_whole_body()) co_return mask(request, std::move(response));
  const auto body = readable_body(request, response);
  if (!body) co_return refuse(request, body.error());
  auto masking = mask_whole(request, std::move(response), *body);
  co_return co_await masking;
}

std::expected<DlpFilter::Readable, DlpFilter::Refusal> DlpFilter::readable_body(Request& request,
                                                                                Response& response) const {
  Headers& headers = *response.headers;
  if (is_byte_ranges(headers)) {
    return std::unexpected(Refusal{502, "response not maskable: multipart/byteranges", "dlp_multipart_byteranges"});
  }
  const auto value = headers.joined(header_name(Known::content_encoding));
  if (!value) return Readable{response.body};
  const auto codings = coding::parse_content_encoding(*value);
  if (!codings) {
    const std::string_view text = request.arena.concat("response not maskable: ", codings.error().message);
    return std::unexpected(Refusal{502, text, "dlp_unsupported_content_encoding", OutcomeKind::response_coding});
  }
  if (codings->empty()) return Readable{response.body};
  if (response.status == 206) {
    return std::unexpected(Refusal{502, "response not maskable: a part of a compressed body", "dlp_encoded_range"});
  }
  auto decoder = coding::Decoder::create(*codings);
  if (!decoder) return std::unexpected(Refusal{500, "Internal Server Error", "dlp_no_decoder"});

  // What is sent is another representation, of unknown length.
  for (const Known known : {Known::content_encoding, Known::content_length, Known::etag, Known::accept_ranges}) {
    headers.remove(known);
  }
  char* buffer = static_cast<char*>(request.arena.allocate(DecodedBody::kBufferBytes, 1));
  auto* decoded = request.arena.make<DecodedBody>(*response.body.reader, *std::move(decoder),
                                                  std::span(buffer, DecodedBody::kBufferBytes));
  return Readable{{decoded, std::nullopt}, decoded};
}

Response DlpFilter::mask(Request& request, Response response) const {
  const auto readable = readable_body(request, response);
  if (!readable) return refuse(request, readable.error());
  const Body& body = readable->body;
  response.body = {request.arena.make<MaskedBody>(*body.reader, rules_, make_counts(request), *too_costly_),
                   body.length};
  return response;
}

// Some expression has no bound, so nothing may leave before the end of the body is there.
Task<Response> DlpFilter::mask_whole(Request& request, Response response, Readable readable) const {
  const Body& body = readable.body;
  auto reading = read_all(body, request.arena, buffer_bytes_max_, request.body_budget);
  const Result<std::string_view> text = co_await reading;
  if (!text) {
    const Error& error = text.error();
    if (error.kind == ErrorKind::limit && error.side == Side::ours) {
      const OutcomeTerms& terms = terms_of(OutcomeKind::response_too_large);
      tell_refused(request, terms.status, terms.details, request.arena.concat(error.message, kBufferRemedy));
      co_return reply(request, terms.kind);
    }
    if (readable.decoded && readable.decoded->is_broken()) {
      co_return refuse(request, {502, "response not maskable: its compressed body is broken", "dlp_broken_encoding",
                                 OutcomeKind::response_coding, request.arena.copy(error.message)});
    }
    co_return std::unexpected(error);
  }
  // read_all has put a copy into the arena, which is ours to change.
  const std::span bytes(const_cast<char*>(text->data()), text->size());
  MatchCounts& counts = make_counts(request);
  if (const Status masked = rules_->mask_whole(bytes, counts.slots()); !masked) {
    too_costly_->add();
    co_return refuse(request, {500, "Internal Server Error", "dlp_regex_too_costly", OutcomeKind::own_answer,
                               request.arena.copy(masked.error().message)});
  }
  counts.report();
  response.body.reader = request.arena.make<WholeBody>(*body.reader, bytes);
  response.body.length = body.length;
  co_return response;
}

Response DlpFilter::refuse(Request& request, const Refusal& refusal) const {
  tell_refused(request, refusal.status, refusal.details, refusal.why.empty() ? refusal.body : refusal.why);
  return local_reply(request, refusal.status, refusal.body, refusal.details, refusal.kind);
}

void DlpFilter::tell_refused(const Request& request, uint16_t status, std::string_view details,
                             std::string_view why) const {
  refused_->add();
  static log::Site site{LogLevel::warn, "dlp", "response held back"};
  if (site.admits())
    site.write(
        {{"status", status}, {"details", details}, {"route", std::string(request.info.route_name)}, {"why", why}});
}

MatchCounts& DlpFilter::make_counts(Request& request) const {
  const size_t size = counters_->counters.size();
  auto* slots = static_cast<uint64_t*>(request.arena.allocate(size * sizeof(uint64_t), alignof(uint64_t)));
  std::fill_n(slots, size, 0);
  return *request.arena.make<MatchCounts>(std::span(slots, size), counters_);
}

namespace {

class Factory final : public FilterFactory {
 public:
  std::string_view name() const override { return "dlp"; }
  std::vector<Stage> stages() const override { return {Stage::dlp}; }
  std::vector<OptionField> option_fields() const override {
    return {option_field<Options>("dlp", OptionLevel::virtual_host | OptionLevel::route,
                                  "Masks sensitive data in response bodies. A route's options replace those of its "
                                  "virtual host.")};
  }
  Result<std::vector<StagedFilter>> build(const FilterBuild& build) const override {
    const auto* options = build.most_specific<Options>("dlp");
    if (!options || !options->rules) return std::vector<StagedFilter>{};
    const std::string kind = fmt::format("dlp, {} bytes", build.body_buffer_bytes_max);
    const auto make = [&] { return std::make_shared<DlpFilter>(options->rules, build); };
    return std::vector<StagedFilter>{{Stage::dlp, build.share<DlpFilter>(kind, options->written, make)}};
  }
  std::vector<MetricFamily> metrics() const override { return {kMatches, kRefused, kTooCostly}; }
};

}  // namespace
}  // namespace sluice::dlp

namespace sluice {

const FilterFactory& dlp_filter() {
  static const dlp::Factory factory;
  return factory;
}

}  // namespace sluice
