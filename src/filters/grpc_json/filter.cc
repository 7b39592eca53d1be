#include "filters/grpc_json/filter.h"

#include "base/encoding.h"
#include "filters/grpc_json/config.h"
#include "io/loop.h"
#include "pipeline/rerouting.h"

namespace sluice::grpc_json {
namespace {

constexpr MetricFamily kRequests{"sluice_grpc_json_requests_total", "Requests of JSON that were made gRPC."};
constexpr MetricFamily kRefused{"sluice_grpc_json_refused_total",
                                "Requests whose body, path or query does not fit the method's message."};

constexpr std::string_view kJson = "application/json";
constexpr std::string_view kDetailsField = "grpc-status-details-bin";
constexpr std::string_view kOriginalPath = "x-envoy-original-path", kOriginalMethod = "x-envoy-original-method";
constexpr std::string_view kDetails = "grpc_json_transcode_failure";

// The text lives as long as the exchange, and is paid for as what was collected.
Result<Body> body_of(Request& request, std::string text) {
  Held& held = *request.arena.make<Held>(request.body_buffer_bytes_max, request.body_budget);
  TRY(held.covers(text.size()));
  std::string& kept = *request.arena.make<std::string>(std::move(text));
  return Body{request.arena.make<TextBody>(std::span(kept.data(), kept.size())), kept.size()};
}

void copy_field(Request& request, std::string_view name, const Headers& from, Headers& to) {
  if (const auto value = from.get(name); value && &from != &to) to.set(name, request.arena.copy(*value));
}

// gRPC's binary fields may be padded or not.
std::optional<std::string> binary_field(std::string_view value) {
  while (value.ends_with('=')) value.remove_suffix(1);
  std::string text(value);
  text.append((4 - text.size() % 4) % 4, '=');
  return base64_decode(text);
}

bool came_by_method(const Request& request) {
  const auto is = [](const Filter& filter) { return dynamic_cast<const MethodRouter*>(&filter) != nullptr; };
  return request.rerouting && request.rerouting->any_ran(is);
}

// The path becomes that of the method.
void ask_for(Request& request, const transcoding::Method& method) {
  if (came_by_method(request)) return;
  request.headers.set(kOriginalPath, request.path);
  request.headers.set(kOriginalMethod, request.method);
  request.path = request.arena.copy(method.path);
  request.method = "POST";
}

// Of a ConfigMap.
Result<std::string> descriptor_set_of(const ConfigMapSource& source, const ObjectData& map) {
  const std::string name = source.config_map.ns + ":" + source.config_map.name;
  const auto& data = *map.data;
  if (data.empty()) return invalid("configmap " + name + " does not contain any values");
  if (source.key.empty() && data.size() > 1)
    return invalid(fmt::format("key must be provided for configmap {} which contains {} values", name, data.size()));
  const auto entry = source.key.empty() ? data.begin() : data.find(source.key);
  if (entry == data.end() || entry->second.empty())
    return invalid(fmt::format("configmap {} does not contain a value for key {}", name, source.key));
  auto bytes = decode_descriptor_set(entry->second);
  if (!bytes)
    return invalid(
        fmt::format("config map {} contains a value for key {} but is not base64-encoded", name, entry->first));
  return bytes;
}

class Factory final : public FilterFactory {
 public:
  std::string_view name() const override { return "grpc_json"; }
  std::vector<Stage> stages() const override { return {Stage::grpc_json}; }
  std::vector<OptionField> option_fields() const override {
    return {option_field<Options>(kField, OptionLevel::listener,
                                  "Clients that speak JSON over HTTP call methods of gRPC.")};
  }

