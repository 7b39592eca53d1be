#include "engines/transcoding/transcoder.h"

#include <google/protobuf/text_format.h>

#include <algorithm>
#include <ranges>

#include "base/encoding.h"
#include "base/strings.h"
#include "engines/transcoding/http_rule.h"
#include "engines/transcoding/schema.h"

namespace sluice::transcoding {

namespace pb = google::protobuf;

namespace {

constexpr std::string_view kHttpBody = "google.api.HttpBody";
constexpr int kContentType = 1, kData = 2;  // its fields

Result<FieldPath> resolve(const pb::Descriptor& message, std::span<const std::string_view> names,
                          std::string_view whole) {
  auto path = Schema::field_path(message, names);
  if (!path) return invalid(message.full_name() + " has no field " + std::string(whole));
  return *std::move(path);
}

// Of a rule's `body` or `response_body`.
Result<FieldPath> resolve_body(const pb::Descriptor& message, std::string_view field) {
  if (field.empty() || field == "*") return FieldPath{};
  return resolve(message, split(field, '.'), field);
}

bool is_text(const pb::FieldDescriptor* field) {
  return field && !field->is_repeated() && field->cpp_type() == pb::FieldDescriptor::CPPTYPE_STRING;
}

// By its name; and as google/api/httpbody.proto has it, which the set may not.
bool is_http_body(const pb::Descriptor& message, const FieldPath& field) {
  const pb::Descriptor* type = &message;
  if (!field.empty()) type = field.back()->is_repeated() ? nullptr : field.back()->message_type();
  return type && type->full_name() == kHttpBody && is_text(type->FindFieldByNumber(kContentType)) &&
         is_text(type->FindFieldByNumber(kData));
}

Result<Rule> make_rule(const pb::MethodDescriptor& method, const HttpRule& http) {
  const pb::Descriptor& input = *method.input_type();
  const pb::Descriptor& output = *method.output_type();
  Rule rule{.descriptor = &method, .path = TRY(PathTemplate::parse(http.path))};
  for (const TemplateVariable& variable : rule.path.variables) {
    const std::vector<std::string_view> names(variable.field_path.begin(), variable.field_path.end());
    rule.variables.push_back(TRY(resolve(input, names, names.back())));
    if (rule.variables.back().back()->is_repeated())
      return invalid("the path binds " + rule.variables.back().back()->full_name() + ", which is repeated");
  }
  rule.body = TRY(resolve_body(input, http.body));
  rule.response_body = TRY(resolve_body(output, http.response_body));
  rule.method = {.path = "/" + method.service()->full_name() + "/" + method.name(),
                 .client_streaming = method.client_streaming(),
                 .server_streaming = method.server_streaming(),
                 .takes_raw = is_http_body(input, rule.body),
                 .gives_raw = is_http_body(output, rule.response_body)};
  if (!rule.response_body.empty() && !rule.method.gives_raw)
    return invalid("response_body that is no google.api.HttpBody is not supported yet");
  return rule;
}

}  // namespace

// --- the table ---------------------------------------------------------------------------------------------------

Transcoder::Transcoder(Options options) : options_(std::move(options)), schema_(std::make_unique<Schema>()) {
  schema_->print = options_.print;
}
Transcoder::~Transcoder() = default;

Result<std::shared_ptr<Transcoder>> Transcoder::create(std::string_view descriptor_set, Options options) {
  std::shared_ptr<Transcoder> made(new Transcoder(std::move(options)));
  TRY(made->schema_->read(descriptor_set));
  if (made->options_.convert_status) TRY(made->schema_->add_status());
  TRY(made->add_services());
  return made;
}

Status Transcoder::add_services() {
  for (const std::string& name : options_.services) {
    const pb::ServiceDescriptor* service = schema_->service(name);
    if (!service) return invalid("the set has no service '" + name + "'" + schema_->services_like(name));
    for (int i = 0; i < service->method_count(); ++i) {
      const pb::MethodDescriptor& method = *service->method(i);
      std::vector<HttpRule> rules = TRY(http_rules_of(method));
      if (rules.empty() && options_.auto_mapping)
        rules.push_back({.method = "POST", .path = "/" + name + "/" + method.name(), .body = "*"});
      for (const HttpRule& http : rules) {
        auto rule = make_rule(method, http);
        if (!rule) return invalid(method.full_name() + ": " + rule.error().message);
        if (!schema_->tree.add(http.method, rule->path, schema_->rules.size()))
          warnings_.push_back(method.full_name() + ": another method has " + http.method + " " + http.path +
                              " as well: such requests are not transcoded");
        schema_->rules.push_back(*std::move(rule));
      }
    }
  }
  return {};
}

std::optional<Call> Transcoder::find(std::string_view method, std::string_view path) const {
  const size_t query = path.find('?');
  const auto found = schema_->tree.find(method, path.substr(0, query));
  if (!found) return std::nullopt;
  const Rule& rule = schema_->rules[found->rule];
  Call call(*schema_, rule);
  for (size_t i = 0; i < rule.variables.size(); ++i)
    call.bindings_.push_back({rule.variables[i], value_of(rule.path.variables[i], rule.path, found->segments)});
  call.of_path_ = call.bindings_.size();
  if (query != std::string_view::npos && !call.bind_query(path.substr(query + 1), options_)) return std::nullopt;
  if (rule.method.takes_raw) call.leave_raw_body_alone();
  return call;
}

std::optional<std::string> Transcoder::status_json(std::string_view status_message) const {
  std::string out;
  if (!schema_->append_json(*schema_->status(), status_message, out)) return std::nullopt;
  return out;
}

std::optional<std::string> Transcoder::status_json(uint64_t code, std::string_view message) const {
  std::string json = R"({"code":)" + std::to_string(code) + R"(,"message":)";
  append_json_quoted(json, message);
  std::string bytes;
  if (!schema_->append_message(schema_->status()->full_name(), json + "}", Schema::Unknown::refused, bytes))
    return std::nullopt;
  return status_json(bytes);
}

// --- requests ----------------------------------------------------------------------------------------------------

const Method& Call::method() const {
  return rule_->method;
}

// Parameters without a name or without '=' say nothing, as in Envoy.
bool Call::bind_query(std::string_view query, const Options& options) {
  for (const std::string_view parameter : split(query, '&')) {
    if (bindings_.size() > kBindingsMax) return true;  // check_bound() says so
    const size_t equals = parameter.find('=');
    if (equals == 0 || equals == std::string_view::npos) continue;
    const std::string_view name = parameter.substr(0, equals);
    if (std::ranges::find(options.ignored_query_parameters, name) != options.ignored_query_parameters.end()) continue;
    auto path = Schema::field_path(*rule_->descriptor->input_type(), split(name, '.'));
    if (path)
      bindings_.push_back({*std::move(path), percent_decode_some(parameter.substr(equals + 1))});
    else if (!options.ignore_unknown_query_parameters)
      return false;
  }
  return true;
}

// All as texts: protobuf's JSON reads numbers, booleans, enums and the well-known types from them.
void Call::write_json(std::span<const Binding* const> bindings, size_t depth, std::string& out) {
  std::vector<const pb::FieldDescriptor*> written;
  out += '{';
  for (size_t i = 0; i < bindings.size(); ++i) {
    const pb::FieldDescriptor* field = bindings[i]->path[depth];
    if (std::ranges::find(written, field) != written.end()) continue;
    if (!written.empty()) out += ',';
    written.push_back(field);
    append_json_quoted(out, field->name());
    out += ':';
    std::vector<const Binding*> whole, inner;
    for (const Binding* binding : bindings.subspan(i))
      if (binding->path[depth] == field) (binding->path.size() == depth + 1 ? whole : inner).push_back(binding);
    if (!inner.empty()) {
      write_json(inner, depth + 1, out);
    } else if (!field->is_repeated()) {
      append_json_quoted(out, whole.back()->value);
    } else {
      for (size_t j = 0; j < whole.size(); ++j) {
        out += j == 0 ? '[' : ',';
        append_json_quoted(out, whole[j]->value);
      }
      out += ']';
    }
  }
  out += '}';
}

// What the path says must hold: whoever let the request through has looked at it.
Status Call::check_bound() const {
  if (bindings_.size() > kBindingsMax) return invalid("the query has too many parameters");
  for (size_t i = 0; i < bindings_.size(); ++i) {
    const Binding& one = bindings_[i];
    const std::string& name = one.path.back()->name();
    if (!valid_utf8(one.value)) return invalid("the value of '" + name + "' is no UTF-8");
    for (size_t j = 0; j < i; ++j) {
      const Binding& other = bindings_[j];
      const size_t common = std::min(one.path.size(), other.path.size());
      if (!std::ranges::equal(std::span(one.path).first(common), std::span(other.path).first(common))) continue;
      if (one.path.size() != other.path.size())
        return invalid("the query gives '" + name + "' as a whole and in parts");
      if (j < of_path_ && one.value != other.value)
        return invalid("the query gives '" + name + "' another value than the path");
    }
  }
  return {};
}

Status Call::append_bound(std::string& out) const {
  if (bindings_.empty()) return {};
  TRY(check_bound());
  std::vector<const Binding*> all;
  all.reserve(bindings_.size());
  for (const Binding& binding : bindings_) all.push_back(&binding);
  std::string json;
  write_json(all, 0, json);
  return schema_->append_message(rule_->descriptor->input_type()->full_name(), json, Schema::Unknown::refused, out);
}

// Bytes that are passed on are not to be spoken of in the query.
void Call::leave_raw_body_alone() {
  const FieldPath& body = rule_->body;
  std::erase_if(bindings_, [&body](const Binding& binding) {
    return binding.path.size() >= body.size() && std::ranges::equal(std::span(binding.path).first(body.size()), body);
  });
}

Status Call::append_message(std::string_view json, Place place, std::string& out) const {
  const size_t at = out.size();
  if (!json.empty()) TRY(append_body(json, out));
  if (place == Place::later) return {};
  std::string bound;
  TRY(append_bound(bound));
  if (!json.empty() && !bound.empty()) TRY(check_conflicts(std::string_view(out).substr(at), bound));
  // Messages one behind the other are one message.
  out += bound;
  return {};
}

Status Call::append_body(std::string_view json, std::string& out) const {
  const std::string& type = rule_->descriptor->input_type()->full_name();
  if (rule_->body.empty()) return schema_->append_message(type, json, Schema::Unknown::ignored, out);
  // Else what stands behind it would become fields of the message.
  TRY(Schema::check_one_value(json));
  std::string wrapped;
  for (const pb::FieldDescriptor* field : rule_->body) {
    wrapped += '{';
    append_json_quoted(wrapped, field->name());
    wrapped += ':';
  }
  wrapped += json;
  wrapped.append(rule_->body.size(), '}');
  return schema_->append_message(type, wrapped, Schema::Unknown::ignored, out);
}

// As Envoy has it for single fields. A default value that has no presence cannot be told from none: the path's holds.
Status Call::check_conflicts(std::string_view body, std::string_view bound) const {
  const pb::Descriptor& type = *rule_->descriptor->input_type();
  const auto from_body = schema_->parse(type, body), from_bound = schema_->parse(type, bound);
  if (!from_body || !from_bound) return invalid("the message cannot be read");
  for (const Binding& binding : bindings_) {
    const pb::FieldDescriptor& field = *binding.path.back();
    if (field.is_repeated()) continue;
    const auto value_in = [&](const pb::Message& root) -> std::optional<std::string> {
      const pb::Message* message = &root;
      for (const pb::FieldDescriptor* step : std::span(binding.path).first(binding.path.size() - 1))
        message = &message->GetReflection()->GetMessage(*message, step);
      if (!message->GetReflection()->HasField(*message, &field)) return std::nullopt;
      std::string text;
      pb::TextFormat::PrintFieldValueToString(*message, &field, -1, &text);
      return text;
    };
    const auto in_body = value_in(*from_body);
    if (in_body && in_body != value_in(*from_bound))
      return invalid("the body gives '" + field.name() + "' another value than the path or the query");
  }
  return {};
}

// --- bodies that are bytes ---------------------------------------------------------------------------------------

namespace {

void append_varint(std::string& out, uint64_t value) {
  for (; value >= 0x80; value >>= 7) out += static_cast<char>(value | 0x80);
  out += static_cast<char>(value);
}

// A field of wire type LEN (Protocol Buffers, "Encoding").
void append_field(std::string& out, int number, std::string_view bytes) {
  append_varint(out, static_cast<uint64_t>(number) << 3 | 2);
  append_varint(out, bytes.size());
  out += bytes;
}

}  // namespace

Status Call::append_raw(const RawBody& body, Place place, std::string& out) const {
  std::string message;
  if (!body.content_type.empty()) append_field(message, kContentType, body.content_type);
  append_field(message, kData, body.data);
  for (const pb::FieldDescriptor* field : rule_->body | std::views::reverse) {
    std::string outer;
    append_field(outer, field->number(), message);
    message = std::move(outer);
  }
  out += message;
  return place == Place::first ? append_bound(out) : Status();
}

Result<RawBody> Call::raw(std::string_view message) const {
  const auto root = schema_->parse(*rule_->descriptor->output_type(), message);
  if (!root) return invalid("the message is no " + rule_->descriptor->output_type()->full_name());
  const pb::Message* body = root.get();
  for (const pb::FieldDescriptor* field : rule_->response_body) body = &body->GetReflection()->GetMessage(*body, field);
  const auto text = [body](int number) {
    return body->GetReflection()->GetString(*body, body->GetDescriptor()->FindFieldByNumber(number));
  };
  return RawBody{text(kContentType), text(kData)};
}

Status Call::append_json(std::string_view message, std::string& out) const {
  return schema_->append_json(*rule_->descriptor->output_type(), message, out);
}

}  // namespace sluice::transcoding
