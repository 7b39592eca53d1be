#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <random>

#include "filters/transformation/filter.h"

namespace sluice {
namespace transformation {
namespace {

const Labels kLabels = {{"envoy_http_conn_manager_prefix", "http"}};

constexpr MetricFamily kRequestHeaders{.name = "envoy_http_transformation_request_header_transformations",
                                       .help = "Requests transformed without reading a body."};
constexpr MetricFamily kRequestBodies{.name = "envoy_http_transformation_request_body_transformations",
                                      .help = "Requests transformed after reading their body."};
constexpr MetricFamily kRequestErrors{.name = "envoy_http_transformation_request_error",
                                      .help = "Requests answered with 400 or 413 because their transformation failed."};
constexpr MetricFamily kResponseHeaders{.name = "envoy_http_transformation_response_header_transformations",
                                        .help = "Responses transformed without reading a body."};
constexpr MetricFamily kResponseBodies{.name = "envoy_http_transformation_response_body_transformations",
                                       .help = "Responses transformed after reading their body."};
constexpr MetricFamily kResponseErrors{.name = "envoy_http_transformation_response_error",
                                       .help = "Responses turned into 400 or 413 because their transformation failed."};

constexpr MetricFamily kLimit{
    .name = "sluice_transformation_limit_total",
    .help = "Messages answered with 500 because a template or an extractor reached a bound on its work or output."};

std::atomic<unsigned> environments_read{0};

std::shared_ptr<const templates::Environment> capture_environment() {
  ++environments_read;
  auto captured = std::make_shared<templates::Environment>();
  for (char** entry = environ; *entry; ++entry) {
    const std::string_view text = *entry;
    const size_t equals = text.find('=');
    if (equals != std::string_view::npos && equals > 0)
      (*captured)[std::string(text.substr(0, equals))] = text.substr(equals + 1);
  }
  return captured;
}

std::array<uint8_t, 16> random_seed() {
  std::random_device source;
  std::array<uint8_t, 16> seed;
  for (uint8_t& byte : seed) byte = static_cast<uint8_t>(source());
  return seed;
}

// What all transformations of this process share; read when the first is made, as most routes have none.
struct Origin {
  std::shared_ptr<const templates::Environment> environment = capture_environment();
  std::array<uint8_t, 16> random_seed = transformation::random_seed();
};
const Origin& origin() {
  static const Origin shared;
  return shared;
}

// Whether it does anything. An entry that does nothing does not shadow later ones.
bool is_rule(const RequestTransform& options) {
  return options.request_transformation || options.response_transformation;
}
bool is_rule(const ResponseTransform& options) {
  return options.response_transformation.has_value();
}

// One stage of one level, and the level's defaults for it.
struct StageOfLevel {
  const StageOptions& options;
  bool escape_characters;
  bool log;

  bool has_rules() const {
    return std::ranges::any_of(options.request_transforms, [](const auto& entry) { return is_rule(entry); }) ||
           std::ranges::any_of(options.response_transforms, [](const auto& entry) { return is_rule(entry); });
  }
};

// Makes the rules of one stage out of the levels' options.
class RuleMaker {
 public:
  explicit RuleMaker(const StageOfLevel& level) {
    defaults_.escape_characters = level.escape_characters;
    defaults_.log = level.log;
    defaults_.environment = origin().environment;
    defaults_.random_seed = origin().random_seed;
  }

  Status add(const StageOptions& stage, Rules& rules) {
    for (const RequestTransform& options : stage.request_transforms) TRY(add(options, rules));
    for (const ResponseTransform& options : stage.response_transforms) TRY(add(options, rules));
    return {};
  }

 private:
  Status add(const RequestTransform& options, Rules& rules) {
    if (!is_rule(options)) return {};
    RequestRule rule;
    rule.clear_route_cache = options.clear_route_cache;
    if (options.matcher) rule.match = TRY(RequestMatcher::compile(*options.matcher));
    rule.on_request = TRY(compile(options.request_transformation, Direction::request));
    rule.on_response = TRY(compile(options.response_transformation, Direction::response));
    rules.requests.push_back(std::move(rule));
    return {};
  }

