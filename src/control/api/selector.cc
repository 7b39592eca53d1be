#include "control/api/selector.h"

#include <algorithm>
#include <charconv>
#include <optional>

#include "base/strings.h"
#include "config/kinds/metadata.h"

namespace sluice {
namespace {

std::optional<int64_t> whole_number(std::string_view text) {
  int64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

const std::string* label(const Node* labels, std::string_view key) {
  const Node* found = labels ? labels->find(key) : nullptr;
  return found ? found->text() : nullptr;
}

// Begins and ends alphanumeric, has '-', '_' and '.' inside at most, up to 63.
bool is_name_part(std::string_view text) {
  const auto alphanumeric = [](char c) { return ascii_alpha(c) || ascii_digit(c); };
  if (text.empty() || text.size() > 63 || !alphanumeric(text.front()) || !alphanumeric(text.back())) return false;
  return std::ranges::all_of(text, [&](char c) { return alphanumeric(c) || c == '-' || c == '_' || c == '.'; });
}

// "prefix/name" or "name".
bool is_label_key(std::string_view text) {
  const auto slash = text.find('/');
  if (slash == text.npos) return is_name_part(text);
  return kinds::dns_subdomain_error(text.substr(0, slash)).empty() && is_name_part(text.substr(slash + 1));
}

bool is_label_value(std::string_view text) {
  return text.empty() || is_name_part(text);
}

}  // namespace

// requirement *( "," requirement ); requirement = ["!"] key / key ("=" / "==" / "!=" / ">" / "<") value
//                                                 / key ("in" / "notin") "(" value *( "," value ) ")"
class LabelSelector::Parser {
 public:
  explicit Parser(std::string_view text) : rest_(text) {}

  Result<LabelSelector> parse() {
    LabelSelector selector;
    skip_space();
    while (!rest_.empty()) {
      if (selector.requirements_.size() == kRequirementsMax)
        return fail(ErrorKind::limit, fmt::format("a selector may have up to {} requirements", kRequirementsMax));
      selector.requirements_.push_back(TRY(requirement()));
      if (rest_.empty()) break;
      if (!take(",")) return unexpected("',' or the end");
      if (rest_.empty()) return unexpected("a key after ','");
    }
    return selector;
  }

 private:
  std::unexpected<Error> unexpected(std::string_view expected) const {
    return invalid(fmt::format("expected {}, found \"{}\"", expected, printable(rest_, 40)));
  }

  void skip_space() {
    while (!rest_.empty() && ascii_space(rest_.front())) rest_.remove_prefix(1);
  }

  bool take(std::string_view symbol) {
    if (!rest_.starts_with(symbol)) return false;
    rest_.remove_prefix(symbol.size());
    skip_space();
    return true;
  }

  // Letters up to a space or a symbol; may be empty.
  std::string_view word() {
    const auto end = std::min(rest_.find_first_of(" \t\r\n\v\f=!(),><"), rest_.size());
    const auto found = rest_.substr(0, end);
    rest_.remove_prefix(end);
    skip_space();
    return found;
  }

  Result<Requirement> requirement() {
    Requirement made;
    const bool negated = take("!");
    made.key = word();
    if (made.key.empty()) return unexpected("a label key");
    if (!is_label_key(made.key)) return invalid(fmt::format("\"{}\" is no label key", printable(made.key, 80)));
    if (negated || rest_.empty() || rest_.front() == ',') {
      made.op = negated ? Operator::absent : Operator::exists;
      return made;
    }
    if (TRY(comparison(made))) return made;
    const auto name = word();
    if (name != "in" && name != "notin")
      return invalid(fmt::format("\"{}\" is no operator; expected =, ==, !=, in, notin, > or <",
                                 printable(name.empty() ? rest_ : name, 40)));
    made.op = name == "in" ? Operator::in : Operator::not_in;
    made.values = TRY(value_list());
    return made;
  }

