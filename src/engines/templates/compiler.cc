#include "engines/templates/compiler.h"

#include "base/strings.h"

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

bool is_word(const Token& token, std::string_view word) {
  return token.kind == TokenKind::name && token.text == word;
}

bool is_operator_word(std::string_view text) {
  return text == "and" || text == "or" || text == "in" || text == "not";
}

std::string_view first_part(std::string_view name) {
  return name.substr(0, name.find_first_of("./"));
}

std::string list_of(std::span<const std::string_view> words) {
  return fmt::format("{}", fmt::join(words, ", "));
}

}  // namespace

std::string place(std::string_view source, size_t position) {
  const std::string_view before = source.substr(0, position);
  const auto line = 1 + std::count(before.begin(), before.end(), '\n');
  const size_t newline = before.rfind('\n');
  const size_t column = newline == std::string_view::npos ? before.size() + 1 : before.size() - newline;
  return fmt::format("(at {}:{})", line, column);
}

Compiler::Compiler(std::string_view source, const Options& options)
    : program_{.source = std::string(source),
               .extractors = {options.extractors.begin(), options.extractors.end()},
               .environment = options.environment,
               .random_seed = options.random_seed,
               .limits = options.limits,
               .escape_characters = options.escape_characters},
      advanced_(options.advanced),
      lexer_(program_.source, options.advanced ? Notation::slashes : Notation::dots) {
  collect_assigned();
  token_ = lexer_.next();
}

// An extractor's name is only then always the extractor's value when no `set` and no `for` binds it somewhere.
void Compiler::collect_assigned() {
  Lexer lexer(program_.source, advanced_ ? Notation::slashes : Notation::dots);
  bool binds = false;
  for (Token token = lexer.next(); token.kind != TokenKind::end; token = lexer.next()) {
    if (token.kind != TokenKind::name)
      binds &= token.kind == TokenKind::comma;
    else if (binds)
      assigned_.emplace_back(first_part(token.text));
    else
      binds = token.text == "set" || token.text == "for";
  }
}

std::unexpected<Error> Compiler::error(size_t position, std::string_view message) const {
  return invalid(fmt::format("[inja.exception.parser_error] {} {}", place(program_.source, position), message));
}

void Compiler::advance() {
  token_ = lexer_.next();
}

uint32_t Compiler::emit(Op op, size_t position, uint32_t a, uint32_t b, uint8_t count) {
  program_.code.push_back({op, count, a, b, static_cast<uint32_t>(position)});
  return here() - 1;
}

Result<Program> Compiler::run() {
  if (program_.source.size() > kTemplateBytesMax) {
    return invalid(
        fmt::format("a template may have {} bytes, this one has {}", kTemplateBytesMax, program_.source.size()));
  }
  while (token_.kind != TokenKind::end) TRY(block());
  if (!open_.empty()) {
    const bool is_if = std::holds_alternative<OpenIf>(open_.back());
    const size_t position = std::visit([](const auto& block) { return block.position; }, open_.back());
    return error(position, is_if ? "unmatched if: write {% endif %} where it ends"
                                 : "unmatched for: write {% endfor %} where it ends");
  }
  program_.simple =
      !program_.escape_characters && std::ranges::all_of(program_.code, [](const Instruction& instruction) {
        return instruction.op <= Op::print_extraction;
      });
  return std::move(program_);
}

Status Compiler::block() {
  const Token token = token_;
  advance();
  switch (token.kind) {
    case TokenKind::text:
      emit(Op::text, token.position, static_cast<uint32_t>(token.position), static_cast<uint32_t>(token.text.size()));
      return {};
    case TokenKind::expression_open: return print();
    case TokenKind::statement_open: return statement(TokenKind::statement_close);
    case TokenKind::line_open: return statement(TokenKind::line_close);
    case TokenKind::unclosed_comment: return error(token.position, "expected comment close '#}', got '<end>'");
    default: return error(token.position, fmt::format("unexpected '{}'", describe(token)));
  }
}

