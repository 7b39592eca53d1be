#include "engines/templates/lexer.h"

#include "base/strings.h"

namespace sluice::templates {
namespace {

constexpr std::string_view kByteOrderMark = "\xEF\xBB\xBF";

std::string_view without_trailing_blanks(std::string_view text) {
  const size_t last = text.find_last_not_of(" \t");
  if (last == std::string_view::npos) return {};
  const bool line_end = text[last] == '\n' || text[last] == '\r';
  return line_end ? text.substr(0, last + 1) : text;  // words before on the line: nothing is taken
}

bool joins_operands(std::string_view word) {
  return word == "and" || word == "or" || word == "in" || word == "not" || word == "if";
}

}  // namespace

Lexer::Lexer(std::string_view source, Notation notation) : source_(source), notation_(notation) {
  if (source.starts_with(kByteOrderMark)) position_ = kByteOrderMark.size();
}

Token Lexer::next() {
  switch (state_) {
    case State::text: return next_in_text();
    case State::expression: return next_in_body("}}", TokenKind::expression_close);
    case State::statement: return next_in_body("%}", TokenKind::statement_close);
    case State::line: return next_in_body("\n", TokenKind::line_close);
  }
  return {};
}

Token Lexer::next_in_text() {
  while (position_ < source_.size()) {
    const size_t start = position_;
    position_ = find_opening(start);
    std::string_view text = source_.substr(start, position_ - start);
    const bool strips = position_ + 2 < source_.size() && source_[position_] == '{' && source_[position_ + 2] == '-';
    if (strips) text = without_trailing_blanks(text);
    if (!text.empty()) return {TokenKind::text, text, start};

    if (starts(position_, "{{")) return open(TokenKind::expression_open, State::expression);
    if (starts(position_, "{%")) return open(TokenKind::statement_open, State::statement);
    if (starts(position_, "##")) return open(TokenKind::line_open, State::line);
    if (starts(position_, "{#") && !skip_comment())
      return take(TokenKind::unclosed_comment, source_.size() - position_);
  }
  return {TokenKind::end, {}, source_.size()};
}

// The place of the next "{{", "{%", "{#", or "##" at the start of a line; or the end.
size_t Lexer::find_opening(size_t from) const {
  for (size_t at = from; (at = source_.find_first_of("{#", at)) != std::string_view::npos; ++at) {
    if (starts(at, "{{") || starts(at, "{%") || starts(at, "{#")) return at;
    if (starts(at, "##") && (at == 0 || source_[at - 1] == '\n')) return at;
  }
  return source_.size();
}

Token Lexer::open(TokenKind kind, State body) {
  const char mark = position_ + 2 < source_.size() ? source_[position_ + 2] : ' ';
  const bool marked = kind == TokenKind::expression_open  ? mark == '-'
                      : kind == TokenKind::statement_open ? mark == '-' || mark == '+'
                                                          : false;
  state_ = body;
  after_operand_ = false;
  return take(kind, marked ? 3 : 2);
}

bool Lexer::skip_comment() {
  const size_t close = source_.find("#}", position_ + 2);
  if (close == std::string_view::npos) return false;
  const bool strips = source_[close - 1] == '-';
  position_ = close + 2;
  if (!strips) return true;
  skip_space(" \t");
  if (starts(position_, "\r")) ++position_;
  if (starts(position_, "\n")) ++position_;
  return true;
}

void Lexer::skip_space(std::string_view kinds) {
  position_ = std::min(source_.find_first_not_of(kinds, position_), source_.size());
}

Token Lexer::next_in_body(std::string_view close, TokenKind close_kind) {
  skip_space(" \t\r");
  while (position_ < source_.size()) {
    const bool strips = close != "\n" && source_[position_] == '-' && starts(position_ + 1, close);
    if (strips || starts(position_, close)) {
      state_ = State::text;
      const Token token = take(close_kind, close.size() + (strips ? 1 : 0));
      if (strips) skip_space(" \t\r\n");
      return token;
    }
    if (source_[position_] != '\n') return word();
    skip_space(" \t\r\n");
  }
  return {TokenKind::end, {}, source_.size()};
}

Token Lexer::word() {
  const char c = source_[position_];
  const bool negative = c == '-' && !after_operand_;
  if (ascii_alpha(c) || c == '_' || c == '@' || c == '$' || c == '~') {
    const Token token = take(TokenKind::name, name_length());
    after_operand_ = !joins_operands(token.text);
    return token;
  }
  if (ascii_digit(c) || negative) {
    after_operand_ = true;
    return take(TokenKind::number, number_length());
  }
  if (c == '"') {
    after_operand_ = true;
    return take(TokenKind::string, string_length());
  }
  after_operand_ = c == ')' || c == ']' || c == '}';
  return symbol();
}

size_t Lexer::name_length() const {
  size_t end = position_ + 1;
  for (; end < source_.size(); ++end) {
    const char c = source_[end];
    if (ascii_alpha(c) || ascii_digit(c) || c == '.' || c == '/' || c == '_' || c == '-') continue;
    if (c == '~' && notation_ == Notation::slashes) continue;
    break;
  }
  // "{{ a-}}": the dash belongs to the bracket.
  if (source_[end - 1] == '-' && (starts(end, "}}") || starts(end, "%}"))) --end;
  return end - position_;
}

size_t Lexer::number_length() const {
  size_t end = position_ + 1;
  for (; end < source_.size(); ++end) {
    const char c = source_[end], before = source_[end - 1];
    const bool exponent_sign = (c == '+' || c == '-') && (before == 'e' || before == 'E');
    if (!ascii_digit(c) && c != '.' && c != 'e' && c != 'E' && !exponent_sign) break;
  }
  return end - position_;
}

// With both quotes; without the second one if there is none.
size_t Lexer::string_length() const {
  for (size_t end = position_ + 1; end < source_.size(); ++end) {
    if (source_[end] == '\\')
      ++end;
    else if (source_[end] == '"')
      return end + 1 - position_;
  }
  return source_.size() - position_;
}

Token Lexer::symbol() {
  const bool equals = starts(position_ + 1, "=");
  switch (source_[position_]) {
    case '+': return take(TokenKind::plus, 1);
    case '-': return take(TokenKind::minus, 1);
    case '*': return take(TokenKind::times, 1);
    case '/': return take(TokenKind::slash, 1);
    case '^': return take(TokenKind::power, 1);
    case '%': return take(TokenKind::percent, 1);
    case '.': return take(TokenKind::dot, 1);
    case ',': return take(TokenKind::comma, 1);
    case ':': return take(TokenKind::colon, 1);
    case '(': return take(TokenKind::left_parenthesis, 1);
    case ')': return take(TokenKind::right_parenthesis, 1);
    case '[': return take(TokenKind::left_bracket, 1);
    case ']': return take(TokenKind::right_bracket, 1);
    case '{': return take(TokenKind::left_brace, 1);
    case '}': return take(TokenKind::right_brace, 1);
    case '>': return equals ? take(TokenKind::greater_equal, 2) : take(TokenKind::greater, 1);
    case '<': return equals ? take(TokenKind::less_equal, 2) : take(TokenKind::less, 1);
    case '=': return equals ? take(TokenKind::equal, 2) : take(TokenKind::assign, 1);
    case '!': return equals ? take(TokenKind::not_equal, 2) : take(TokenKind::unknown, 1);
    default: return take(TokenKind::unknown, 1);
  }
}

Token Lexer::take(TokenKind kind, size_t length) {
  const Token token{kind, source_.substr(position_, length), position_};
  position_ += length;
  return token;
}

std::string_view describe(const Token& token) {
  switch (token.kind) {
    case TokenKind::text: return "<text>";
    case TokenKind::unclosed_comment: return "{#";
    case TokenKind::line_close: return "<end of line>";
    case TokenKind::end: return "<end>";
    default: return token.text;
  }
}

}  // namespace sluice::templates
