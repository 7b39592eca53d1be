// A JSON format is compiled to the parts that change and the bytes before each:
//
//   {"code": "%RESPONSE_CODE%", "v": 1}   ->   before {"code":   value %RESPONSE_CODE%   tail ,"v":1}\n
#include <fmt/format.h>

#include "base/strings.h"
#include "pipeline/format_operator.h"

namespace sluice {

struct JsonFormat::Part {
  std::string before;
  Format format;
};

JsonFormat::JsonFormat() = default;
JsonFormat::JsonFormat(JsonFormat&&) noexcept = default;
JsonFormat& JsonFormat::operator=(JsonFormat&&) noexcept = default;
JsonFormat::~JsonFormat() = default;

// Goes on behind what is wrong, so that all of it is found.
class JsonFormat::Compiler {
 public:
  explicit Compiler(JsonFormat& out) : out_(out) {}

  void add(const Node& node, size_t depth) {
    if (depth > kDepthMax) {
      note(fmt::format("nested deeper than {}", kDepthMax));
    } else if (const auto* map = node.map()) {
      add_map(*map, depth);
    } else if (const auto* list = node.list()) {
      add_list(*list, depth);
    } else if (const std::string* text = node.text()) {
      add_text(*text);
    } else {
      append_json(out_.tail_, node);
    }
  }

  std::vector<std::string> problems;  // ".claims.sub: message"

 private:
  void add_map(const Node::Map& map, size_t depth) {
    char before = '{';
    for (const NodeMember& member : map) {
      out_.tail_ += std::exchange(before, ',');
      append_json_quoted(out_.tail_, member.key);
      out_.tail_ += ':';
      add_in(fmt::format(".{}", printable(member.key, 60)), member.value, depth + 1);
    }
    out_.tail_ += map.empty() ? "{}" : "}";
  }

  void add_list(const Node::List& list, size_t depth) {
    char before = '[';
    for (size_t i = 0; i < list.size(); ++i) {
      out_.tail_ += std::exchange(before, ',');
      add_in(fmt::format("[{}]", i), list[i], depth + 1);
    }
    out_.tail_ += list.empty() ? "[]" : "]";
  }

  void add_in(const std::string& step, const Node& node, size_t depth) {
    const size_t here = path_.size();
    path_ += step;
    add(node, depth);
    path_.resize(here);
  }

  void add_text(const std::string& text) {
    auto wrong = Format::problems(text);
    for (const std::string& one : wrong) note(one);
    if (!wrong.empty()) return;
    Format format = *Format::compile(text, FormatUse::json_text);
    if (format.is_constant())
      append_json_quoted(out_.tail_, format.constant());
    else
      out_.parts_.push_back({std::exchange(out_.tail_, {}), std::move(format)});
  }

  void note(std::string_view what) { problems.push_back(fmt::format("{}: {}", path_, what)); }

  JsonFormat& out_;
  std::string path_;
};

namespace {

void append_typed(std::string& out, const FormatValue& value) {
  switch (value.kind) {
    case FormatValue::Kind::missing: out += "null"; break;
    case FormatValue::Kind::number: fmt::format_to(std::back_inserter(out), "{}", value.number); break;
    case FormatValue::Kind::text: append_json_quoted(out, value.text); break;
    case FormatValue::Kind::json: out += value.text;
  }
}

}  // namespace

Result<JsonFormat> JsonFormat::compile(const Node& tree) {
  if (!tree.map()) return invalid(fmt::format("expected a map, got {}", tree.type_name()));
  JsonFormat out;
  Compiler compiler(out);
  compiler.add(tree, 0);
  if (!compiler.problems.empty()) return invalid(compiler.problems.front().substr(1));
  out.tail_ += '\n';
  return out;
}

std::vector<std::string> JsonFormat::problems(const Node& tree) {
  if (!tree.map()) return {fmt::format(": expected a map, got {}", tree.type_name())};
  JsonFormat out;
  Compiler compiler(out);
  compiler.add(tree, 0);
  return std::move(compiler.problems);
}

void JsonFormat::append(std::string& out, const FormatInput& input) const {
  thread_local std::string scratch;  // keeps its memory from record to record
  for (const Part& part : parts_) {
    out += part.before;
    scratch.clear();
    if (const FormatOperator* op = part.format.sole_operator()) {
      append_typed(out, op->value(input, scratch));
    } else {
      // Format::append has scratch space of its own.
      part.format.append(scratch, input);
      append_json_quoted(out, scratch);
    }
  }
  out += tail_;
}

}  // namespace sluice
