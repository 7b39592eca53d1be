// Random text, random cuts, several rule sets: cut in pieces, a body must come out as in one piece.
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/check.h"
#include "engines/masking/test_kit.h"

namespace {

using namespace sluice::masking;

std::shared_ptr<const Rules> compile(std::vector<Action> actions) {
  auto rules = Rules::compile(actions);
  CHECK(rules);
  return *rules;
}

Action custom(std::string regex, std::string mask_char) {
  return {Custom{"c", {{std::move(regex)}}, mask_char, 80}};
}

const std::vector<std::shared_ptr<const Rules>>& rule_sets() {
  static const std::vector<std::shared_ptr<const Rules>> sets = {
      compile({{Builtin::ssn}, {Builtin::all_credit_cards}}),
      compile({{Builtin::all_credit_cards_combined}, {Builtin::ssn}, {Builtin::credit_card_trackers, true}}),
      compile({custom(R"(\b\w{2,4}-)", "1"), {Builtin::ssn}, custom("(?:ab|a)(?:1|11|111)x?$?", "-")}),
      compile({{Builtin::visa}, custom("a+b", "4"), {Builtin::visa}}),
  };
  return sets;
}

}  // namespace

// First byte: the rule set; then 16 sizes of pieces, used in turn; then the text.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  constexpr size_t kHead = 17;
  if (size < kHead) return 0;
  const auto& rules = rule_sets()[data[0] % rule_sets().size()];
  const std::string_view text(reinterpret_cast<const char*>(data) + kHead, size - kHead);
  size_t piece = 0;
  const auto whole = test_kit::mask_whole(rules, text);
  const auto pieces = test_kit::mask_in_pieces(rules, text, [&] { return 1 + data[1 + piece++ % 16]; });
  CHECK(whole.text.size() == text.size());
  CHECK(whole.text == pieces.text);
  CHECK(whole.counts == pieces.counts);
  return 0;
}
