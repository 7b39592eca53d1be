// From a template's text to its program, in one pass: what is read is at once put out as instructions.
#pragma once

#include <map>
#include <set>

#include "base/result.h"
#include "engines/templates/lexer.h"
#include "engines/templates/program.h"

namespace sluice::templates {

// Longer templates are refused.
inline constexpr size_t kTemplateBytesMax = 1U << 20;
// So are parentheses, calls and statements within one another beyond this.
inline constexpr size_t kNestingMax = 200;

class Compiler {
 public:
  Compiler(std::string_view source, const Options& options);

  Result<Program> run();

 private:
  struct OpenIf {
    size_t position;
    uint32_t skip;                   // the jump_unless over the branch being read
    std::vector<uint32_t> finished;  // jumps from the ends of earlier branches
    bool has_else = false;
  };
  struct OpenFor {
    size_t position;
    uint32_t loop;
    uint32_t begin;
  };
  using Block = std::variant<OpenIf, OpenFor>;

  Status block();
  Status print();
  Status statement(TokenKind close);
  Status statement_if();
  Status statement_else();
  Status statement_endif();
  Status statement_for();
  Status statement_endfor();
  Status statement_set();
  Status expect_close(TokenKind close);

  Status expression();
  Status binary(int precedence_min);
  Status operations(int precedence_min);
  Status operand();
  Status members();
  Status literal(std::string_view text, size_t position);
  Status json_literal();
  Status parentheses();
  Status name();
  Status call(const Token& name);
  Result<uint8_t> arguments(const Signature& signature);
  Status emit_call(const Signature& signature, uint8_t count, const Token& name);
  bool call_with_constant(Function function, size_t position);
  Status variable(const Token& name);
  Status check_function(const Signature* signature, const Token& name) const;

  void warn(size_t position, std::string_view message);
  void warn_of_text_as_condition();
  void warn_of_slip(const Token& name);
  std::string text_operand(size_t instruction) const;
  void collect_assigned();
  std::optional<uint32_t> plain_extractor(std::string_view name) const;
  static bool print_in_place(Instruction& lookup);
  void advance();
  uint32_t emit(Op op, size_t position, uint32_t a = 0, uint32_t b = 0, uint8_t count = 0);
  uint32_t here() const { return static_cast<uint32_t>(program_.code.size()); }
  uint32_t add_name(std::string name);
  std::unexpected<Error> error(size_t position, std::string_view message) const;

  Program program_;
  bool advanced_;
  Lexer lexer_;
  Token token_;
  std::vector<Block> open_;
  std::set<std::string, std::less<>> assigned_;              // first parts of the names that `set` and `for` bind
  std::map<std::string, uint32_t, std::less<>> extractors_;  // by name, the last of that name
  std::map<std::string, uint32_t, std::less<>> names_;       // where they are in program_.names
  size_t nesting_ = 0;                                       // not taken back after an error: that ends everything
};

// For both halves of it: compiler.cc has the statements, compile_expression.cc the rest.
bool is_operator_word(std::string_view text);
std::string_view first_part(std::string_view name);  // of "a.b" or "a/b"
std::string list_of(std::span<const std::string_view> words);

}  // namespace sluice::templates