// --- statements ---

Status Compiler::print() {
  const size_t position = token_.position;
  const uint32_t start = here();
  TRY(expression());
  TRY(expect_close(TokenKind::expression_close));
  if (here() != start + 1 || !print_in_place(program_.code.back())) emit(Op::print, position);
  return {};
}

// The one look-up that is the whole expression is printed straight from where it is.
bool Compiler::print_in_place(Instruction& lookup) {
  switch (lookup.op) {
    case Op::header: lookup.op = Op::print_header; return true;
    case Op::request_header: lookup.op = Op::print_request_header; return true;
    case Op::extraction: lookup.op = Op::print_extraction; return true;
    default: return false;
  }
}

Status Compiler::expect_close(TokenKind close) {
  const bool closed = token_.kind == close || (close == TokenKind::line_close && token_.kind == TokenKind::end);
  if (!closed) {
    const std::string_view bracket = close == TokenKind::expression_close  ? "expression close '}}'"
                                     : close == TokenKind::statement_close ? "statement close '%}'"
                                                                           : "end of line";
    return error(token_.position, fmt::format("expected {}, got '{}'", bracket, describe(token_)));
  }
  advance();
  return {};
}

Status Compiler::statement(TokenKind close) {
  const Token word = token_;
  const bool known = is_word(word, "if") || is_word(word, "else") || is_word(word, "endif") || is_word(word, "for") ||
                     is_word(word, "endfor") || is_word(word, "set");
  if (!known) {
    static constexpr std::string_view kLater[] = {"block", "endblock", "include", "extends"};
    if (word.kind == TokenKind::name && std::ranges::find(kLater, word.text) != std::end(kLater)) {
      return error(word.position, fmt::format("{} is not supported yet", word.text));
    }
    static constexpr std::string_view kWords[] = {"if", "else if", "else", "endif", "for", "endfor", "set"};
    return error(word.position,
                 fmt::format("expected statement, got '{}'; there are {}", describe(word), list_of(kWords)));
  }
  advance();
  if (word.text == "if") TRY(statement_if());
  if (word.text == "else") TRY(statement_else());
  if (word.text == "endif") TRY(statement_endif());
  if (word.text == "for") TRY(statement_for());
  if (word.text == "endfor") TRY(statement_endfor());
  if (word.text == "set") TRY(statement_set());
  return expect_close(close);
}

Status Compiler::statement_if() {
  const size_t position = token_.position;
  if (open_.size() >= kNestingMax)
    return error(position, fmt::format("more than {} blocks in one another", kNestingMax));
  TRY(expression());
  open_.push_back(OpenIf{.position = position, .skip = emit(Op::jump_unless, position), .finished = {}});
  return {};
}

Status Compiler::statement_else() {
  OpenIf* block = open_.empty() ? nullptr : std::get_if<OpenIf>(&open_.back());
  if (!block) return error(token_.position, "else without matching if");
  if (block->has_else) return error(token_.position, "else after else; the one before it must be an else if");
  block->finished.push_back(emit(Op::jump, token_.position));
  program_.code[block->skip].a = here();
  if (!is_word(token_, "if")) {
    block->has_else = true;
    return {};
  }
  advance();
  const size_t position = token_.position;
  TRY(expression());
  block->skip = emit(Op::jump_unless, position);
  return {};
}

Status Compiler::statement_endif() {
  OpenIf* block = open_.empty() ? nullptr : std::get_if<OpenIf>(&open_.back());
  if (!block) return error(token_.position, "endif without matching if");
  if (!block->has_else) program_.code[block->skip].a = here();
  for (const uint32_t jump : block->finished) program_.code[jump].a = here();
  open_.pop_back();
  return {};
}

