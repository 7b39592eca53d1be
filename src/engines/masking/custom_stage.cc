#include "engines/masking/custom_stage.h"

#include <fmt/format.h>
#include <re2/re2.h>

#include <algorithm>
#include <vector>

#include "base/strings.h"

namespace sluice::masking {
namespace {

constexpr size_t kRegexBytesMax = 4096;
constexpr size_t kSubgroupMax = 15;

// RE2 says "invalid perl operator: (?=": say what it is and what to do.
std::string explain(const RE2& compiled, std::string_view regex) {
  constexpr std::string_view kRemedy = "match the surroundings too and mask a subgroup instead";
  const std::string_view what = compiled.error_arg();
  if (compiled.error_code() == RE2::ErrorBadPerlOp) {
    if (what.starts_with("(?=") || what.starts_with("(?!")) {
      return fmt::format("look-ahead {} is not supported; {}", what.substr(0, 3), kRemedy);
    }
    for (const std::string_view look_behind : {"(?<=", "(?<!"}) {
      if (what.starts_with("(?<") && regex.find(look_behind) != std::string_view::npos) {
        return fmt::format("look-behind {} is not supported; {}", look_behind, kRemedy);
      }
    }
    if (what.starts_with("(?>")) return "atomic groups (?> are not supported; a plain group finds no less";
  }
  if (compiled.error_code() == RE2::ErrorBadEscape && what.size() == 2 && what[1] >= '1' && what[1] <= '9') {
    return fmt::format("back reference {} is not supported; write the text out again", what);
  }
  return compiled.error();
}

// Puts a byte back as it was while RE2 looks at it: `^` and `\b` ask for the byte before.
class Restored {
 public:
  Restored(char* at, char original) : at_(at), now_(at ? *at : '\0') {
    if (at_) *at_ = original;
  }
  ~Restored() {
    if (at_) *at_ = now_;
  }
  Restored(const Restored&) = delete;
  Restored& operator=(const Restored&) = delete;

 private:
  char* at_;
  char now_;
};

}  // namespace

Result<CustomStage> CustomStage::create(std::string_view regex, size_t subgroup, Mask mask, size_t counter,
                                        bool shadow) {
  const std::string shown = printable(regex, 100);
  if (regex.empty()) return invalid("the regex is empty: give one, or remove the entry");
  if (regex.size() > kRegexBytesMax) {
    return invalid(fmt::format("regex `{}` has {} bytes; at most {} are allowed", shown, regex.size(), kRegexBytesMax));
  }
  CustomStage stage;
  auto compiled = TRY(regex::compile(regex, regex::kProgramMax));
  if (!compiled->ok()) return invalid(fmt::format("regex `{}`: {}", shown, explain(*compiled, regex)));
  const auto groups = static_cast<size_t>(compiled->NumberOfCapturingGroups());
  if (subgroup > groups) {
    return invalid(fmt::format("regex `{}` has {} groups; there is no subgroup {}", shown, groups, subgroup));
  }
  if (subgroup > kSubgroupMax) {
    return invalid(fmt::format("subgroup {} is too high; at most {} is supported", subgroup, kSubgroupMax));
  }

  stage.pattern_ = std::make_shared<const regex::Pattern>(std::move(compiled));
  stage.subgroup_ = subgroup;
  stage.mask_ = mask;
  stage.counter_ = counter;
  stage.shadow_ = shadow;
  return stage;
}

Status CustomStage::run(Window window, size_t limit, End end, Progress& progress, State& state,
                        std::span<uint64_t> counts) const {
  const size_t before = progress.done;
  if (before == limit && end == End::open) return {};
  state.budget.grow(limit - before - state.granted);
  state.granted = limit - before;
  size_t safe = limit + 1;
  if (end == End::open) {
    if (unbounded()) return {};
    safe = pattern_->first_open({window, limit}, before, limit, state.budget);
  }
  Status masked = mask_matches(window, limit, safe, progress, state.budget, counts);
  state.granted -= progress.done - before;
  return masked;
}

// Masks the matches that start before `safe`; what is before it, or in a match, is done.
Status CustomStage::mask_matches(Window window, size_t limit, size_t safe, Progress& progress, regex::Budget& budget,
                                 std::span<uint64_t> counts) const {
  re2::StringPiece groups[kSubgroupMax + 1];
  size_t at = progress.done;
  char before = progress.before;
  bool at_start = progress.at_start;
  const auto move_to = [&](size_t to) {
    if (to == at) return;
    before = window[to - 1];
    at_start = false;
    at = to;
  };

  while (at < safe && at <= limit) {
    const size_t context = at_start ? 0 : 1;
    const re2::StringPiece text(window + at - context, limit - at + context);
    regex::Found found;
    {
      const Restored restored(at_start ? nullptr : window + at - 1, before);
      found = pattern_->find(text, context, std::span(groups).first(subgroup_ + 1), budget);
    }
    if (found == regex::Found::too_costly) return std::unexpected(regex::too_costly(pattern_->re2().pattern()));
    if (found == regex::Found::no) break;
    const auto start = static_cast<size_t>(groups[0].data() - window);
    if (start >= safe) break;
    move_to(start + groups[0].size());
    if (!groups[subgroup_].empty()) {
      ++counts[counter_];
      const auto offset = static_cast<size_t>(groups[subgroup_].data() - window);
      if (!shadow_) mask_.apply({window + offset, groups[subgroup_].size()});
    }
    if (groups[0].empty()) {
      if (at == limit) break;
      move_to(at + 1);
    }
  }
  if (at < std::min(safe, limit)) move_to(std::min(safe, limit));
  progress.done = at;
  progress.before = before;
  progress.at_start = at_start;
  return {};
}

}  // namespace sluice::masking
