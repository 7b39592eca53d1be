// The options of data loss prevention as users write them: gloo-policies.md 4.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "config/bind.h"
#include "engines/masking/rules.h"

namespace sluice::dlp {

enum class ActionType : uint8_t {
  custom,
  ssn,
  mastercard,
  visa,
  amex,
  discover,
  jcb,
  diners_club,
  credit_card_trackers,
  all_credit_cards,
  all_credit_cards_combined,
  key_value,
};
std::span<const EnumName> enum_names(ActionType);

enum class EnabledFor : uint8_t { response_body, access_logs, all };
std::span<const EnumName> enum_names(EnabledFor);

struct RegexAction {
  std::string regex;
  uint32_t subgroup = 0;
};
void bind(Fields& f, RegexAction& action);

struct Percent {
  double value = 0;
};
void bind(Fields& f, Percent& percent);

struct CustomAction {
  std::string name;
  std::vector<std::string> regex;  // deprecated; whole matches, before regex_actions
  std::vector<RegexAction> regex_actions;
  std::string mask_char;
  std::optional<Percent> percent;
};
void bind(Fields& f, CustomAction& action);

struct Action {
  ActionType action_type = ActionType::custom;
  std::optional<CustomAction> custom_action;
  bool shadow = false;
};
void bind(Fields& f, Action& action);

struct Options {
  std::vector<Action> actions;
  EnabledFor enabled_for = EnabledFor::response_body;
  std::shared_ptr<const masking::Rules> rules;  // compiled from `actions` when they are read; null when there are none
  std::string written;                          // all of this as JSON, for FilterBuild::share
};
void bind(Fields& f, Options& options);

}  // namespace sluice::dlp