  Result<std::vector<StagedFilter>> build(const FilterBuild& build) const override {
    const auto* options = build.listener ? build.listener->get<Options>(kField) : nullptr;
    if (!options || options->rules.services.empty()) return std::vector<StagedFilter>{};
    if (!build.route && options->match_incoming_request_route) return std::vector<StagedFilter>{};
    std::string made_of;
    auto transcoder = options->transcoder;
    if (!transcoder)
      transcoder = TRY(options->descriptor_config_map ? of_config_map(*options, build, made_of)
                                                      : of_file(*options, build, made_of));
    if (!build.route) {
      const auto make = [&] { return std::make_shared<MethodRouter>(transcoder); };
      return std::vector<StagedFilter>{
          {Stage::grpc_json, build.share<MethodRouter>("gRPC-JSON method" + made_of, options->written, make)}};
    }
    const auto make = [&] {
      return std::make_shared<GrpcJsonFilter>(
          transcoder, GrpcJsonFilter::Terms{options->match_incoming_request_route, options->rules.convert_status},
          GrpcJsonFilter::Counters{build.metrics->metric(kRequests), build.metrics->metric(kRefused)});
    };
    return std::vector<StagedFilter>{
        {Stage::grpc_json, build.share<GrpcJsonFilter>("gRPC-JSON" + made_of, options->written, make)}};
  }
  std::vector<MetricFamily> metrics() const override { return {kRequests, kRefused}; }

 private:
  static constexpr std::string_view kField = "grpcJsonTranscoder";
  static constexpr size_t kFileBytesMax = 16 << 20;  // all of googleapis has less

  using TranscoderPtr = std::shared_ptr<const transcoding::Transcoder>;
  using Made = Result<std::shared_ptr<transcoding::Transcoder>>;

  static Result<TranscoderPtr> of_config_map(const Options& options, const FilterBuild& build, std::string& made_of) {
    const ConfigMapSource& source = *options.descriptor_config_map;
    const ObjectData map = TRY(build.references->config_map(source.config_map));
    made_of = " " + map.made_of;
    return kept(options, build, made_of, [&]() -> Made {
      return create(TRY(descriptor_set_of(source, map)), options, "protoDescriptorConfigMap");
    });
  }

  static Result<TranscoderPtr> of_file(const Options& options, const FilterBuild& build, std::string& made_of) {
    auto file = build.references->file(options.descriptor_file, kFileBytesMax);
    if (!file) return std::unexpected(std::move(file).error().in("protoDescriptor"));
    made_of = " " + file->made_of;
    return kept(options, build, made_of, [&]() -> Made {
      auto made = create(*file->bytes, options, "protoDescriptor: " + options.descriptor_file);
      // What the other two fields have is not what a file has.
      if (!made && !file->bytes->empty() && decode_descriptor_set(*file->bytes))
        made.error().message += "; it is in Base64: decode it with base64 -d";
      return made;
    });
  }

  static Made create(std::string_view set, const Options& options, std::string_view from) {
    auto made = transcoding::Transcoder::create(set, options.rules);
    if (!made) return std::unexpected(std::move(made).error().in(from));
    return made;
  }

