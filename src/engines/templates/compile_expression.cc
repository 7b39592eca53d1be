// The half of the compiler that reads expressions.
#include "base/strings.h"
#include "engines/templates/compiler.h"

namespace sluice::templates {
namespace {

struct Operator {
  Op op;
  int precedence;
  bool right = false;
};

// Inja 3.4: `and` and `or` are equal; `not` is bound like * / %, so "not a == b" is "(not a) == b".
constexpr int kLogic = 1, kCompare = 2, kSum = 3, kProduct = 4, kPower = 5;

std::optional<Operator> binary_operator(const Token& token) {
  switch (token.kind) {
    case TokenKind::name:
      if (token.text == "and") return Operator{Op::and_skip, kLogic};
      if (token.text == "or") return Operator{Op::or_skip, kLogic};
      if (token.text == "in") return Operator{Op::op_in, kCompare};
      return std::nullopt;
    case TokenKind::equal: return Operator{Op::op_equal, kCompare};
    case TokenKind::not_equal: return Operator{Op::op_not_equal, kCompare};
    case TokenKind::greater: return Operator{Op::op_greater, kCompare};
    case TokenKind::greater_equal: return Operator{Op::op_greater_equal, kCompare};
    case TokenKind::less: return Operator{Op::op_less, kCompare};
    case TokenKind::less_equal: return Operator{Op::op_less_equal, kCompare};
    case TokenKind::plus: return Operator{Op::op_add, kSum};
    case TokenKind::minus: return Operator{Op::op_subtract, kSum};
    case TokenKind::times: return Operator{Op::op_multiply, kProduct};
    case TokenKind::slash: return Operator{Op::op_divide, kProduct};
    case TokenKind::percent: return Operator{Op::op_modulo, kProduct};
    case TokenKind::power: return Operator{Op::op_power, kPower, true};
    default: return std::nullopt;
  }
}

}  // namespace

Status Compiler::expression() {
  return binary(kLogic);
}

// Operators of at least that precedence, with their operands.
Status Compiler::binary(int precedence_min) {
  if (++nesting_ > kNestingMax) {
    return error(token_.position, fmt::format("more than {} expressions in one another", kNestingMax));
  }
  TRY(operations(precedence_min));
  --nesting_;
  return {};
}

Status Compiler::operations(int precedence_min) {
  TRY(operand());
  for (;;) {
    const auto next = binary_operator(token_);
    if (!next || next->precedence < precedence_min) return {};
    const size_t position = token_.position;
    advance();
    const bool logic = next->precedence == kLogic;
    if (logic) warn_of_text_as_condition();
    const uint32_t skip = logic ? emit(next->op, position) : 0;
    TRY(binary(next->right ? next->precedence : next->precedence + 1));
    if (logic) {
      warn_of_text_as_condition();
      emit(Op::truth, position);
      program_.code[skip].a = here();
    } else {
      emit(next->op, position);
    }
  }
}

void Compiler::warn(size_t position, std::string_view message) {
  constexpr size_t kWarningsMax = 4;
  if (program_.warnings.size() < kWarningsMax)
    program_.warnings.push_back(fmt::format("{} {}", place(program_.source, position), message));
}

// The value just compiled decides something. A string decides nothing: every one is true (Value::is_true), and who
// writes one there most often means "is there one".
void Compiler::warn_of_text_as_condition() {
  const std::string operand = text_operand(program_.code.size() - 1);
  if (operand.empty()) return;
  warn(program_.code.back().position,
       fmt::format("{} is a string, and every string is true, the empty one too (as in Gloo): write {} != \"\"",
                   operand, operand));
}

// A field of the body that is called nearly as an extractor.
void Compiler::warn_of_slip(const Token& name) {
  constexpr size_t kLengthMin = 4;  // shorter names are all near each other
  if (assigned_.contains(first_part(name.text))) return;
  if (advanced_ && extractors_.contains(name.text))
    return warn(name.position, fmt::format("{} is looked for in the body: an extractor's value is extraction({})",
                                           name.text, json_quote(name.text)));
  if (advanced_ || extractors_.contains(name.text) || name.text.size() < kLengthMin) return;
  const std::vector<std::string_view> names(program_.extractors.begin(), program_.extractors.end());
  if (const auto meant = nearest(name.text, names))
    warn(name.position,
         fmt::format("there is no extractor {}, so it is looked for in the body: did you mean {}?", name.text, *meant));
}

// How a value that is a string for certain was written; "" for any other.
std::string Compiler::text_operand(size_t index) const {
  const Instruction& instruction = program_.code[index];
  switch (instruction.op) {
    case Op::header: return fmt::format("header({})", json_quote(program_.names[instruction.a]));
    case Op::request_header: return fmt::format("request_header({})", json_quote(program_.names[instruction.a]));
    case Op::extraction: {
      const std::string& name = program_.extractors[instruction.a];
      return advanced_ ? fmt::format("extraction({})", json_quote(name)) : name;
    }
    case Op::literal:
      return program_.literals[instruction.a].is_string() ? program_.literals[instruction.a].dump() : "";
    case Op::variable: {
      const Variable& variable = program_.variables[instruction.a];
      const Signature* const called = variable.function ? find_function(*variable.function) : nullptr;
      return called && called->text ? variable.name : "";
    }
    case Op::call: {
      const Signature* const called = find_function(static_cast<Function>(instruction.a));
      return called && called->text ? fmt::format("{}(...)", called->name) : "";
    }
    default: return "";
  }
}

Status Compiler::operand() {
  const Token token = token_;
  switch (token.kind) {
    case TokenKind::string:
    case TokenKind::number:
      advance();
      TRY(literal(token.text, token.position));
      return members();
    case TokenKind::left_bracket:
    case TokenKind::left_brace: TRY(json_literal()); return members();
    case TokenKind::left_parenthesis: TRY(parentheses()); return members();
    case TokenKind::name: TRY(name()); return members();
    case TokenKind::end:
    case TokenKind::expression_close:
    case TokenKind::statement_close:
    case TokenKind::line_close: return error(token.position, "expected an expression, got nothing");
    default: return error(token.position, fmt::format("expected an expression, got '{}'", describe(token)));
  }
}

Status Compiler::literal(std::string_view text, size_t position) {
  auto value = parse_json(text);
  if (!value)
    return error(position, fmt::format("'{}' is no JSON literal: {}", printable(text), value.error().message));
  emit(Op::literal, position, static_cast<uint32_t>(program_.literals.size()));
  program_.literals.push_back(*std::move(value));
  return {};
}

// A list or an object is read by the JSON parser; here only its end is found.
Status Compiler::json_literal() {
  const size_t start = token_.position;
  size_t depth = 0;
  for (;; advance()) {
    if (token_.kind == TokenKind::left_bracket || token_.kind == TokenKind::left_brace) ++depth;
    if (token_.kind == TokenKind::right_bracket || token_.kind == TokenKind::right_brace) --depth;
    if (depth == 0) break;
    if (token_.kind == TokenKind::end || token_.kind == TokenKind::expression_close ||
        token_.kind == TokenKind::statement_close || token_.kind == TokenKind::line_close) {
      return error(start,
                   fmt::format("expected the end of the list or object, got '{}' (put a space between '}}' and '}}}}')",
                               describe(token_)));
    }
  }
  const size_t end = token_.position + 1;
  advance();
  return literal(std::string_view(program_.source).substr(start, end - start), start);
}

Status Compiler::parentheses() {
  advance();
  TRY(expression());
  if (token_.kind != TokenKind::right_parenthesis) {
    return error(token_.position, fmt::format("expected right parenthesis, got '{}'", describe(token_)));
  }
  advance();
  return {};
}

// ".name" behind an operand.
Status Compiler::members() {
  while (token_.kind == TokenKind::dot) {
    advance();
    if (token_.kind != TokenKind::name || is_operator_word(token_.text)) {
      return error(token_.position, fmt::format("expected a name after '.', got '{}'", describe(token_)));
    }
    emit(Op::op_member, token_.position, add_name(std::string(token_.text)));
    advance();
  }
  return {};
}

Status Compiler::name() {
  const Token token = token_;
  advance();
  if (token.text == "true" || token.text == "false" || token.text == "null") return literal(token.text, token.position);
  if (token.text == "not") {
    TRY(binary(kPower));
    warn_of_text_as_condition();
    emit(Op::op_not, token.position);
    return {};
  }
  if (is_operator_word(token.text)) return error(token.position, fmt::format("too few arguments for '{}'", token.text));
  return token_.kind == TokenKind::left_parenthesis ? call(token) : variable(token);
}

Status Compiler::check_function(const Signature* signature, const Token& name) const {
  if (!signature) {
    std::vector<std::string_view> names;
    for (const Signature& known : signatures()) names.push_back(known.name);
    const auto meant = nearest(name.text, names);
    return error(name.position,
                 fmt::format("unknown function {}; {}", name.text,
                             meant ? fmt::format("did you mean {}?", *meant) : "there are " + list_of(names)));
  }
  if (signature->function == Function::unsupported) {
    return error(name.position, fmt::format("{}() is not supported yet", name.text));
  }
  return {};
}

Status Compiler::call(const Token& name) {
  const Signature* signature = find_function(name.text);
  TRY(check_function(signature, name));
  advance();
  const uint8_t count = TRY(arguments(*signature));
  if (count < signature->arguments_min || count > signature->arguments_max) {
    const bool one = signature->arguments_min == signature->arguments_max;
    return error(
        name.position,
        fmt::format("unknown function {} with {} argument{}; it takes {}", name.text, count, count == 1 ? "" : "s",
                    one ? std::to_string(signature->arguments_min)
                        : fmt::format("{} or {}", signature->arguments_min, signature->arguments_max)));
  }
  return emit_call(*signature, count, name);
}

Result<uint8_t> Compiler::arguments(const Signature& signature) {
  uint8_t count = 0;
  uint32_t skip = 0;
  while (token_.kind != TokenKind::right_parenthesis) {
    TRY(expression());
    if (++count == 20) return error(token_.position, "more than 19 arguments");
    // default(x, y): y is looked at only when x is missing.
    if (signature.function == Function::default_ && count == 1) skip = emit(Op::present_skip, token_.position);
    if (token_.kind != TokenKind::comma) break;
    advance();
  }
  if (token_.kind != TokenKind::right_parenthesis) {
    return error(token_.position, fmt::format("expected right parenthesis, got '{}'", describe(token_)));
  }
  advance();
  if (signature.function == Function::default_ && count == 2) {
    emit(Op::require, token_.position);
    program_.code[skip].a = here();
  }
  return count;
}

Status Compiler::emit_call(const Signature& signature, uint8_t count, const Token& name) {
  const Function function = signature.function;
  if (function == Function::default_) return {};
  if (function == Function::body) program_.reads_body = true;
  if (function == Function::context || function == Function::exists) program_.reads_json = true;
  if (count == 1 && call_with_constant(function, name.position)) return {};
  emit(Op::call, name.position, static_cast<uint32_t>(function), 0, count);
  return {};
}

// A look-up whose argument is a constant string needs no work per message to find what it is about.
bool Compiler::call_with_constant(Function function, size_t position) {
  const Instruction argument = program_.code.back();
  if (argument.op != Op::literal || !program_.literals[argument.a].is_string()) return false;
  const auto& text = program_.literals[argument.a].get_ref<const std::string&>();
  const auto replace = [this, position](Op op, uint32_t a) {
    program_.code.back() = {op, 0, a, 0, static_cast<uint32_t>(position)};
    return true;
  };
  const auto replace_text = [this](std::string value) {
    program_.literals.back() = std::move(value);
    return true;
  };
  if (argument.a + 1 != program_.literals.size()) return false;
  if (function == Function::header) return replace(Op::header, add_name(to_lower(text)));
  if (function == Function::request_header) return replace(Op::request_header, add_name(to_lower(text)));
  if (function == Function::extraction) {
    const auto known = std::ranges::find(program_.extractors, text);
    if (known == program_.extractors.end()) {
      warn(position, fmt::format("there is no extractor {}: the value is always \"\"", json_quote(text)));
      return replace_text("");
    }
    return replace(Op::extraction, static_cast<uint32_t>(known - program_.extractors.begin()));
  }
  if (function == Function::env) {
    if (!program_.environment) return replace_text("");
    const auto found = program_.environment->find(text);
    return replace_text(found == program_.environment->end() ? "" : found->second);
  }
  return false;
}

Status Compiler::variable(const Token& name) {
  auto path = advanced_ ? slashed_path(name.text) : dotted_path(name.text);
  if (!path) return error(name.position, path.error().message);
  if (const auto extractor = plain_extractor(name.text)) {
    emit(Op::extraction, name.position, *extractor);
    return {};
  }
  Variable variable{.name = std::string(name.text), .path = *std::move(path), .function = {}};
  const Signature* signature = find_function(name.text);
  if (signature && signature->arguments_min == 0 && signature->function != Function::unsupported) {
    variable.function = signature->function;
    if (signature->function == Function::body) program_.reads_body = true;
  }
  warn_of_slip(name);
  program_.reads_json = true;
  emit(Op::variable, name.position, static_cast<uint32_t>(program_.variables.size()));
  program_.variables.push_back(std::move(variable));
  return {};
}

// Without advanced templates an extractor's value is put over the body's fields; so its name needs no look into them,
// unless something else may stand there: a variable, or another extractor that nests into this one or around it.
std::optional<uint32_t> Compiler::plain_extractor(std::string_view name) const {
  if (advanced_ || name.contains('/') || assigned_.contains(first_part(name))) return std::nullopt;
  const auto found = extractors_.find(name);
  if (found == extractors_.end()) return std::nullopt;
  for (size_t dot = name.find('.'); dot != name.npos; dot = name.find('.', dot + 1)) {
    if (extractors_.contains(name.substr(0, dot))) return std::nullopt;
  }
  const auto within = extractors_.lower_bound(fmt::format("{}.", name));
  if (within != extractors_.end() && within->first.starts_with(fmt::format("{}.", name))) return std::nullopt;
  return found->second;
}

uint32_t Compiler::add_name(std::string name) {
  const auto [known, added] = names_.emplace(std::move(name), static_cast<uint32_t>(program_.names.size()));
  if (added) program_.names.push_back(known->first);
  return known->second;
}

}  // namespace sluice::templates
