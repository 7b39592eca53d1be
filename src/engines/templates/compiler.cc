#include "engines/templates/compiler.h"

#include "base/strings.h"

namespace sluice::templates {
namespace {

bool is_word(const Token& token, std::string_view word) {
  return token.kind == TokenKind::name && token.text == word;
}

}  // namespace

bool is_operator_word(std::string_view text) {
  return text == "and" || text == "or" || text == "in" || text == "not";
}

std::string_view first_part(std::string_view name) {
  return name.substr(0, name.find_first_of("./"));
}

std::string list_of(std::span<const std::string_view> words) {
  return fmt::format("{}", fmt::join(words, ", "));
}

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
  for (uint32_t i = 0; i < program_.extractors.size(); ++i) extractors_[program_.extractors[i]] = i;
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
      assigned_.emplace(first_part(token.text));
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
  warn_of_text_as_condition();
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
  warn_of_text_as_condition();
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

}  // namespace sluice::templates
