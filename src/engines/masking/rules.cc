#include "engines/masking/rules.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

namespace sluice::masking {
namespace {

constexpr std::array kCards = {
    Builtin::mastercard,          Builtin::visa, Builtin::amex, Builtin::discover, Builtin::jcb, Builtin::diners_club,
    Builtin::credit_card_trackers};

constexpr std::string_view name_of(Builtin type) {
  switch (type) {
    case Builtin::ssn: return "SSN";
    case Builtin::mastercard: return "MASTERCARD";
    case Builtin::visa: return "VISA";
    case Builtin::amex: return "AMEX";
    case Builtin::discover: return "DISCOVER";
    case Builtin::jcb: return "JCB";
    case Builtin::diners_club: return "DINERS_CLUB";
    case Builtin::credit_card_trackers: return "CREDIT_CARD_TRACKERS";
    case Builtin::all_credit_cards: return "ALL_CREDIT_CARDS";
    case Builtin::all_credit_cards_combined: return "ALL_CREDIT_CARDS_COMBINED";
  }
  __builtin_unreachable();
}

std::vector<BuiltinPattern> patterns_of(Builtin type) {
  using P = BuiltinPattern;
  switch (type) {
    case Builtin::ssn: return {P::digits("ddddddddd"), P::digits("ddd-dd-dddd"), P::digits("ddd dd dddd")};
    case Builtin::mastercard: return {P::digits("5[1-5]dd~dddd~dddd~dddd")};
    case Builtin::visa: return {P::digits("4ddd~dddd~dddd~dddd")};
    case Builtin::amex: return {P::digits("34dd~dddddd~ddddd"), P::digits("37dd~dddddd~ddddd")};
    case Builtin::discover: return {P::digits("6011~dddd~dddd~dddd")};
    case Builtin::jcb:
      return {P::digits("3ddd~dddd~dddd~dddd"), P::digits("2131ddddddddddd"), P::digits("1800ddddddddddd")};
    case Builtin::diners_club:
      return {P::digits("30[0-5]d~dddddd~dddd"), P::digits("36dd~dddddd~dddd"), P::digits("38dd~dddddd~dddd")};
    case Builtin::credit_card_trackers: return {P::digits("[1-9]dd-dd-dddd^d", false), P::track1(), P::track2()};
    case Builtin::all_credit_cards:
    case Builtin::all_credit_cards_combined: break;
  }
  return {};
}

Result<Mask> mask_of(const Custom& custom) {
  if (custom.mask_char.size() > 1) {
    return invalid(fmt::format("maskChar `{}` has {} bytes; it must be a single byte such as \"*\"", custom.mask_char,
                               custom.mask_char.size()));
  }
  if (!(custom.percent >= 0 && custom.percent <= 100)) {
    return invalid(fmt::format("percent {} is out of range; it must be from 0 to 100", custom.percent));
  }
  return Mask{.character = custom.mask_char.empty() ? 'X' : custom.mask_char[0], .percent = custom.percent};
}

}  // namespace

Result<std::shared_ptr<const Rules>> Rules::compile(std::span<const Action> actions) {
  if (actions.size() > kActionsMax) {
    return invalid(fmt::format("{} actions; at most {} are allowed", actions.size(), kActionsMax));
  }
  auto rules = std::shared_ptr<Rules>(new Rules);
  for (size_t i = 0; i < actions.size(); ++i) {
    const Action& action = actions[i];
    rules->only_counts_ = rules->only_counts_ && action.shadow;
    if (const auto* builtin = std::get_if<Builtin>(&action.what)) {
      rules->add(*builtin, action.shadow);
      continue;
    }
    const auto& custom = std::get<Custom>(action.what);
    if (Status added = rules->add(custom, action.shadow); !added) {
      return std::unexpected(std::move(added).error().in(fmt::format("action {} `{}`", i, custom.name)));
    }
  }
  return rules;
}

size_t Rules::counter(std::string_view name) {
  const auto found = std::ranges::find(counter_names_, name);
  const auto index = static_cast<size_t>(found - counter_names_.begin());
  if (found == counter_names_.end()) counter_names_.emplace_back(name);
  return index;
}

BuiltinStage& Rules::last_builtin_stage() {
  if (stages_.empty() || !std::holds_alternative<BuiltinStage>(stages_.back())) stages_.emplace_back(BuiltinStage{});
  return std::get<BuiltinStage>(stages_.back());
}

void Rules::add(Builtin type, bool shadow) {
  if (type == Builtin::all_credit_cards) {
    for (const Builtin card : kCards) add_patterns(card, name_of(card), shadow);
  } else if (type == Builtin::all_credit_cards_combined) {
    for (const Builtin card : kCards) add_patterns(card, name_of(type), shadow);
  } else {
    add_patterns(type, name_of(type), shadow);
  }
}

void Rules::add_patterns(Builtin type, std::string_view counter_name, bool shadow) {
  const size_t index = counter(counter_name);
  for (BuiltinPattern& pattern : patterns_of(type)) last_builtin_stage().add(std::move(pattern), index, shadow);
}

Status Rules::add(const Custom& custom, bool shadow) {
  if (custom.name.empty()) return invalid("a custom action needs a name: it is counted under it");
  if (custom.regexes.empty()) return invalid("a custom action needs at least one regex");
  const Mask mask = TRY(mask_of(custom));
  const size_t index = counter(custom.name);
  for (const Regex& regex : custom.regexes) {
    CustomStage stage = TRY(CustomStage::create(regex.regex, regex.subgroup, mask, index, shadow));
    needs_whole_body_ = needs_whole_body_ || stage.unbounded();
    has_custom_ = true;
    stages_.emplace_back(std::move(stage));
  }
  const auto is_custom = [](const auto& stage) { return std::holds_alternative<CustomStage>(stage); };
  if (static_cast<size_t>(std::ranges::count_if(stages_, is_custom)) > kRegexesMax) {
    return invalid(fmt::format("more than {} regexes in all actions together", kRegexesMax));
  }
  return {};
}

Status Rules::run_stage(size_t index, Window window, size_t limit, End end, StageState& state,
                        std::span<uint64_t> counts) const {
  if (const auto* custom = std::get_if<CustomStage>(&stages_[index])) {
    return custom->run(window, limit, end, state.progress, state.custom, counts);
  }
  std::get<BuiltinStage>(stages_[index]).run(window, limit, end, state.progress, state.builtin, counts);
  return {};
}

Result<size_t> Rules::run(Window window, size_t limit, End end, std::span<StageState> states,
                          std::span<uint64_t> counts) const {
  for (size_t i = 0; i < stages_.size(); ++i) {
    TRY(run_stage(i, window, limit, end, states[i], counts));
    limit = states[i].progress.done;
  }
  return limit;
}

Status Rules::mask_whole(std::span<char> body, std::span<uint64_t> counts) const {
  for (size_t i = 0; i < stages_.size(); ++i) {
    StageState state;
    TRY(run_stage(i, body.data(), body.size(), End::final, state, counts));
  }
  return {};
}

}  // namespace sluice::masking
