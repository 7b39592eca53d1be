// Cuts a template into tokens: text as it stands, and the words within {{ }}, {% %}, {# #} and behind ## at a line's
// start.
//
// Source: Inja 3.4 (with the changes that Gloo's copy of it has). Comments are dropped here. "-" inside a bracket
// pair ("{{-", "-}}") takes the white space beside it away: before it to the start of the line, behind it all, newlines
// too (behind a comment: up to and with the first newline).
#pragma once

#include <cstdint>
#include <string_view>

#include "base/result.h"

namespace sluice::templates {

enum class TokenKind : uint8_t {
  text,
  expression_open,
  expression_close,
  statement_open,
  statement_close,
  line_open,
  line_close,
  name,
  number,
  string,
  plus,
  minus,
  times,
  slash,
  percent,
  power,
  comma,
  dot,
  colon,
  left_parenthesis,
  right_parenthesis,
  left_bracket,
  right_bracket,
  left_brace,
  right_brace,
  assign,
  equal,
  not_equal,
  greater,
  greater_equal,
  less,
  less_equal,
  unclosed_comment,
  unknown,
  end,
};

struct Token {
  TokenKind kind = TokenKind::end;
  std::string_view text;
  size_t position = 0;
};

enum class Notation : uint8_t { dots, slashes };

class Lexer {
 public:
  // `source` must outlive the lexer and its tokens.
  Lexer(std::string_view source, Notation notation);

  // At the end comes `end`, again and again. A bracket pair that is not closed shows as an `end` within it.
  Token next();

 private:
  enum class State : uint8_t { text, expression, statement, line };

  Token next_in_text();
  Token next_in_body(std::string_view close, TokenKind close_kind);
  Token open(TokenKind kind, State body);
  Token word();
  Token symbol();
  Token take(TokenKind kind, size_t length);
  size_t find_opening(size_t from) const;
  bool starts(size_t at, std::string_view text) const { return source_.substr(at).starts_with(text); }
  bool skip_comment();
  void skip_space(std::string_view kinds);
  size_t name_length() const;
  size_t number_length() const;
  size_t string_length() const;

  std::string_view source_;
  Notation notation_;
  State state_ = State::text;
  size_t position_ = 0;
  bool after_operand_ = false;  // a "-" is then an operator, else the sign of a number
};

// For messages: "<text>", "<end>", "<end of line>" or the token's own text.
std::string_view describe(const Token& token);

}  // namespace sluice::templates
