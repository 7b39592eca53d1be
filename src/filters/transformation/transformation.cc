#include "filters/transformation/transformation.h"

#include "base/header_names.h"
#include "base/strings.h"
#include "filters/transformation/message_input.h"
#include "http/path.h"
#include "http/target.h"

namespace sluice::transformation {
namespace {

constexpr std::string_view kDefaultNamespace = "io.solo.transformation";

bool one_of(std::string_view name, std::initializer_list<std::string_view> names) {
  return std::ranges::find(names, name) != names.end();
}

// A template's result is not to smuggle a second header, request or status line into the message.
std::unexpected<Error> bad_value(std::string_view name, std::string_view value) {
  return invalid(fmt::format("header '{}' cannot have the value '{}'", name, printable(value)));
}

}  // namespace

std::optional<std::string> header_problem(std::string_view given, Direction direction, HeaderUse use) {
  const std::string name = to_lower(given);
  if (name.starts_with(':')) {
    const bool known = direction == Direction::request ? one_of(name, {":method", ":path", ":authority", ":scheme"})
                                                       : name == ":status";
    if (!known) {
      return fmt::format("'{}' is no pseudo header of a {}; there {}", printable(given),
                         direction == Direction::request ? "request" : "response",
                         direction == Direction::request ? "are :method, :path, :authority, :scheme" : "is :status");
    }
    if (use != HeaderUse::set) return fmt::format("'{}' can only be set, by `headers`", name);
    return std::nullopt;
  }
  if (std::string error = header_change_error(name); !error.empty()) return error;
  if (name == "host" && direction == Direction::request && use != HeaderUse::set) {
    return "'host' can only be set, by `headers`";
  }
  return std::nullopt;
}

templates::Extraction extraction(const ExtractorOptions& options) {
  return {.regex = options.regex,
          .subgroup = options.subgroup,
          .mode = static_cast<templates::ExtractionMode>(options.mode),
          .replacement = options.replacement_text};
}

// --- compiling ---

class Transformation::Compiler {
 public:
  Compiler(const TransformationTemplate& options, const CompileDefaults& defaults)
      : options_(options), direction_(defaults.direction) {
    for (const auto& [name, extractor] : options.extractors) names_.push_back(name);
    template_options_ = {.advanced = options.advanced_templates,
                         .escape_characters = options.escape_characters.value_or(defaults.escape_characters),
                         .extractors = names_,
                         .environment = defaults.environment,
                         .random_seed = defaults.random_seed};
  }

  Result<std::shared_ptr<Transformation>> run() {
    auto made = std::shared_ptr<Transformation>(new Transformation());
    Transformation& t = *made;
    t.advanced_ = options_.advanced_templates;
    t.passthrough_ = options_.passthrough.has_value();
    t.merge_extractors_ = options_.merge_extractors_to_body.has_value();
    t.merge_keys_ = options_.merge_json_keys.has_value();
    t.parse_ = options_.parse_body_behavior == ParseBody::as_json && !t.passthrough_;
    t.ignore_parse_errors_ = options_.ignore_error_on_parse;
    TRY(extractors(t));
    TRY(headers(t));
    TRY(body(t));
    for (const MetadataValue& value : options_.dynamic_metadata_values) {
      const std::string name_space =
          value.metadata_namespace.empty() ? std::string(kDefaultNamespace) : value.metadata_namespace;
      t.metadata_.push_back({name_space, value.key, TRY(compile(value.value)), value.json_to_proto});
    }
    t.reads_json_ = reads_json_ || t.merge_extractors_ || t.merge_keys_;
    const bool changes_body = t.body_ || t.merge_extractors_ || t.merge_keys_;
    t.needs_body_ = !t.passthrough_ && (t.parse_ || changes_body || reads_body_);
    return made;
  }

 private:
  Result<templates::Template> compile(const TemplateOptions& options) {
    auto compiled = TRY(templates::Template::compile(options.text, template_options_));
    reads_body_ |= compiled.reads_body();
    reads_json_ |= compiled.reads_json();
    return compiled;
  }

  Result<std::string> header(std::string_view name, HeaderUse use) const {
    if (auto problem = header_problem(name, direction_, use)) return invalid(*std::move(problem));
    return to_lower(name);
  }

  Status extractors(Transformation& t) {
    for (const auto& [name, options] : options_.extractors) {
      templates::Path path;
      for (const std::string_view part : split(name, '.')) path.emplace_back(part);
      reads_body_ |= options.body.has_value();
      t.extractors_.push_back({name, std::move(path), to_lower(options.header.value_or("")),
                               TRY(templates::Extractor::compile(extraction(options)))});
    }
    return {};
  }

