#include "config/kinds/label_expression.h"

#include <algorithm>
#include <charconv>
#include <optional>

#include "config/kinds/metadata.h"

namespace sluice::kinds {
namespace {

constexpr EnumName kOperatorNames[] = {{"Equals", static_cast<int64_t>(LabelOperator::equals)},
                                       {"DoubleEquals", static_cast<int64_t>(LabelOperator::double_equals)},
                                       {"NotEquals", static_cast<int64_t>(LabelOperator::not_equals)},
                                       {"In", static_cast<int64_t>(LabelOperator::in)},
                                       {"NotIn", static_cast<int64_t>(LabelOperator::not_in)},
                                       {"Exists", static_cast<int64_t>(LabelOperator::exists)},
                                       {"DoesNotExist", static_cast<int64_t>(LabelOperator::does_not_exist)},
                                       {"GreaterThan", static_cast<int64_t>(LabelOperator::greater_than)},
                                       {"LessThan", static_cast<int64_t>(LabelOperator::less_than)}};

std::optional<int64_t> number(std::string_view text) {
  int64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

// What Kubernetes says of the number of values, or "".
std::string_view values_problem(const LabelExpression& e) {
  switch (e.op) {
    case LabelOperator::in:
    case LabelOperator::not_in: return e.values.empty() ? "for 'in', 'notin' operators, values set can't be empty" : "";
    case LabelOperator::equals:
    case LabelOperator::double_equals:
    case LabelOperator::not_equals:
      return e.values.size() != 1 ? "exact-match compatibility requires one single value" : "";
    case LabelOperator::exists:
    case LabelOperator::does_not_exist:
      return e.values.empty() ? "" : "values set must be empty for exists and does not exist";
    case LabelOperator::greater_than:
    case LabelOperator::less_than:
      if (e.values.size() != 1) return "for 'Gt', 'Lt' operators, exactly one value is required";
      return number(e.values.front()) ? "" : "for 'Gt', 'Lt' operators, the value must be an integer";
  }
  return "";
}

}  // namespace

std::span<const EnumName> enum_names(LabelOperator) {
  return kOperatorNames;
}

bool LabelExpression::fits(const std::map<std::string, std::string>& labels) const {
  const auto found = labels.find(key);
  const bool has = found != labels.end();
  const auto is_one_of = [&] { return has && std::ranges::find(values, found->second) != values.end(); };
  const auto compares = [&](auto&& compare) {
    const auto own = has ? number(found->second) : std::nullopt;
    const auto other = values.empty() ? std::nullopt : number(values.front());
    return own && other && compare(*own, *other);
  };
  switch (op) {
    case LabelOperator::equals:
    case LabelOperator::double_equals:
    case LabelOperator::in: return is_one_of();
    case LabelOperator::not_equals:
    case LabelOperator::not_in: return !is_one_of();
    case LabelOperator::exists: return has;
    case LabelOperator::does_not_exist: return !has;
    case LabelOperator::greater_than: return compares(std::greater<>());
    case LabelOperator::less_than: return compares(std::less<>());
  }
  return false;
}

void bind(Fields& f, LabelExpression& e) {
  f.required("key", e.key, "Name of the label.");
  f.optional("operator", e.op, "How its value must compare; those with `Not` fit objects without the label, too.");
  f.optional("values", e.values,
             "What with: one value, for `In` and `NotIn` one or more, for `Exists` and `DoesNotExist` none.");
  if (f.present("key"))
    if (const std::string why = label_key_error(e.key); !why.empty()) f.check(false, "key", why);
  for (size_t i = 0; i < e.values.size(); ++i)
    if (std::string why = label_value_error(e.values[i]); !why.empty()) f.error("values", i, std::move(why));
  if (f.good("operator") && f.good("values"))
    if (const std::string_view problem = values_problem(e); !problem.empty()) f.error("values", std::string(problem));
}

bool LabelExpressions::fits(const std::map<std::string, std::string>& labels) const {
  return std::ranges::all_of(expressions, [&](const LabelExpression& one) { return one.fits(labels); });
}

void bind(Fields& f, LabelExpressions& e) {
  f.optional("expressions", e.expressions, "Conditions on labels, all of which must hold.");
}

}  // namespace sluice::kinds
