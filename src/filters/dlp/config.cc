#include "filters/dlp/config.h"

#include <algorithm>

namespace sluice::dlp {
namespace {

constexpr EnumName kActionTypes[] = {{"CUSTOM", 0},
                                     {"SSN", 1},
                                     {"MASTERCARD", 2},
                                     {"VISA", 3},
                                     {"AMEX", 4},
                                     {"DISCOVER", 5},
                                     {"JCB", 6},
                                     {"DINERS_CLUB", 7},
                                     {"CREDIT_CARD_TRACKERS", 8},
                                     {"ALL_CREDIT_CARDS", 9},
                                     {"ALL_CREDIT_CARDS_COMBINED", 10},
                                     {"KEYVALUE", 11}};

constexpr EnumName kEnabledFor[] = {{"RESPONSE_BODY", 0}, {"ACCESS_LOGS", 1}, {"ALL", 2}};

// What would end a text in JSON or a line of an event stream, or begin an escape in it.
bool breaks_out_of_text(char c) {
  const auto byte = static_cast<unsigned char>(c);
  return byte < 0x20 || byte == 0x7F || c == '"' || c == '\\';
}

Result<size_t> program_of(const std::string& regex, size_t subgroup) {
  const auto stage = TRY(masking::CustomStage::create(regex, subgroup, {}, 0, false));
  return stage.program_size();
}

// A regex by itself, so that its message stands at its line; `i` where it is one of a list.
void check_regex(Fields& f, const std::string& regex, size_t subgroup, std::optional<size_t> i = {}) {
  if (f.may_compile()) f.compiled("regex", i, program_of(regex, subgroup));
}

masking::Builtin builtin_of(ActionType type) {
  using masking::Builtin;
  switch (type) {
    case ActionType::ssn: return Builtin::ssn;
    case ActionType::mastercard: return Builtin::mastercard;
    case ActionType::visa: return Builtin::visa;
    case ActionType::amex: return Builtin::amex;
    case ActionType::discover: return Builtin::discover;
    case ActionType::jcb: return Builtin::jcb;
    case ActionType::diners_club: return Builtin::diners_club;
    case ActionType::credit_card_trackers: return Builtin::credit_card_trackers;
    case ActionType::all_credit_cards: return Builtin::all_credit_cards;
    case ActionType::all_credit_cards_combined:
    case ActionType::custom:
    case ActionType::key_value: break;
  }
  return Builtin::all_credit_cards_combined;
}

masking::Custom custom_of(const CustomAction& action) {
  masking::Custom custom{.name = action.name.empty() ? "custom" : action.name, .mask_char = action.mask_char};
  for (const std::string& regex : action.regex) custom.regexes.push_back({regex});
  for (const RegexAction& regex : action.regex_actions) custom.regexes.push_back({regex.regex, regex.subgroup});
  if (action.percent) custom.percent = action.percent->value;
  return custom;
}

masking::Action action_of(const Action& action) {
  if (action.action_type != ActionType::custom) return {builtin_of(action.action_type), action.shadow};
  return {custom_of(*action.custom_action), action.shadow};
}

}  // namespace

std::span<const EnumName> enum_names(ActionType) {
  return kActionTypes;
}
std::span<const EnumName> enum_names(EnabledFor) {
  return kEnabledFor;
}

void bind(Fields& f, RegexAction& action) {
  f.required("regex", action.regex, "An RE2 expression; characters are bytes. No look-around, no back references.");
  f.optional("subgroup", action.subgroup, "Mask only this group of each match; 0: the whole match.");
  if (!f.reading() || !f.present("regex") || !f.good("regex")) return;
  check_regex(f, action.regex, action.subgroup);
}

void bind(Fields& f, Percent& percent) {
  f.optional("value", percent.value, "From 0 to 100.");
  f.check(percent.value >= 0 && percent.value <= 100, "value", "must be from 0 to 100");
}

void bind(Fields& f, CustomAction& action) {
  f.optional("name", action.name, "Its matches are counted under this name; `custom` when absent.");
  f.optional("regex", action.regex, "Deprecated: expressions whose whole matches are masked, before regexActions.");
  f.optional("regexActions", action.regex_actions, "Expressions to mask, in order, each on what the former left.");
  f.optional("maskChar", action.mask_char,
             "What letters and digits become: one byte, but no control character, `\"` or `\\`; X when absent.");
  f.optional("percent", action.percent, "How much of a match is masked, from its start, rounded; 75 when absent.");
  f.check(action.mask_char.size() <= 1, "maskChar", "must be a single byte such as \"*\"");
  if (action.mask_char.size() == 1)
    f.check(!breaks_out_of_text(action.mask_char[0]), "maskChar",
            "must not be a control character, '\"' or '\\': masked JSON or a masked event stream would not parse");
  if (!f.reading()) return;
  for (size_t i = 0; i < action.regex.size(); ++i) check_regex(f, action.regex[i], 0, i);
}

void bind(Fields& f, Action& action) {
  f.optional("actionType", action.action_type,
             "What to mask. CUSTOM: see customAction. ALL_CREDIT_CARDS: every card type and CREDIT_CARD_TRACKERS, each "
             "counted under its name; ALL_CREDIT_CARDS_COMBINED: the same, counted under one name.");
  f.optional("customAction", action.custom_action, "Expressions to mask, for CUSTOM.");
  f.unsupported("keyValueAction", "Masks values in access logs.");
  f.optional("shadow", action.shadow, "Only count matches, and say so in the log at level debug.");
  if (!f.reading()) return;
  if (action.action_type == ActionType::key_value) f.error("actionType", "KEYVALUE is not supported yet");
  if (action.action_type != ActionType::custom) {
    f.check(!f.present("customAction"), "customAction", "is only for actionType CUSTOM: remove one of the two");
  } else if (!f.present("customAction") && f.good("actionType")) {
    f.error("customAction", "is missing: actionType CUSTOM, the default, needs it");
  } else if (action.custom_action && action.custom_action->regex.empty() &&
             action.custom_action->regex_actions.empty() && f.good("customAction")) {
    f.error("customAction", "names no expression: give at least one in regexActions");
  }
}

void bind(Fields& f, Options& options) {
  f.optional(
      "actions", options.actions,
      "What to mask in response bodies, in order, each on what the former left. An empty list masks nothing, and "
      "on a route switches off what the virtual host masks.");
  f.optional("enabledFor", options.enabled_for, "Where to mask; so far only RESPONSE_BODY.");
  f.unsupported("dlpRules");
  if (!f.reading()) return;
  options.written = f.written();
  if (options.enabled_for != EnabledFor::response_body) {
    f.error("enabledFor", "ACCESS_LOGS and ALL are not supported yet: only RESPONSE_BODY is");
  }
  if (options.actions.empty() || !f.good("actions")) return;
  std::vector<masking::Action> actions;
  actions.reserve(options.actions.size());
  for (const Action& action : options.actions) actions.push_back(action_of(action));
  auto rules = masking::Rules::compile(actions);
  if (!rules) return f.error("actions", rules.error().message);
  options.rules = *std::move(rules);
}

}  // namespace sluice::dlp