  // The one of all routes of a Gateway.
  template <class Make>
  static Result<TranscoderPtr> kept(const Options& options, const FilterBuild& build, const std::string& made_of,
                                    Make&& make) {
    auto made = TRY(build.kept->try_get<transcoding::Transcoder>("gRPC-JSON set" + made_of + options.written, make));
    if (build.warnings)
      for (const std::string& warning : made->warnings()) build.warnings->push_back(warning);
    return made;
  }
};

}  // namespace

// --- requests without a route -----------------------------------------------------------------------------------

Task<Response> MethodRouter::handle(Request& request, Next next) const {
  if (request.upgrade || grpc::is_grpc(request.headers)) return next(request);
  const auto call = transcoder_->find(request.method, request.path);
  if (!call) return next(request);
  ask_for(request, call->method());
  // As the route will be chosen once the message is made; until then it is JSON.
  const auto type = request.headers.get(Known::content_type);
  const std::string_view kept = type ? request.arena.copy(*type) : std::string_view();
  request.headers.set(Known::content_type, grpc::kContentType);
  request.choose_route_again();
  if (type)
    request.headers.set(Known::content_type, kept);
  else
    request.headers.remove(Known::content_type);
  return next(request);
}

// --- requests ----------------------------------------------------------------------------------------------------

Task<Response> GrpcJsonFilter::handle(Request& request, Next next) const {
  if (request.upgrade || grpc::is_grpc(request.headers)) return next(request);
  auto call = find(request);
  if (!call) return next(request);
  counters_.requests->add();
  return transcode(request, next, *request.arena.make<Transcoding>(transcoder_, *std::move(call)));
}

// What a MethodRouter has made of it goes by what it was.
std::optional<transcoding::Call> GrpcJsonFilter::find(const Request& request) const {
  if (!came_by_method(request)) return transcoder_->find(request.method, request.path);
  const auto method = request.headers.get(kOriginalMethod), path = request.headers.get(kOriginalPath);
  if (!method || !path) return std::nullopt;
  auto call = transcoder_->find(*method, *path);
  if (call && call->method().path != request.path) return std::nullopt;
  return call;
}

Task<Response> GrpcJsonFilter::transcode(Request& request, Next next, const Transcoding& how) const {
  const transcoding::Method& method = how.call.method();
  if (method.client_streaming && !request.body.empty()) {
    const auto type = request.arena.copy(request.headers.get(Known::content_type).value_or(""));
    request.body = {request.arena.make<StreamedRequest>(*request.body.reader, how, type, request.body_buffer_bytes_max,
                                                        request.body_budget),
                    std::nullopt};
  } else {
    auto reading = read_all(request.body, request.arena, request.body_buffer_bytes_max, request.body_budget);
    const Result<std::string_view> text = co_await reading;
    if (!text && text.error().kind == ErrorKind::limit) co_return reply(request, OutcomeKind::request_too_large);
    if (!text) co_return std::unexpected(text.error());
    auto framed = frame(request, how, *text);
    if (!framed) co_return refuse(request, framed.error().message);
    request.body = CO_TRY(body_of(request, *std::move(framed)));
  }
  call(request, method);
  auto rest = next(request);
  const Response response = CO_TRY(co_await rest);
  auto answering = answer(request, response, how);
  co_return co_await answering;
}

Result<std::string> GrpcJsonFilter::frame(const Request& request, const Transcoding& how, std::string_view body) {
  constexpr auto kFirst = transcoding::Call::Place::first;
  std::string out;
  begin_frame(out);
  if (how.call.method().takes_raw) {
    const auto type = request.headers.get(Known::content_type).value_or("");
    TRY(how.call.append_raw({.content_type = std::string(type), .data = std::string(body)}, kFirst, out));
  } else {
    TRY(how.call.append_message(body, kFirst, out));
  }
  finish_frame(out, 0);
  return out;
}

Response GrpcJsonFilter::refuse(Request& request, std::string_view why) const {
  counters_.refused->add();
  return local_reply(request, 400, request.arena.copy(why), kDetails);
}

// Its own answers the client still gets in plain HTTP, so it is no request of gRPC to the gateway.
void GrpcJsonFilter::call(Request& request, const transcoding::Method& method) const {
  ask_for(request, method);
  request.headers.set(Known::content_type, grpc::kContentType);
  request.headers.remove(Known::content_length);
  request.headers.set("grpc-accept-encoding", "identity");
  request.accepts_trailers = true;
  request.expects_continue = false;  // servers of gRPC are not asked
  request.headers.remove(Known::expect);
  if (!terms_.keep_route) request.choose_route_again();
}

// --- responses ---------------------------------------------------------------------------------------------------

// What is no gRPC is for the client to understand: it is the gateway's own, or that of a server that speaks none.
Task<Response> GrpcJsonFilter::answer(Request& request, Response response, const Transcoding& how) const {
  if (response.status != 200 || response.tunnel || !grpc::is_grpc(*response.headers)) co_return response;
  const transcoding::Method& method = how.call.method();
  response.headers->remove(Known::content_length);
  if (response.body.empty()) co_return finish(request, response, how, {.said = response.headers, .message = {}});

  BodyReader& reader = *response.body.reader;
  Frames& frames = *request.arena.make<Frames>(request.body_buffer_bytes_max, request.body_budget);
  std::optional<std::string_view> message;
  if (!method.server_streaming || method.gives_raw) {
    for (;;) {
      message = CO_TRY(frames.next());
      if (message || CO_TRY(frames.ended())) break;
      auto reading = reader.read();
      frames.feed(CO_TRY(co_await reading));
    }
  }
  if (method.server_streaming && (message || !method.gives_raw)) {
    Shown first{.type = kJson};
    if (message) {
      auto shown = show(request, how, *message);
      if (!shown) co_return reply(request, OutcomeKind::response_invalid);
      first = *std::move(shown);
    }
    response.headers->remove(Known::content_type);
    if (!first.type.empty()) response.headers->set(Known::content_type, first.type);
    response.body = {
        request.arena.make<StreamedResponse>(reader, how, frames, std::move(first.text), request.body_budget),
        std::nullopt};
    co_return response;
  }
  std::optional<std::string> kept;
  if (message) kept = *message;
  while (!CO_TRY(frames.ended())) {
    const auto another = CO_TRY(frames.next());
    if (another) co_return reply(request, OutcomeKind::response_invalid);
    if (CO_TRY(frames.ended())) break;
    auto reading = reader.read();
    frames.feed(CO_TRY(co_await reading));
  }
  co_return finish(request, response, how, {.said = reader.trailers(), .message = kept});
}

Result<Response> GrpcJsonFilter::finish(Request& request, Response response, const Transcoding& how,
                                        const End& end) const {
  const transcoding::Method& method = how.call.method();
  Headers& headers = *response.headers;
  const auto status = end.said ? grpc::status_in(*end.said) : std::nullopt;
  headers.remove("trailer");
  headers.remove(Known::content_type);
  response.body = {};
  if (!status) {
    response.status = 503;  // as Envoy has it
    headers.set(Known::content_length, "0");
    return response;
  }
  request.info.grpc_status = status;
  response.status = grpc::http_status_of(*status);
  Shown shown;
  bool converted = false;
  if (end.message) {
    auto made = show(request, how, *end.message);
    if (!made) return reply(request, OutcomeKind::response_invalid);
    shown = *std::move(made);
  } else if (*status == 0) {
    // One that succeeds has a message (gRPC over HTTP2, "Responses"), but for a stream of none.
    if (!method.server_streaming) return reply(request, OutcomeKind::response_invalid);
    if (!method.gives_raw) shown = {.type = kJson, .text = "[]"};
  } else if (auto json = terms_.convert_status ? status_json(*end.said, *status, how) : std::nullopt) {
    shown = {.type = kJson, .text = *std::move(json)};
    converted = true;
  }
  for (const std::string_view name : {grpc::kStatusField, grpc::kMessageField}) {
    if (converted)
      headers.remove(name);
    else
      copy_field(request, name, *end.said, headers);
  }
  if (converted) headers.remove(kDetailsField);
  if (!shown.type.empty()) headers.set(Known::content_type, shown.type);
  headers.set(Known::content_length, request.arena.copy(fmt::to_string(shown.text.size())));
  if (!shown.text.empty()) response.body = TRY(body_of(request, std::move(shown.text)));
  return response;
}

Result<GrpcJsonFilter::Shown> GrpcJsonFilter::show(Request& request, const Transcoding& how, std::string_view message) {
  Shown shown{.type = kJson};
  if (!how.call.method().gives_raw) {
    TRY(how.call.append_json(message, shown.text));
    return shown;
  }
  auto raw = TRY(how.call.raw(message));
  if (!valid_header_value(raw.content_type)) return invalid("the content type is none");
  return Shown{.type = request.arena.copy(raw.content_type), .text = std::move(raw.data)};
}

// Details of a type that the set has not are left out.
std::optional<std::string> GrpcJsonFilter::status_json(const Headers& said, uint64_t status, const Transcoding& how) {
  if (const auto details = said.get(kDetailsField))
    if (const auto bytes = binary_field(*details))
      if (auto json = how.transcoder->status_json(*bytes)) return json;
  return how.transcoder->status_json(status, grpc::decode_message(said.get(grpc::kMessageField).value_or("")));
}

}  // namespace sluice::grpc_json

namespace sluice {

const FilterFactory& grpc_json_filter() {
  static const grpc_json::Factory factory;
  return factory;
}

}  // namespace sluice