Status Compiler::statement_for() {
  const size_t position = token_.position;
  if (open_.size() >= kNestingMax)
    return error(position, fmt::format("more than {} blocks in one another", kNestingMax));
  std::vector<std::string> names;
  for (;;) {
    if (token_.kind != TokenKind::name || is_operator_word(token_.text)) {
      return error(token_.position, fmt::format("expected a variable's name, got '{}'", describe(token_)));
    }
    names.emplace_back(token_.text);
    advance();
    if (token_.kind != TokenKind::comma || names.size() == 2) break;
    advance();
  }
  if (!is_word(token_, "in")) return error(token_.position, fmt::format("expected 'in', got '{}'", describe(token_)));
  advance();
  TRY(expression());
  const auto loop = static_cast<uint32_t>(program_.loops.size());
  program_.loops.push_back({.key = names.size() == 2 ? names[0] : "", .value = names.back()});
  const uint32_t begin = emit(Op::for_begin, position, loop);
  program_.loops[loop].body = here();
  open_.push_back(OpenFor{position, loop, begin});
  return {};
}

Status Compiler::statement_endfor() {
  const OpenFor* block = open_.empty() ? nullptr : std::get_if<OpenFor>(&open_.back());
  if (!block) return error(token_.position, "endfor without matching for");
  emit(Op::for_next, block->position, block->loop);
  program_.loops[block->loop].end = here();
  open_.pop_back();
  return {};
}

Status Compiler::statement_set() {
  const Token name = token_;
  if (name.kind != TokenKind::name || is_operator_word(name.text)) {
    return error(name.position, fmt::format("expected a variable's name, got '{}'", describe(name)));
  }
  advance();
  if (token_.kind != TokenKind::assign) {
    return error(token_.position, fmt::format("expected '=', got '{}'", describe(token_)));
  }
  advance();
  TRY(expression());
  auto path = dotted_path(name.text);  // dots separate in both notations here
  if (!path) return error(name.position, path.error().message);
  program_.variables.push_back({.name = std::string(name.text), .path = *std::move(path), .function = {}});
  emit(Op::set, name.position, static_cast<uint32_t>(program_.variables.size() - 1));
  return {};
}

// --- expressions ---

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
    const uint32_t skip = logic ? emit(next->op, position) : 0;
    TRY(binary(next->right ? next->precedence : next->precedence + 1));
    if (logic) {
      emit(Op::truth, position);
      program_.code[skip].a = here();
    } else {
      emit(next->op, position);
    }
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
    if (known == program_.extractors.end()) return replace_text("");
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
  program_.reads_json = true;
  emit(Op::variable, name.position, static_cast<uint32_t>(program_.variables.size()));
  program_.variables.push_back(std::move(variable));
  return {};
}

// Without advanced templates an extractor's value is put over the body's fields; so its name needs no look into them,
// unless something else may stand there: a variable, or another extractor that nests into this one or around it.
std::optional<uint32_t> Compiler::plain_extractor(std::string_view name) const {
  if (advanced_ || name.contains('/') || std::ranges::find(assigned_, first_part(name)) != assigned_.end())
    return std::nullopt;
  std::optional<uint32_t> found;
  for (uint32_t i = 0; i < program_.extractors.size(); ++i) {
    const std::string_view other = program_.extractors[i];
    const size_t shorter = std::min(name.size(), other.size());
    if (name == other)
      found = i;
    else if (name.substr(0, shorter) == other.substr(0, shorter) &&
             (name.substr(shorter).starts_with('.') || other.substr(shorter).starts_with('.')))
      return std::nullopt;
  }
  return found;
}

uint32_t Compiler::add_name(std::string name) {
  const auto known = std::ranges::find(program_.names, name);
  if (known != program_.names.end()) return static_cast<uint32_t>(known - program_.names.begin());
  program_.names.push_back(std::move(name));
  return static_cast<uint32_t>(program_.names.size() - 1);
}

}  // namespace sluice::templates
