// Runs a program for one message.
#pragma once

#include <deque>

#include "engines/templates/calls.h"

namespace sluice::templates {

// For programs that are `simple`: nothing is kept beside the output.
Status render_simple(const Program& program, const Input& input, std::string& out, const Allowance& allowance);

class Renderer {
 public:
  Renderer(const Program& program, const Input& input, std::string& out, Allowance& allowance);

  Status run();

 private:
  struct OpenLoop {
    const Loop* loop;
    Json list;
    Json::iterator at;
    size_t index = 0;
    Json outer;  // what "loop" was outside
  };

  Status step(const Instruction& instruction);
  Status emit(const Instruction& instruction);
  Status push_variable(const Instruction& instruction);
  Status call_function(const Instruction& instruction);
  Status operate(const Instruction& instruction);
  Status add(const Instruction& instruction, Value& left, Value& right);
  Status arithmetic(const Instruction& instruction, Value& left, Value& right);
  Status compare(Op op, Value& left, Value& right);
  Status contains(Value& element, Value& list);
  Status member(const Instruction& instruction);
  Status skip(const Instruction& instruction);
  Status set(const Instruction& instruction);
  Status charge_growth(const Path& path);
  Status begin_loop(const Instruction& instruction);
  Status next_in_loop(const Instruction& instruction);
  void bind_element(OpenLoop& open);
  void close_loop();

  Status need(const Value& value) const;
  Value pop();
  std::unexpected<Error> error(size_t position, std::string_view message) const;

  Run run_;
  const Program& program_;
  std::string& out_;
  size_t out_max_;
  size_t next_ = 0;  // instruction
  std::vector<Value> stack_;
  Json variables_;              // what `set` and loops bind; null until then
  std::deque<OpenLoop> loops_;  // they stay where they are: iterators point into their lists
};

}  // namespace sluice::templates
