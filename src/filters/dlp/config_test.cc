#include <gtest/gtest.h>

#include "filters/dlp/filter.h"
#include "pipeline/testing.h"

namespace sluice::dlp {
namespace {

TEST(DlpConfig, refuses_a_mask_that_would_break_masked_json_or_event_streams) {
  for (const char* mask : {R"("\n")", R"("\r")", R"("\t")", R"("\0")", R"("\x1f")", R"("\x7f")", R"('"')", R"('\')"}) {
    FilterHarness harness(dlp_filter());
    EXPECT_TRUE(harness.route(fmt::format("dlp: {{actions: [{{customAction: {{regex: ['a'], maskChar: {}}}}}]}}", mask))
                    .contains("dlp.actions[0].customAction.maskChar: must not be a control character, '\"' or '\\':"))
        << mask;
  }
}

TEST(DlpConfig, takes_any_other_mask_of_one_byte) {
  for (const char* mask : {"X", "'*'", "'#'", "' '", "'/'", "'~'", "'0'"}) {
    FilterHarness harness(dlp_filter());
    EXPECT_EQ(harness.route(fmt::format("dlp: {{actions: [{{customAction: {{regex: ['a'], maskChar: {}}}}}]}}", mask)),
              "")
        << mask;
  }
}

// Ten characters of text can be a thousand instructions: neither one expression nor all of an object hold the control
// thread.
TEST(DlpConfig, bounds_what_its_expressions_compile_to) {
  const auto told = [](size_t regexes, size_t thousands) {
    std::string regex, list;
    for (size_t i = 0; i < thousands; ++i) regex += "[ab]{1000}";
    for (size_t i = 0; i < regexes; ++i) list += (i ? ", '" : "'") + regex + "'";
    FilterHarness harness(dlp_filter());
    return harness.route(fmt::format("dlp: {{actions: [{{customAction: {{regex: [{}]}}}}]}}", list));
  };
  EXPECT_EQ(told(3, 8), "");
  EXPECT_TRUE(told(1, 9).contains("compiles to more than 8192 instructions")) << told(1, 9);
  EXPECT_TRUE(told(1, 290).contains("compiles to more than 8192 instructions"));
  const std::string all = told(64, 8);
  EXPECT_TRUE(all.contains("regex[32]: up to here the regular expressions of this object compile to more than 262144"))
      << all;
  EXPECT_FALSE(all.contains("regex[33]")) << all;
  EXPECT_FALSE(told(64, 100).contains("regex[33]")) << "those that are too large count, too";
  std::string classes;
  for (int i = 0; i < 600; ++i) classes += "\\\\pL\\\\pL";
  FilterHarness harness(dlp_filter());
  EXPECT_TRUE(harness.route("dlp: {actions: [{customAction: {regex: [\"(?i)(?:" + classes + "){0}\"]}}]}")
                  .contains("has more than 32 classes such as"));
}

}  // namespace
}  // namespace sluice::dlp