  Status headers(Transformation& t) {
    for (const auto& [name, value] : options_.headers)
      t.headers_.push_back({TRY(header(name, HeaderUse::set)), TRY(compile(value))});
    for (const HeaderToAppend& h : options_.headers_to_append) {
      t.headers_to_append_.push_back({TRY(header(h.key, HeaderUse::append)), TRY(compile(h.value))});
    }
    for (const std::string& name : options_.headers_to_remove)
      t.headers_to_remove_.push_back(TRY(header(name, HeaderUse::remove)));
    return {};
  }

  Status body(Transformation& t) {
    if (options_.body) t.body_ = TRY(compile(*options_.body));
    if (!options_.merge_json_keys) return {};
    for (const auto& [key, value] : options_.merge_json_keys->json_keys) {
      t.json_keys_.push_back({key, TRY(compile(value.tmpl)), value.override_empty});
    }
    return {};
  }

  const TransformationTemplate& options_;
  Direction direction_;
  std::vector<std::string> names_;
  templates::Options template_options_;
  bool reads_body_ = false;
  bool reads_json_ = false;
};

Result<std::shared_ptr<const Transformation>> Transformation::compile(const TransformationOptions& options,
                                                                      const CompileDefaults& defaults) {
  std::shared_ptr<Transformation> made = TRY(Compiler(options.transformation_template, defaults).run());
  made->logs_ = options.log_request_response_info.value_or(defaults.log);
  return made;
}

// --- running ---

namespace {

templates::Allowance allowance_for(size_t body_bytes) {
  constexpr size_t kTimes = 4;
  templates::Limits limits;
  limits.output_bytes_max += kTimes * body_bytes;
  limits.work_max += 4 * kTimes * body_bytes;
  return templates::Allowance(limits);
}

}  // namespace

// The message being changed.
struct Transformation::Message {
  Request& request;
  Response* response;
  std::string_view body;
  MessageInput input;
  // Of all templates and extractors together. A message that is long has more of it, as the templates must copy it.
  templates::Allowance allowance = allowance_for(body.size());
  std::vector<std::string> replaced{};  // what extractors made; reserved, for views into it must stay good