  Status add(const ResponseTransform& options, Rules& rules) {
    if (!is_rule(options)) return {};
    ResponseRule rule;
    rule.details = options.response_code_details;
    for (const auto& matcher : options.matchers) rule.matches.push_back(TRY(HeaderCondition::compile(matcher)));
    rule.on_response = TRY(compile(options.response_transformation, Direction::response));
    rules.responses.push_back(std::move(rule));
    return {};
  }

  Result<SharedTransformation> compile(const std::optional<TransformationOptions>& options, Direction direction) {
    if (!options) return nullptr;
    defaults_.direction = direction;
    return Transformation::compile(*options, defaults_);
  }

  CompileDefaults defaults_;
};

// The levels whose transforms count, the most specific first (gloo-policies 2.2).
using Levels = std::vector<const StagedTransformations*>;
Levels levels(const FilterBuild& build) {
  Levels found;
  for (const OptionSet* level : {build.route, build.virtual_host}) {
    const auto* options = level ? level->get<StagedTransformations>("stagedTransformations") : nullptr;
    if (!options) continue;
    found.push_back(options);
    if (!options->inherit_transformation) break;
  }
  return found;
}

class Factory final : public FilterFactory {
 public:
  std::string_view name() const override { return "transformation"; }
  std::vector<Stage> stages() const override { return {Stage::early_transformation, Stage::regular_transformation}; }

  std::vector<OptionField> option_fields() const override {
    return {option_field<StagedTransformations>("stagedTransformations", OptionLevel::virtual_host | OptionLevel::route,
                                                "Changes requests and responses by templates.")};
  }

  std::vector<MetricFamily> metrics() const override {
    return {kRequestHeaders, kRequestBodies,  kRequestErrors, kResponseHeaders,
            kResponseBodies, kResponseErrors, kLimit};
  }

  Result<std::vector<StagedFilter>> build(const FilterBuild& build) const override {
    std::vector<StagedFilter> filters;
    const Levels found = levels(build);
    TRY(add(filters, Stage::early_transformation, &StagedTransformations::early, found, build));
    TRY(add(filters, Stage::regular_transformation, &StagedTransformations::regular, found, build));
    return filters;
  }

 private:
  using StageOf = std::optional<StageOptions> StagedTransformations::*;

  static Status add(std::vector<StagedFilter>& filters, Stage stage, StageOf of, const Levels& found,
                    const FilterBuild& build) {
    std::vector<StageOfLevel> parts;
    for (const StagedTransformations* level : found)
      if (const auto& options = level->*of)
        parts.push_back(
            {*options, level->escape_characters.value_or(false), level->log_request_response_info.value_or(false)});
    if (std::ranges::none_of(parts, &StageOfLevel::has_rules)) return {};
    // Compiled only where there is no such filter yet: a virtual host's counts for each of its routes.
    const auto make = [&]() -> Result<std::shared_ptr<TransformationFilter>> {
      Rules rules;
      for (const StageOfLevel& part : parts) TRY(RuleMaker(part).add(part.options, rules));
      return std::make_shared<TransformationFilter>(std::move(rules), Counters(*build.metrics));
    };
    filters.push_back({stage, TRY(build.try_share<TransformationFilter>("transformation", written(parts), make))});
    return {};
  }

  // What the filter is made from; empty where a part has no text.
  static std::string written(const std::vector<StageOfLevel>& parts) {
    std::string all;
    for (const StageOfLevel& part : parts) {
      if (part.options.written.empty()) return {};
      all += fmt::format("{} {} {};", part.escape_characters, part.log, part.options.written);
    }
    return all;
  }
};

}  // namespace

unsigned environments_read_count() {
  return environments_read.load();
}

Counters::Counters(Metrics& metrics)
    : request_header_transformations(metrics.metric(kRequestHeaders, kLabels)),
      request_body_transformations(metrics.metric(kRequestBodies, kLabels)),
      request_error(metrics.metric(kRequestErrors, kLabels)),
      response_header_transformations(metrics.metric(kResponseHeaders, kLabels)),
      response_body_transformations(metrics.metric(kResponseBodies, kLabels)),
      response_error(metrics.metric(kResponseErrors, kLabels)),
      limit(metrics.metric(kLimit)) {}

}  // namespace transformation

const FilterFactory& transformation_filter() {
  static const transformation::Factory factory;
  return factory;
}

}  // namespace sluice
