#include "engines/templates/renderer.h"

#include <cmath>

namespace sluice::templates {
namespace {

std::unexpected<Error> too_long(const Allowance& allowance) {
  return fail(ErrorKind::limit,
              fmt::format("the template's output is longer than {} bytes", allowance.limits.output_bytes_max));
}

// What a step of a loop costs beside what it copies.
constexpr size_t kStepWork = 64;

}  // namespace

Status render_simple(const Program& program, const Input& input, std::string& out, const Allowance& allowance) {
  const size_t start = out.size();
  for (const Instruction& instruction : program.code) {
    switch (instruction.op) {
      case Op::text: out.append(program.source, instruction.a, instruction.b); break;
      case Op::print_header: out += input.header(program.names[instruction.a]); break;
      case Op::print_request_header: out += input.request_header(program.names[instruction.a]); break;
      default: out += input.extraction(instruction.a); break;
    }
    if (out.size() - start > allowance.output_left) return too_long(allowance);
  }
  return {};
}

Renderer::Renderer(const Program& program, const Input& input, std::string& out, Allowance& allowance)
    : run_{.program = program, .input = input, .allowance = allowance},
      program_(program),
      out_(out),
      out_max_(out.size() + allowance.output_left) {}

Status Renderer::run() {
  try {
    while (next_ < program_.code.size()) {
      const Instruction& instruction = program_.code[next_++];
      TRY(step(instruction));
    }
    return {};
  } catch (const std::exception& e) {  // the JSON library's, and std::stoi's
    return invalid(e.what());
  }
}

std::unexpected<Error> Renderer::error(size_t position, std::string_view message) const {
  return invalid(fmt::format("[inja.exception.render_error] {} {}", place(program_.source, position), message));
}

Status Renderer::need(const Value& value) const {
  const Missing* missing = value.missing();
  if (!missing) return {};
  return error(missing->position, fmt::format("variable '{}' not found", program_.variables[missing->variable].name));
}

Value Renderer::pop() {
  Value value = std::move(stack_.back());
  stack_.pop_back();
  return value;
}

Status Renderer::step(const Instruction& instruction) {
  switch (instruction.op) {
    case Op::text:
    case Op::print_header:
    case Op::print_request_header:
    case Op::print_extraction:
    case Op::print: return emit(instruction);

    case Op::literal: stack_.emplace_back(&program_.literals[instruction.a]); return {};
    case Op::header: stack_.emplace_back(run_.input.header(program_.names[instruction.a])); return {};
    case Op::request_header: stack_.emplace_back(run_.input.request_header(program_.names[instruction.a])); return {};
    case Op::extraction: stack_.emplace_back(run_.input.extraction(instruction.a)); return {};
    case Op::variable: return push_variable(instruction);
    case Op::call: return call_function(instruction);

    case Op::op_member: return member(instruction);
    case Op::require: return need(stack_.back());
    case Op::truth:
    case Op::and_skip:
    case Op::or_skip:
    case Op::present_skip:
    case Op::jump_unless: return skip(instruction);
    case Op::jump: next_ = instruction.a; return {};

    case Op::set: return set(instruction);
    case Op::for_begin: return begin_loop(instruction);
    case Op::for_next: return next_in_loop(instruction);
    default: return operate(instruction);
  }
}

Status Renderer::emit(const Instruction& instruction) {
  const Escape escape = program_.escape_characters ? Escape::json : Escape::none;
  switch (instruction.op) {
    case Op::text: out_.append(program_.source, instruction.a, instruction.b); break;
    case Op::print_header: TRY(print_text(run_.input.header(program_.names[instruction.a]), escape, out_)); break;
    case Op::print_request_header:
      TRY(print_text(run_.input.request_header(program_.names[instruction.a]), escape, out_));
      break;
    case Op::print_extraction: TRY(print_text(run_.input.extraction(instruction.a), escape, out_)); break;
    default: {
      const Value value = pop();
      TRY(need(value));
      TRY(print(value, escape, out_));
    }
  }
  if (out_.size() > out_max_) return too_long(run_.allowance);
  return {};
}

// What `set` and loops bind comes first, then the body's fields, then functions that need no argument.
Status Renderer::push_variable(const Instruction& instruction) {
  const Variable& variable = program_.variables[instruction.a];
  const Json* found = variables_.is_object() ? find(variables_, variable.path) : nullptr;
  if (!found) {
    const Json* context = run_.input.context();
    if (context && context->is_object()) found = find(*context, variable.path);
  }
  if (found) {
    stack_.emplace_back(found);
  } else if (variable.function) {
    stack_.push_back(TRY(call(run_, *variable.function, {})));
  } else {
    stack_.emplace_back(Missing{instruction.a, instruction.position});
  }
  return {};
}

Status Renderer::call_function(const Instruction& instruction) {
  const std::span<Value> arguments(stack_.data() + stack_.size() - instruction.count, instruction.count);
  for (const Value& argument : arguments) {
    TRY(need(argument));
    if (const auto text = argument.text()) TRY(run_.charge(text->size()));  // looked through, often copied
  }
  auto result = call(run_, static_cast<Function>(instruction.a), arguments);
  if (!result) {
    const bool own_text = result.error().kind == ErrorKind::limit || result.error().message.starts_with('[');
    return own_text ? std::unexpected(std::move(result).error()) : error(instruction.position, result.error().message);
  }
  stack_.erase(stack_.end() - instruction.count, stack_.end());
  stack_.push_back(*std::move(result));
  return {};
}

// --- operators ---

Status Renderer::operate(const Instruction& instruction) {
  if (instruction.op == Op::op_not) {
    const Value value = pop();
    TRY(need(value));
    stack_.push_back(Value::boolean(!value.is_true()));
    return {};
  }
  Value right = pop();
  Value left = pop();
  TRY(need(left));
  TRY(need(right));
  switch (instruction.op) {
    case Op::op_in: return contains(left, right);
    case Op::op_add: return add(instruction, left, right);
    case Op::op_subtract:
    case Op::op_multiply:
    case Op::op_divide:
    case Op::op_power:
    case Op::op_modulo: return arithmetic(instruction, left, right);
    default: return compare(instruction.op, left, right);
  }
}

Status Renderer::compare(Op op, Value& left, Value& right) {
  const auto decide = [op](const auto& a, const auto& b) {
    switch (op) {
      case Op::op_equal: return a == b;
      case Op::op_not_equal: return a != b;
      case Op::op_greater: return a > b;
      case Op::op_greater_equal: return a >= b;
      case Op::op_less: return a < b;
      default: return a <= b;
    }
  };
  const auto left_text = left.text(), right_text = right.text();
  if (left_text && right_text) {
    TRY(run_.charge(std::min(left_text->size(), right_text->size())));
    stack_.push_back(Value::boolean(decide(*left_text, *right_text)));
    return {};
  }
  if (left.json().is_structured()) TRY(run_.charge(weigh(left.json()).bytes));
  stack_.push_back(Value::boolean(decide(left.json(), right.json())));
  return {};
}

Status Renderer::contains(Value& element, Value& list) {
  TRY(run_.charge(weigh(list.json()).bytes));
  const Json& values = list.json();
  stack_.push_back(Value::boolean(std::find(values.begin(), values.end(), element.json()) != values.end()));
  return {};
}

Status Renderer::add(const Instruction& instruction, Value& left, Value& right) {
  const auto left_text = left.text(), right_text = right.text();
  if (!left_text || !right_text) return arithmetic(instruction, left, right);
  TRY(run_.charge(left_text->size() + right_text->size()));
  std::string joined;
  joined.reserve(left_text->size() + right_text->size());
  (joined += *left_text) += *right_text;
  stack_.emplace_back(Json(std::move(joined)));
  return {};
}

namespace {

// Whole numbers wrap round where they would leave 64 bits.
int64_t whole(Op op, int64_t a, int64_t b) {
  const auto x = static_cast<uint64_t>(a), y = static_cast<uint64_t>(b);
  return static_cast<int64_t>(op == Op::op_add ? x + y : op == Op::op_subtract ? x - y : x * y);
}

double floating(Op op, double a, double b) {
  return op == Op::op_add ? a + b : op == Op::op_subtract ? a - b : a * b;
}

Json power(const Json& base, const Json& exponent) {
  const auto times = whole_number(exponent);
  const double result = std::pow(base.get<double>(), static_cast<double>(times));
  const bool stays_whole = base.is_number_integer() && times >= 0 && std::abs(result) < 9e18;
  return stays_whole ? Json(static_cast<int64_t>(result)) : Json(result);
}

}  // namespace

Status Renderer::arithmetic(const Instruction& instruction, Value& left, Value& right) {
  const Json &a = left.json(), &b = right.json();
  switch (instruction.op) {
    case Op::op_divide: {
      const auto divisor = b.get<double>();
      if (divisor == 0) return error(instruction.position, "division by zero");
      stack_.emplace_back(Json(a.get<double>() / divisor));
      return {};
    }
    case Op::op_modulo: {
      const auto dividend = whole_number(a), divisor = whole_number(b);
      if (divisor == 0) return error(instruction.position, "division by zero");
      stack_.emplace_back(Json(divisor == -1 ? 0 : dividend % divisor));
      return {};
    }
    case Op::op_power: stack_.emplace_back(power(a, b)); return {};
    default:
      if (a.is_number_integer() && b.is_number_integer()) {
        stack_.emplace_back(Json(whole(instruction.op, whole_number(a), whole_number(b))));
      } else {
        stack_.emplace_back(Json(floating(instruction.op, a.get<double>(), b.get<double>())));
      }
      return {};
  }
}

// The key as it is written, else the way that its dots show.
Status Renderer::member(const Instruction& instruction) {
  Value container = pop();
  TRY(need(container));
  const Json& json = container.json();
  const std::string& name = program_.names[instruction.a];
  const Json* found = find(json, {name});
  if (!found && json.is_structured()) {
    const Path path = TRY(dotted_path(name));
    found = find(json, path);
  }
  if (!found) found = &json.at(name);  // throws the text that Gloo shows
  if (!container.is_owned()) {
    stack_.emplace_back(found);
    return {};
  }
  TRY(run_.charge(weigh(*found).bytes));
  stack_.emplace_back(Json(*found));
  return {};
}

Status Renderer::skip(const Instruction& instruction) {
  if (instruction.op == Op::present_skip) {
    if (stack_.back().missing())
      stack_.pop_back();
    else
      next_ = instruction.a;
    return {};
  }
  const Value value = pop();
  TRY(need(value));
  const bool truth = value.is_true();
  const bool jumps = instruction.op == Op::or_skip ? truth : instruction.op != Op::truth && !truth;
  const bool decided = instruction.op == Op::truth || (jumps && instruction.op != Op::jump_unless);
  if (decided) stack_.push_back(Value::boolean(truth));
  if (jumps) next_ = instruction.a;
  return {};
}

// --- variables and loops ---

namespace {

// The place of a path, made where it is missing. Throws where a scalar stands in the way.
Json& place_of(Json& root, const Path& path) {
  std::string pointer;
  for (const std::string& key : path) {
    pointer += '/';
    for (const char c : key) pointer += c == '~' ? "~0" : c == '/' ? "~1" : std::string(1, c);
  }
  return root[Json::json_pointer(pointer)];
}

}  // namespace

Status Renderer::set(const Instruction& instruction) {
  Value value = pop();
  TRY(need(value));
  const Variable& variable = program_.variables[instruction.a];
  const Weight weight = weigh(value.json());
  TRY(run_.charge(weight.bytes + variable.name.size()));
  if (weight.depth + variable.path.size() > kJsonDepthMax) {
    return error(instruction.position, fmt::format("'{}' has more than {} levels", variable.name, kJsonDepthMax));
  }
  if (variables_.is_null()) variables_ = Json::object();
  TRY(charge_growth(variable.path));
  Json kept = std::move(value).take();  // it may lie within what is replaced
  place_of(variables_, variable.path) = std::move(kept);
  return {};
}

// A list that is set behind its end grows up to there: "a.400000000" would be a list of six gigabytes.
Status Renderer::charge_growth(const Path& path) {
  const Json* at = &variables_;
  for (const std::string& key : path) {
    if (!at || at->is_null() || at->is_array()) {
      const size_t size = at ? at->size() : 0;
      const auto index = parse_decimal(key);  // what is no index makes an object, or throws
      if (index && *index >= size) TRY(run_.charge(bytes_of_elements(std::max<size_t>(*index - size, 1))));
      at = index && *index < size ? &(*at)[*index] : nullptr;
    } else if (at->is_object()) {
      const auto member = at->find(key);
      at = member == at->end() ? nullptr : &*member;
    } else {
      return {};
    }
  }
  return {};
}

Status Renderer::begin_loop(const Instruction& instruction) {
  Value value = pop();
  TRY(need(value));
  const Loop& loop = program_.loops[instruction.a];
  const Json& list = value.json();
  if (loop.key.empty() && !list.is_array()) return error(instruction.position, "object must be an array");
  if (!loop.key.empty() && !list.is_object()) return error(instruction.position, "object must be an object");
  if (list.empty()) {
    next_ = loop.end;
    return {};
  }
  TRY(run_.charge(3 * weigh(list).bytes));  // copied here, and once more element by element
  if (variables_.is_null()) variables_ = Json::object();
  Json& facts = variables_["loop"];
  TRY(run_.charge(2 * weigh(facts).bytes));
  loops_.push_back({.loop = &loop, .list = std::move(value).take(), .at = {}, .outer = facts});
  OpenLoop& open = loops_.back();
  open.at = open.list.begin();
  facts = Json::object();
  if (!open.outer.is_null()) facts["parent"] = open.outer;
  bind_element(open);
  return {};
}

Status Renderer::next_in_loop(const Instruction& instruction) {
  OpenLoop& open = loops_.back();
  const Loop& loop = program_.loops[instruction.a];
  TRY(run_.charge(kStepWork * (loop.end - loop.body)));
  ++open.at;
  ++open.index;
  if (open.at == open.list.end()) {
    close_loop();
    return {};
  }
  bind_element(open);
  next_ = loop.body;
  return {};
}

void Renderer::bind_element(OpenLoop& open) {
  if (!open.loop->key.empty()) variables_[open.loop->key] = open.at.key();
  variables_[open.loop->value] = *open.at;
  Json& facts = variables_["loop"];
  facts["index"] = open.index;
  facts["index1"] = open.index + 1;
  facts["is_first"] = open.index == 0;
  facts["is_last"] = open.index + 1 == open.list.size();
}

// Behind the loop its names stay known, as empty values: so it is in Inja.
void Renderer::close_loop() {
  OpenLoop& open = loops_.back();
  if (!open.loop->key.empty()) variables_[open.loop->key].clear();
  variables_[open.loop->value].clear();
  variables_["loop"] = std::move(open.outer);
  loops_.pop_back();
}

}  // namespace sluice::templates
