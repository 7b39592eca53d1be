#include <benchmark/benchmark.h>

#include "engines/templates/extractor.h"
#include "engines/templates/template.h"

namespace {

using namespace sluice::templates;

// A message of a dozen headers, asked one after another as a parsed head would be.
struct Message final : Input {
  std::array<std::pair<std::string_view, std::string_view>, 12> headers = {{{"host", "api.mypaas.test"},
                                                                            {"user-agent", "curl/8"},
                                                                            {"accept", "*/*"},
                                                                            {"authorization", "Bearer x"},
                                                                            {"x-a", "1"},
                                                                            {"x-b", "2"},
                                                                            {"x-c", "3"},
                                                                            {"x-d", "4"},
                                                                            {"x-e", "5"},
                                                                            {"x-request-id", "id"},
                                                                            {"x-forwarded-proto", "http"},
                                                                            {"x-mypaas-tenant-id", "tenant-1"}}};

  std::string_view header(std::string_view name) const override {
    for (const auto& [known, value] : headers) {
      if (known == name) return value;
    }
    return {};
  }
  std::string_view request_header(std::string_view name) const override { return header(name); }
  std::string_view extraction(size_t) const override { return "tenant-1"; }
  std::string_view body() const override { return {}; }
  const Json* context() const override { return nullptr; }
  const Json* dynamic_metadata(std::string_view) const override { return nullptr; }
};

void render(benchmark::State& state, std::string_view text) {
  static const std::vector<std::string> kNames = {"tenant"};
  const auto compiled = Template::compile(text, {.extractors = kNames});
  if (!compiled) return state.SkipWithError(compiled.error().message.c_str());
  const Message message;
  std::string out;
  for (auto _ : state) {
    out.clear();
    benchmark::DoNotOptimize(compiled->render(message, out));
    benchmark::DoNotOptimize(out.data());
  }
}

void main_job(benchmark::State& state) {
  render(state, R"({{ header("x-mypaas-tenant-id") }}.mypaas.test:18081)");
}
void extractor_variable(benchmark::State& state) {
  render(state, "/v2/{{ tenant }}/x");
}
void condition(benchmark::State& state) {
  render(state, R"({% if header("x-mypaas-tenant-id") == "tenant-1" %}a{% else %}b{% endif %})");
}
void functions(benchmark::State& state) {
  render(state, R"({{ base64_encode(substring(header("x-mypaas-tenant-id"), 1)) }})");
}

void extract(benchmark::State& state) {
  const auto extractor = Extractor::compile({.regex = ".*[?&]tenant=([^&]+).*", .subgroup = 1, .replacement = {}});
  std::string scratch;
  for (auto _ : state) benchmark::DoNotOptimize(extractor->apply("/shop/a?x=1&tenant=t1", scratch));
}

BENCHMARK(main_job);
BENCHMARK(extractor_variable);
BENCHMARK(condition);
BENCHMARK(functions);
BENCHMARK(extract);

}  // namespace
