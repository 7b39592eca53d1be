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

}  // namespace
}  // namespace sluice::dlp
