// What to mask, compiled at config time; never changes afterwards and is shared by all workers.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <variant>
#include <vector>

#include "base/result.h"
#include "engines/masking/builtin_stage.h"
#include "engines/masking/custom_stage.h"

namespace sluice::masking {

enum class Builtin : uint8_t {
  ssn,
  mastercard,
  visa,
  amex,
  discover,
  jcb,
  diners_club,
  credit_card_trackers,
  all_credit_cards,           // all but ssn, each counted under its own name
  all_credit_cards_combined,  // the same, counted under one name
};

struct Regex {
  std::string regex;
  size_t subgroup = 0;  // 0: the whole match
};

struct Custom {
  std::string name;  // counted under this
  std::vector<Regex> regexes;
  std::string mask_char;  // one byte; empty: X
  double percent = 75;
};

struct Action {
  std::variant<Builtin, Custom> what;
  bool shadow = false;  // count, do not mask
};

// How far every stage is in one body.
struct StageState {
  Progress progress;
  BuiltinStage::State builtin;
  CustomStage::State custom;
};

class Rules {
 public:
  static constexpr size_t kActionsMax = 64;
  static constexpr size_t kRegexesMax = 64;  // of all actions together

  // Actions apply in order, each on the output of the former; so do the regexes of one. Errors name the action.
  static Result<std::shared_ptr<const Rules>> compile(std::span<const Action> actions);

  // One for each count, in order of first use: the predefined types as in the configuration, custom ones by name.
  const std::vector<std::string>& counter_names() const { return counter_names_; }

  // Some expression has no bound, so a body must be there as a whole before any of it can leave.
  bool needs_whole_body() const { return needs_whole_body_; }

  // Some expression is the user's, so the byte before a window must stay with it.
  bool has_custom() const { return has_custom_; }

  // Every action only counts, so no body is ever changed.
  bool only_counts() const { return only_counts_; }

  // Masks a complete body in place. `counts` has one entry for each counter name; what is found is added. Without
  // custom actions nothing is allocated. Fails when an expression of the user's looks too far beyond its matches: the
  // body may be masked in part then, and must not leave.
  Status mask_whole(std::span<char> body, std::span<uint64_t> counts) const;

  // For Masker: all stages over what is there of a body. Returns how many bytes of the window may leave.
  // Fails as mask_whole does.
  Result<size_t> run(Window window, size_t limit, End end, std::span<StageState> states,
                     std::span<uint64_t> counts) const;
  size_t stage_count() const { return stages_.size(); }

 private:
  Rules() = default;
  size_t counter(std::string_view name);
  void add(Builtin type, bool shadow);
  void add_patterns(Builtin type, std::string_view counter_name, bool shadow);
  Status add(const Custom& custom, bool shadow);
  BuiltinStage& last_builtin_stage();
  Status run_stage(size_t index, Window window, size_t limit, End end, StageState& state,
                   std::span<uint64_t> counts) const;

  std::vector<std::variant<BuiltinStage, CustomStage>> stages_;
  std::vector<std::string> counter_names_;
  bool needs_whole_body_ = false;
  bool has_custom_ = false;
  bool only_counts_ = true;
};

}  // namespace sluice::masking
