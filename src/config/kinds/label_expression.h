// Expressions over labels, as Kubernetes has them in selectors (gloo-core.md 2.2).
#pragma once

#include <map>
#include <span>
#include <string>
#include <vector>

#include "config/bind.h"

namespace sluice::kinds {

enum class LabelOperator : uint8_t {
  equals,
  double_equals,
  not_equals,
  in,
  not_in,
  exists,
  does_not_exist,
  greater_than,
  less_than,
};
std::span<const EnumName> enum_names(LabelOperator);

struct LabelExpression {
  std::string key;
  LabelOperator op = LabelOperator::equals;
  std::vector<std::string> values;

  // Those that say "not" also fit objects without the label.
  bool fits(const std::map<std::string, std::string>& labels) const;
};
void bind(Fields& f, LabelExpression& expression);

// All must fit.
struct LabelExpressions {
  std::vector<LabelExpression> expressions;

  bool fits(const std::map<std::string, std::string>& labels) const;
};
void bind(Fields& f, LabelExpressions& expressions);

}  // namespace sluice::kinds
