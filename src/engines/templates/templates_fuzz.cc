// First byte: how to compile. Then a template, a zero byte, and a body for it.
#include "engines/templates/extractor.h"
#include "engines/templates/template_test_input.h"

using namespace sluice::templates;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) return 0;
  const std::string_view input(reinterpret_cast<const char*>(data) + 1, size - 1);
  const size_t cut = std::min(input.find('\0'), input.size());
  static const std::vector<std::string> kNames = {"who", "a.b"};
  const Options options{.advanced = (data[0] & 1) != 0,
                        .escape_characters = (data[0] & 2) != 0,
                        .extractors = kNames,
                        .limits = {.output_bytes_max = 10'000, .work_max = 200'000}};
  FakeMessage message;
  message.headers = {{"x", "value"}, {":path", "/p?q=1"}};
  message.extractions = {"ann", "\xFF"};
  message.text = input.substr(std::min(cut + 1, input.size()));
  if (auto json = parse_json(message.text)) {
    message.json = *std::move(json);
    message.parsed = true;
  }
  std::string out = "start";
  if (const auto compiled = Template::compile(input.substr(0, cut), options)) {
    const bool done = compiled->render(message, out).has_value();
    if (!out.starts_with("start") || (!done && out != "start")) __builtin_trap();
  }
  for (const auto mode : {ExtractionMode::extract, ExtractionMode::single_replace, ExtractionMode::replace_all}) {
    const bool replaces = mode != ExtractionMode::extract;
    auto extractor = Extractor::compile({.regex = std::string(input.substr(0, cut)),
                                         .mode = mode,
                                         .replacement = replaces ? std::optional<std::string>("$1$&$'") : std::nullopt,
                                         .bytes_max = 10'000});
    std::string scratch;
    if (extractor) (void)extractor->apply(message.text, scratch);
  }
  return 0;
}
