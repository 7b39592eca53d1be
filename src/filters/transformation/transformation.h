// One transformation, compiled: what it does to a message whose body is at hand (or not needed).
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "engines/templates/extractor.h"
#include "engines/templates/template.h"
#include "filters/transformation/config.h"
#include "pipeline/message.h"

namespace sluice::transformation {

enum class Direction : uint8_t { request, response };

// What a transformation does to a header, and why it may not: pseudo headers of the other direction, names that are
// none, and the fields that say where a message ends (a template must not move that place).
enum class HeaderUse : uint8_t { set, append, remove };
std::optional<std::string> header_problem(std::string_view name, Direction direction, HeaderUse use);

templates::Extraction extraction(const ExtractorOptions& options);

// What is the same for all transformations of a configuration that is being loaded.
struct CompileDefaults {
  Direction direction = Direction::request;
  bool escape_characters = false;
  bool log = false;
  std::shared_ptr<const templates::Environment> environment;
  std::array<uint8_t, 16> random_seed = {};
};

class Transformation {
 public:
  static Result<std::shared_ptr<const Transformation>> compile(const TransformationOptions& options,
                                                               const CompileDefaults& defaults);

  // Whether a body has to be read, all of it, before apply(). Else it streams.
  bool needs_body() const { return needs_body_; }
  bool passthrough() const { return passthrough_; }
  bool logs() const { return logs_; }

  // Changes headers and metadata; gives the new body (in the arena), or nothing when it stays as it is. The error's
  // message is the exception's text in Gloo, or ErrorKind::limit where a bound of ours was reached. An error may leave
  // some headers changed already.
  Result<std::optional<std::string_view>> apply(Request& request, std::string_view body) const;
  Result<std::optional<std::string_view>> apply(Request& request, Response& response, std::string_view body) const;

 private:
  struct NamedExtractor {
    std::string name;
    templates::Path path;  // where the value goes in the JSON, without advanced templates
    std::string header;    // empty: the body
    templates::Extractor extractor;
  };
  struct NamedTemplate {
    std::string name;
    templates::Template value;
  };
  struct JsonKeyTemplate {
    std::string key;
    templates::Template value;
    bool override_empty;
  };
  struct MetadataTemplate {
    std::string name_space;
    std::string key;
    templates::Template value;
    bool parse;
  };
  struct Message;
  class Compiler;

  Transformation() = default;

  Result<std::optional<std::string_view>> apply(Message& message) const;
  Status parse(Message& message) const;
  Status extract(Message& message) const;
  Result<std::optional<std::string_view>> make_body(Message& message) const;
  Result<std::optional<std::string_view>> merge_json_keys(Message& message) const;
  Status keep_metadata_values(Message& message) const;
  Status change_headers(Message& message) const;
  void keep_from_trailers(Message& message) const;
  static Status set_header(Message& message, std::string_view name, std::string_view value);

  std::vector<NamedExtractor> extractors_;
  std::vector<NamedTemplate> headers_;
  std::vector<NamedTemplate> headers_to_append_;
  std::vector<std::string> headers_to_remove_;
  std::optional<templates::Template> body_;
  std::vector<JsonKeyTemplate> json_keys_;
  std::vector<MetadataTemplate> metadata_;
  bool advanced_ = false;
  bool passthrough_ = false;
  bool merge_extractors_ = false;
  bool merge_keys_ = false;
  bool parse_ = true;
  bool ignore_parse_errors_ = false;
  bool reads_json_ = false;
  bool needs_body_ = true;
  bool logs_ = false;
};

}  // namespace sluice::transformation
