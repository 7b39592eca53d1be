// What a template is compiled into: instructions for a stack machine, and the constants they point at.
#pragma once

#include <cstdint>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "engines/templates/functions.h"
#include "engines/templates/template.h"

namespace sluice::templates {

enum class Op : uint8_t {
  text,                  // appends source[a, a + b)
  print_header,          // appends header(names[a])
  print_request_header,  // appends request_header(names[a])
  print_extraction,      // appends extraction(a)
  print,                 // pops a value, appends it

  literal,         // pushes literals[a]
  variable,        // pushes what variables[a] names, or "missing"
  header,          // pushes header(names[a])
  request_header,  // pushes request_header(names[a])
  extraction,      // pushes extraction(a)
  call,            // pops `count` arguments, pushes the result of functions a

  op_not,
  op_in,
  op_equal,
  op_not_equal,
  op_greater,
  op_greater_equal,
  op_less,
  op_less_equal,
  op_add,
  op_subtract,
  op_multiply,
  op_divide,
  op_power,
  op_modulo,
  op_member,     // pops a container, pushes its member names[a]
  require,       // fails if the value on top is missing
  truth,         // replaces the value on top by whether it is true
  and_skip,      // if the value on top is false: makes it `false` and jumps to a; else pops it
  or_skip,       // if the value on top is true: makes it `true` and jumps to a; else pops it
  present_skip,  // if the value on top is not missing: jumps to a; else pops it

  jump,         // to a
  jump_unless,  // pops a value, jumps to a if it is not true
  set,          // pops a value into variables[a]
  for_begin,    // pops a list or an object, opens loops[a]; jumps behind the loop if there is nothing to do
  for_next,     // jumps to the body of loops[a], or closes it
};

struct Instruction {
  Op op;
  uint8_t count = 0;
  uint32_t a = 0;
  uint32_t b = 0;
  uint32_t position = 0;  // in the source, for messages
};

struct Variable {
  std::string name;
  Path path;
  std::optional<Function> function;  // called when neither `set` nor the body has the name: "{{ body }}"
};

struct Loop {
  std::string key;  // empty: a loop over a list
  std::string value;
  uint32_t body = 0;  // first instruction of it
  uint32_t end = 0;   // first instruction behind for_next
};

struct Program {
  std::string source;
  std::vector<Instruction> code;
  std::vector<Json> literals;
  std::vector<std::string> names;
  std::vector<Variable> variables;
  std::vector<Loop> loops;
  std::vector<std::string> extractors;
  std::shared_ptr<const Environment> environment;
  std::vector<std::string> warnings;
  std::array<uint8_t, 16> random_seed = {};
  Limits limits;
  bool escape_characters = false;
  bool simple = false;  // only text and print_* instructions, nothing to escape
  bool reads_body = false;
  bool reads_json = false;
};

// "(at 1:4)": line and column of a place in the source, both from 1.
std::string place(std::string_view source, size_t position);

}  // namespace sluice::templates
