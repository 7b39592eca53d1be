#include "filters/grpc_web/filter.h"

#include "filters/grpc_web/web_body.h"

namespace sluice::grpc_web {
namespace {

constexpr MetricFamily kRequests{"sluice_grpc_web_requests_total", "Requests of gRPC-Web that were translated."};

constexpr std::string_view kWeb = "application/grpc-web";
constexpr std::string_view kText = "application/grpc-web-text";

enum class Form : uint8_t { none, bytes, text };

// What stands behind it: "+proto", or parameters.
Form form_of(std::string_view type) {
  if (!type.starts_with(kWeb)) [[likely]]
    return Form::none;
  const bool text = type.starts_with(kText);
  const std::string_view rest = type.substr(text ? kText.size() : kWeb.size());
  if (!rest.empty() && rest.front() != '+' && rest.front() != ';') return Form::none;
  return text ? Form::text : Form::bytes;
}

std::span<char> buffer_of(Request& request) {
  return {static_cast<char*>(request.arena.allocate(kBufferBytes, 1)), kBufferBytes};
}

std::string_view type_of(Form form) {
  return form == Form::text ? "application/grpc-web-text+proto" : "application/grpc-web+proto";
}

// As gRPC from here on, for upstreams; the gateway's own answers are those of gRPC in the form that is wanted.
void translate(Request& request, Form form, Form wanted) {
  request.grpc = true;
  request.grpc_type = type_of(wanted);
  request.accepts_trailers = true;
  request.headers.set(Known::content_type, grpc::kContentType);
  request.headers.set("grpc-accept-encoding", "identity,deflate,gzip");
  if (form != Form::text || request.body.empty()) return;
  request.headers.remove(Known::content_length);
  request.body = {request.arena.make<DecodedBody>(*request.body.reader, buffer_of(request)), std::nullopt};
}

// An answer that has its status in its head stays so; one that is no gRPC is for its client to understand.
Response translated(Request& request, Form form, Response response) {
  if (!grpc::is_grpc(*response.headers)) return response;
  response.headers->set(Known::content_type, type_of(form));
  if (response.body.empty()) return response;
  response.headers->remove(Known::content_length);
  const std::span<char> buffer = form == Form::text ? buffer_of(request) : std::span<char>();
  response.body = {request.arena.make<WebBody>(request, *response.body.reader, buffer), std::nullopt};
  return response;
}

Task<Response> handle_web(Request& request, Next next, Form form) {
  // What it wants to get may differ from what it sends.
  const auto accept = request.headers.get("accept");
  const Form accepted = accept ? form_of(*accept) : Form::none;
  const Form wanted = accepted == Form::none ? form : accepted;
  translate(request, form, wanted);
  auto rest = next(request);
  Response response = CO_TRY(co_await rest);
  co_return translated(request, wanted, std::move(response));
}

class Factory final : public FilterFactory {
 public:
  std::string_view name() const override { return "grpc_web"; }
  std::vector<Stage> stages() const override { return {Stage::grpc_web}; }
  std::vector<OptionField> option_fields() const override {
    return {option_field<Options>("grpcWeb", OptionLevel::listener,
                                  "gRPC-Web of browsers is translated to gRPC, unless this says no.")};
  }

  Result<std::vector<StagedFilter>> build(const FilterBuild& build) const override {
    const auto* options = build.listener ? build.listener->get<Options>("grpcWeb") : nullptr;
    if (options && options->disable) return std::vector<StagedFilter>{};
    const auto make = [&] { return std::make_shared<GrpcWebFilter>(*build.metrics->metric(kRequests)); };
    return std::vector<StagedFilter>{{Stage::grpc_web, build.share<GrpcWebFilter>("gRPC-Web", "on", make)}};
  }
  std::vector<MetricFamily> metrics() const override { return {kRequests}; }
};

}  // namespace

void bind(Fields& f, Options& o) {
  f.optional("disable", o.disable, "Requests of gRPC-Web go on as they came.");
}

Task<Response> GrpcWebFilter::handle(Request& request, Next next) const {
  const auto type = request.headers.get(Known::content_type);
  const Form form = type ? form_of(*type) : Form::none;
  if (form == Form::none) [[likely]]
    return next(request);
  requests_.add();
  return handle_web(request, next, form);
}

}  // namespace sluice::grpc_web

namespace sluice {

const FilterFactory& grpc_web_filter() {
  static const grpc_web::Factory factory;
  return factory;
}

}  // namespace sluice