  Headers& headers() { return response ? *response->headers : request.headers; }
  // For what an extractor made.
  Status charge(size_t bytes) {
    if (bytes > allowance.output_left) {
      return fail(ErrorKind::limit,
                  fmt::format("templates and extractors make more than {} bytes", allowance.limits.output_bytes_max));
    }
    allowance.output_left -= bytes;
    return {};
  }
  std::string_view keep(std::string_view text) { return request.arena.copy(text); }
};

Result<std::optional<std::string_view>> Transformation::apply(Request& request, std::string_view body) const {
  Message message{request, nullptr, body, MessageInput(request, nullptr, body)};
  return apply(message);
}

Result<std::optional<std::string_view>> Transformation::apply(Request& request, Response& response,
                                                              std::string_view body) const {
  Message message{request, &response, body, MessageInput(request, &response, body)};
  return apply(message);
}

// The order is Gloo's (gloo-policies 2.3): everything is rendered from the original body; headers see earlier headers.
Result<std::optional<std::string_view>> Transformation::apply(Message& message) const {
  TRY(parse(message));
  TRY(extract(message));
  const std::optional<std::string_view> body = TRY(make_body(message));
  TRY(keep_metadata_values(message));
  TRY(change_headers(message));
  return body;
}

Status Transformation::parse(Message& message) const {
  if (!parse_ || message.body.empty()) return {};
  auto document = templates::parse_json(message.body);
  if (document) {
    message.input.document = *std::move(document);
    message.input.has_document = true;
    return {};
  }
  if (ignore_parse_errors_) return {};
  return invalid(std::move(document).error().message);  // too many levels too: it is the message that is wrong
}

Status Transformation::extract(Message& message) const {
  message.input.extractions.reserve(extractors_.size());
  message.replaced.reserve(extractors_.size());
  for (const NamedExtractor& extractor : extractors_) {
    const auto source = extractor.header.empty() ? message.body : message.input.find_header(extractor.header);
    std::string_view value;
    if (source) value = TRY(extractor.extractor.apply(*source, message.replaced.emplace_back()));
    if (source) TRY(message.charge(message.replaced.back().size()));
    message.input.extractions.push_back(value);
  }
  if (advanced_ || extractors_.empty()) return {};

  // Without advanced templates the values are fields of the JSON. An array or a scalar can have none: an error, also
  // where no template asks.
  templates::Json& document = message.input.document;
  if (!reads_json_ && (document.is_null() || document.is_object())) return {};
  try {
    for (size_t i = 0; i < extractors_.size(); ++i) {
      templates::Json* at = &document;
      for (const std::string& key : extractors_[i].path) at = &(*at)[key];
      *at = std::string(message.input.extractions[i]);
    }
  } catch (const templates::Json::exception& e) {
    return invalid(e.what());
  }
  message.input.has_document = true;
  return {};
}

Result<std::optional<std::string_view>> Transformation::make_body(Message& message) const {
  std::string text;
  if (body_)
    TRY(body_->render(message.input, text, message.allowance));
  else if (merge_extractors_)
    text = TRY(templates::print_json(message.input.document));
  else if (merge_keys_)
    return merge_json_keys(message);
  else
    return std::nullopt;
  return message.keep(text);
}

Result<std::optional<std::string_view>> Transformation::merge_json_keys(Message& message) const {
  for (const JsonKeyTemplate& key : json_keys_) {
    std::string text;
    TRY(key.value.render(message.input, text, message.allowance));
    if (text.empty() && !key.override_empty) continue;
    auto value = TRY(templates::parse_json(text));
    try {
      message.input.document[key.key] = std::move(value);  // later templates see it
      message.input.has_document = true;
    } catch (const templates::Json::exception& e) {
      return invalid(e.what());
    }
  }
  return message.keep(TRY(templates::print_json(message.input.document)));
}

Status Transformation::keep_metadata_values(Message& message) const {
  for (const MetadataTemplate& entry : metadata_) {
    std::string text;
    TRY(entry.value.render(message.input, text, message.allowance));
    if (text.empty()) continue;
    std::string json;
    if (entry.parse) {
      if (const auto value = templates::parse_json(text)) json = TRY(templates::print_json(*value));
    }
    if (json.empty()) json = json_quote(text);
    keep_metadata(message.request, entry.name_space, entry.key, json);
  }
  return {};
}

// What is said here is said nowhere else: not in trailers either.
void Transformation::keep_from_trailers(Message& message) const {
  const auto keep = [&message](std::string_view name) {
    message.response ? message.request.keep_from_response_trailers(name) : message.request.keep_from_trailers(name);
  };
  for (const NamedTemplate& header : headers_) keep(header.name);
  for (const std::string& name : headers_to_remove_) keep(name);
  for (const NamedTemplate& header : headers_to_append_) keep(header.name);
}

Status Transformation::change_headers(Message& message) const {
  keep_from_trailers(message);
  std::string value;
  for (const NamedTemplate& header : headers_) {
    value.clear();
    TRY(header.value.render(message.input, value, message.allowance));
    TRY(set_header(message, header.name, value));
  }
  for (const std::string& name : headers_to_remove_) remove_alike(message.headers(), name);
  for (const NamedTemplate& header : headers_to_append_) {
    value.clear();
    TRY(header.value.render(message.input, value, message.allowance));
    if (value.empty()) continue;
    if (!valid_header_value(value)) return bad_value(header.name, value);
    message.headers().add(header.name, message.keep(value));
  }
  return {};
}

Status Transformation::set_header(Message& message, std::string_view name, std::string_view value) {
  const bool is_authority = !message.response && (name == "host" || name == ":authority");
  if (!name.starts_with(':') && !is_authority) {
    if (value.empty()) return remove_alike(message.headers(), name), Status{};
    if (!valid_header_value(value)) return bad_value(name, value);
    set_alone(message.headers(), name, message.keep(value));
    return {};
  }
  if (name == ":status") {
    const auto status = parse_decimal(value);
    if (!status || *status < 200 || *status > 599) return bad_value(name, value);
    message.response->status = static_cast<uint16_t>(*status);
    return {};
  }
  const bool good = is_authority        ? !value.empty() && valid_host(value)
                    : name == ":path"   ? rewrite_problem(message.request.path, value).empty()
                    : name == ":method" ? valid_header_name(value) && value != "CONNECT"  // both are tokens
                                        : value == "http" || value == "https";
  if (!good) return bad_value(name, value);
  message.request.set_header(name, value);
  return {};
}

}  // namespace sluice::transformation
