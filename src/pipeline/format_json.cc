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

class JsonFormat::Compiler {
 public:
  explicit Compiler(JsonFormat& out) : out_(out) {}

  Status add(const Node& node, size_t depth) {
    if (depth > kDepthMax) return invalid(fmt::format("nested deeper than {}", kDepthMax));
    if (const auto* map = node.map()) return add_map(*map, depth);
    if (const auto* list = node.list()) return add_list(*list, depth);
    if (const std::string* text = node.text()) return add_text(*text);
    append_json(out_.tail_, node);
    return {};
  }

 private:
  Status add_map(const Node::Map& map, size_t depth) {
    char before = '{';
    for (const NodeMember& member : map) {
      out_.tail_ += std::exchange(before, ',');
      append_json_quoted(out_.tail_, member.key);
      out_.tail_ += ':';
      if (Status added = add(member.value, depth + 1); !added)
        return std::unexpected(in_key(member.key, member.value, std::move(added).error()));
    }
    out_.tail_ += map.empty() ? "{}" : "}";
    return {};
  }

  Status add_list(const Node::List& list, size_t depth) {
    char before = '[';
    for (const Node& item : list) {
      out_.tail_ += std::exchange(before, ',');
      TRY(add(item, depth + 1));
    }
    out_.tail_ += list.empty() ? "[]" : "]";
    return {};
  }

  Status add_text(const std::string& text) {
    Format format = TRY(Format::compile(text, FormatUse::json_text));
    if (format.is_constant())
      append_json_quoted(out_.tail_, format.constant());
    else
      out_.parts_.push_back({std::exchange(out_.tail_, {}), std::move(format)});
    return {};
  }

  // "claims.sub: message"
  static Error in_key(const std::string& key, const Node& value, Error error) {
    error.message.insert(0, key + (value.map() ? "." : ": "));
    return error;
  }

  JsonFormat& out_;
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
  TRY(Compiler(out).add(tree, 0));
  out.tail_ += '\n';
  return out;
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