  Result<bool> comparison(Requirement& made) {
    if (take("==") || take("=")) {
      made.op = Operator::in;
    } else if (take("!=")) {
      made.op = Operator::not_in;
    } else if (take(">")) {
      made.op = Operator::greater;
    } else if (take("<")) {
      made.op = Operator::less;
    } else {
      return false;
    }
    made.values.push_back(TRY(value()));
    const bool numeric = made.op == Operator::greater || made.op == Operator::less;
    if (numeric && !whole_number(made.values.front())) return invalid("for > and < the value must be a whole number");
    return true;
  }

  Result<std::string> value() {
    const auto text = word();
    if (!is_label_value(text)) return invalid(fmt::format("\"{}\" is no label value", printable(text, 80)));
    return std::string(text);
  }

  Result<std::vector<std::string>> value_list() {
    std::vector<std::string> values;
    if (!take("(")) return unexpected("'('");
    for (;;) {
      if (values.size() == kValuesMax) return fail(ErrorKind::limit, fmt::format("more than {} values", kValuesMax));
      values.push_back(TRY(value()));
      if (take(")")) return values;
      if (!take(",")) return unexpected("',' or ')'");
    }
  }

  std::string_view rest_;
};

Result<LabelSelector> LabelSelector::parse(std::string_view text) {
  return Parser(text).parse();
}

bool LabelSelector::matches(const Node* labels) const {
  return std::ranges::all_of(requirements_, [labels](const Requirement& one) { return one.matches(labels); });
}

bool LabelSelector::Requirement::matches(const Node* labels) const {
  const std::string* value = label(labels, key);
  switch (op) {
    case Operator::exists: return value != nullptr;
    case Operator::absent: return value == nullptr;
    case Operator::in: return value && std::ranges::find(values, *value) != values.end();
    case Operator::not_in: return !value || std::ranges::find(values, *value) == values.end();
    case Operator::greater:
    case Operator::less: break;
  }
  const auto number = value ? whole_number(*value) : std::nullopt;
  const auto limit = whole_number(values.front());
  if (!number || !limit) return false;
  return op == Operator::greater ? *number > *limit : *number < *limit;
}

Result<FieldSelector> FieldSelector::parse(std::string_view text) {
  FieldSelector selector;
  Term term;
  bool in_value = false;
  const auto finish = [&]() -> Status {
    if (!in_value && trim(term.field).empty()) return {};  // an empty term, as Kubernetes allows
    if (!in_value)
      return invalid(fmt::format("\"{}\": expected field=value or field!=value", printable(term.field, 80)));
    if (selector.terms_.size() == kTermsMax)
      return fail(ErrorKind::limit, fmt::format("a field selector may have up to {} terms", kTermsMax));
    selector.terms_.push_back(std::move(term));
    term = Term();
    in_value = false;
    return {};
  };
  for (size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (in_value && c == '\\') {
      if (i + 1 == text.size() || !std::string_view("\\,=").contains(text[i + 1]))
        return invalid("a backslash must be followed by \\, ',' or '='");
      term.value += text[++i];
    } else if (c == ',') {
      TRY(finish());
    } else if (!in_value && (c == '=' || text.substr(i).starts_with("!="))) {
      term.equal = c == '=';
      in_value = true;
      if (c == '!' || text.substr(i).starts_with("==")) ++i;
    } else if (in_value && c == '=') {
      return invalid("an '=' in a value is written \\=");
    } else {
      (in_value ? term.value : term.field) += c;
    }
  }
  TRY(finish());
  return selector;
}

std::string_view FieldSelector::unsupported_field() const {
  for (const Term& term : terms_)
    if (term.field != "metadata.name" && term.field != "metadata.namespace") return term.field;
  return {};
}

bool FieldSelector::matches(std::string_view ns, std::string_view name) const {
  return std::ranges::all_of(terms_, [&](const Term& term) {
    return (term.value == (term.field == "metadata.name" ? name : ns)) == term.equal;
  });
}

}  // namespace sluice
