// YAML by yaml-cpp's events. The file is cut into its documents first (a line that begins with `---` or `...` is a
// marker wherever it stands, YAML 1.2.2 9.1.2), so that each document knows its bytes.
#include <fmt/format.h>
#include <yaml-cpp/eventhandler.h>
#include <yaml-cpp/exceptions.h>
#include <yaml-cpp/mark.h>
#include <yaml-cpp/parser.h>
#include <algorithm>
#include <istream>
#include <optional>
#include <streambuf>

#include "base/strings.h"
#include "config/documents.h"
#include "config/scalar.h"
#include "config/tree_builder.h"

namespace sluice {
namespace {

struct Stop {};  // thrown through yaml-cpp, which has no other way to end; caught in parse_one

// yaml-cpp queues every token of a flow collection before its first event, so it could be fed a file of brackets. What
// it may take in between two events is bounded here.
class GuardedInput final : public std::streambuf {
 public:
  static constexpr size_t kMarksMax = 400'000;

  explicit GuardedInput(std::string_view bytes) {
    char* begin = const_cast<char*>(bytes.data());  // a get area is never written to
    setg(begin, begin, begin + bytes.size());
  }
  void event() { marks_ = 0; }
  bool overrun() const { return marks_ > kMarksMax; }

 protected:
  std::streamsize xsgetn(char* out, std::streamsize size) override {
    const std::string_view next(gptr(), static_cast<size_t>(std::min<std::streamsize>(size, egptr() - gptr())));
    std::ranges::copy(next, out);
    gbump(static_cast<int>(next.size()));
    marks_ += static_cast<size_t>(
        std::ranges::count_if(next, [](char c) { return std::string_view("[]{},:&*!\"'?").contains(c); }));
    if (overrun()) throw Stop();
    return static_cast<std::streamsize>(next.size());
  }

 private:
  size_t marks_ = 0;
};

// yaml-cpp reads the escapes \N and \_ as one byte each, U+0085 and U+00A0 in Latin-1. The file is UTF-8, so no other
// byte can stand alone.
std::string mend_escapes(const std::string& value) {
  if (valid_utf8(value)) return value;
  std::string mended;
  for (std::string_view rest = value; !rest.empty();) {
    size_t length = 1;
    while (length <= 4 && !valid_utf8(rest.substr(0, length))) ++length;
    if (length > 4) {
      mended += '\xC2';
      length = 1;
    }
    mended += rest.substr(0, length);
    rest.remove_prefix(length);
  }
  return mended;
}

class Handler final : public YAML::EventHandler {
 public:
  Handler(TreeBuilder& builder, GuardedInput& input, uint32_t first_line)
      : builder_(builder), input_(input), first_line_(first_line) {}

  void OnDocumentStart(const YAML::Mark&) override { next(true); }
  void OnDocumentEnd() override { next(true); }
  void OnNull(const YAML::Mark& mark, YAML::anchor_t anchor) override {
    if (builder_.wants_key()) return next(builder_.refuse(place(mark), "a key must be text"));
    next(builder_.anchored_scalar(Node(), place(mark), anchor));
  }
  void OnAlias(const YAML::Mark& mark, YAML::anchor_t anchor) override { next(builder_.alias(anchor, place(mark))); }
  void OnScalar(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                const std::string& read) override {
    const std::string value = mend_escapes(read);
    if (!builder_.wants_key()) return next(add_value(place(mark), tag, anchor, value));
    if (anchor != 0) return next(builder_.refuse(place(mark), "an anchor on a key is not supported"));
    if (tag == "?" && value == "<<") return next(builder_.merge_key(place(mark)));
    next(builder_.key(value, place(mark)));
  }
  void OnSequenceStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                       YAML::EmitterStyle::value) override {
    next(known_tag(tag, "seq", place(mark)) && builder_.begin_list(place(mark), anchor));
  }
  void OnSequenceEnd() override { next(builder_.end_list()); }
  void OnMapStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                  YAML::EmitterStyle::value) override {
    next(known_tag(tag, "map", place(mark)) && builder_.begin_map(place(mark), anchor));
  }
  void OnMapEnd() override { next(builder_.end_map()); }

  Place place(const YAML::Mark& mark) const {
    return {.line = static_cast<uint32_t>(std::max(mark.line, 0)) + first_line_,
            .column = static_cast<uint32_t>(std::max(mark.column, 0)) + 1};
  }

 private:
  static constexpr std::string_view kCoreTag = "tag:yaml.org,2002:";

  void next(bool go_on) {
    input_.event();
    if (!go_on) throw Stop();
  }

  bool known_tag(std::string_view tag, std::string_view core, Place at) {
    if (tag.empty() || tag == "?" || tag == "!") return true;
    if (tag.starts_with(kCoreTag) && tag.substr(kCoreTag.size()) == core) return true;
    return builder_.refuse(at, fmt::format("the tag {} is not supported", printable(tag, 60)));
  }

  bool add_value(Place at, const std::string& tag, size_t anchor, const std::string& value) {
    if (tag == "!" || tag == "tag:yaml.org,2002:str") return builder_.anchored_scalar(Node(value), at, anchor);
    const bool is_core =
        std::ranges::any_of(std::initializer_list<std::string_view>{"int", "float", "bool", "null"},
                            [&](std::string_view core) { return tag == fmt::format("{}{}", kCoreTag, core); });
    if (tag != "?" && !is_core) return known_tag(tag, "str", at);
    if (is_yaml_infinity(value)) return builder_.refuse(at, "infinity and NaN cannot be used");
    return builder_.anchored_scalar(resolve_plain_scalar(value), at, anchor);
  }

  TreeBuilder& builder_;
  GuardedInput& input_;
  uint32_t first_line_;
};

std::optional<SyntaxError> refuse_bytes(std::string_view file, const DocumentLimits& limits) {
  if (file.size() > limits.bytes_max)
    return SyntaxError{{},
                       fmt::format("the file has {} bytes, more than the limit of {}", file.size(), limits.bytes_max)};
  if (!valid_utf8(file)) return SyntaxError{{}, "not UTF-8; save the file in that encoding"};
  uint32_t line = 1;
  for (size_t i = 0; i < file.size(); ++i) {
    const auto c = static_cast<unsigned char>(file[i]);
    if (c == '\n') ++line;
    // yaml-cpp takes byte 4 for the end, and a lone CR for a line break where we would not.
    const bool lone_cr = c == '\r' && (i + 1 == file.size() || file[i + 1] != '\n');
    if ((c < 0x20 && c != '\t' && c != '\n' && c != '\r') || c == 0x7F || lone_cr)
      return SyntaxError{{.line = line, .column = 0}, fmt::format("a control character (0x{:02x})", c)};
  }
  return std::nullopt;
}

// A stretch of the file to parse: [text_begin, end), of which [begin, end) is the document without its marker line.
struct Segment {
  size_t text_begin = 0;
  size_t begin = 0;
  size_t end = 0;
  uint32_t first_line = 1;
  bool has_content = false;
  bool has_directives = false;
};

bool is_marker(std::string_view line, std::string_view marker) {
  return line.starts_with(marker) && (line.size() == 3 || std::string_view(" \t\r").contains(line[3]));
}

bool is_blank(std::string_view line) {
  const size_t first = line.find_first_not_of(" \t\r");
  return first == std::string_view::npos || line[first] == '#';
}

std::vector<Segment> cut(std::string_view file) {
  std::vector<Segment> out;
  Segment now;
  const auto finish = [&](size_t end, size_t next_begin, uint32_t next_line) {
    now.end = end;
    if (now.has_content) out.push_back(now);
    now = {.text_begin = next_begin, .begin = next_begin, .end = next_begin, .first_line = next_line};
  };
  uint32_t number = 1;
  for (size_t at = 0; at < file.size(); ++number) {
    const size_t end = std::min(file.find('\n', at), file.size());
    const size_t next = std::min(end + 1, file.size());
    const std::string_view line = file.substr(at, end - at);
    if (is_marker(line, "---")) {
      // Only directives (%YAML) belong to the document below them; other lines are comments or an empty document.
      if (now.has_content || !now.has_directives) finish(at, at, number);
      now.has_directives = false;
      // Content may follow on the marker's line.
      const bool alone = is_blank(line.substr(3));
      now.begin = alone ? next : at + 3;
      now.has_content = !alone;
    } else if (is_marker(line, "...")) {
      finish(at, next, number + 1);
    } else if (line.starts_with('%') && !now.has_content) {
      now.has_directives = true;
    } else if (!is_blank(line)) {
      now.has_content = true;
    }
    at = next;
  }
  finish(file.size(), file.size(), number);
  return out;
}

// yaml-cpp's messages, with what to do about those that people meet.
std::string in_plain_words(const std::string& message) {
  if (message == "unknown token")
    return "a character that cannot stand here; put the text in quotes (as with a ? inside of {} or [], or a tab)";
  if (message == "illegal map value") return "illegal map value: a \": \" inside of plain text; put the text in quotes";
  if (message == "end of map not found" || message == "end of sequence not found")
    return message + ": this line, or one above it, is indented differently than its neighbours";
  if (message == "end of sequence flow not found") return message + ": a [ without its ]";
  if (message == "end of map flow not found") return message + ": a { without its }";
  return message;
}

std::expected<Node, SyntaxError> parse_one(std::string_view text, uint32_t first_line, const DocumentLimits& limits,
                                           size_t& nodes) {
  TreeBuilder builder(limits);
  builder.count_from(nodes);
  GuardedInput input(text);
  Handler handler(builder, input, first_line);
  try {
    std::istream stream(&input);
    YAML::Parser parser(stream);
    if (parser.HandleNextDocument(handler) && parser.HandleNextDocument(handler))
      builder.refuse({.line = first_line, .column = 0}, "text behind the end of the document");
  } catch (const Stop&) {
    if (input.overrun())
      builder.refuse({.line = first_line, .column = 0}, "too many values inside of one pair of brackets");
  } catch (const YAML::Exception& e) {
    builder.refuse(handler.place(e.mark), in_plain_words(e.msg));
  } catch (const std::exception& e) {  // yaml-cpp lets some of the standard library through
    builder.refuse({.line = first_line, .column = 0}, e.what());
  }
  nodes = builder.nodes();
  return builder.take();
}

// What people meet most, told by the line and its neighbours: yaml-cpp may stumble one line later or earlier.
struct Slip {
  std::string_view message;
  bool (*is_in)(std::string_view line);
};
constexpr Slip kSlips[] = {
    {"a tab in front of the text: YAML is indented by spaces only",
     [](std::string_view line) {
       return line.substr(0, std::min(line.find_first_not_of(" \t"), line.size())).contains('\t');
     }},
    {"a template ({{ ... }}) that is not in quotes: render a chart of Helm first, as with "
     "`helm template CHART | sluice check -`, and put a text of your own in quotes",
     [](std::string_view line) {
       const std::string_view text = trim(line);
       return text.starts_with("{{") ||
              std::ranges::any_of(std::initializer_list<std::string_view>{"{{-", ".Values", ": {{", "- {{"},
                                  [&](std::string_view mark) { return text.contains(mark); });
     }},
    {"a no-break space (U+00A0) stands in this line, which only looks like a space: write a plain one",
     [](std::string_view line) { return line.contains("\xC2\xA0"); }},
};

// Lines count from 1.
std::string_view line_of(std::string_view file, uint32_t number) {
  for (uint32_t line = 1; line < number && !file.empty(); ++line)
    file.remove_prefix(std::min(file.find('\n'), file.size() - 1) + 1);
  return file.substr(0, file.find('\n'));
}

SyntaxError in_peoples_words(std::string_view file, SyntaxError error) {
  for (const uint32_t line : {error.place.line, error.place.line - 1, error.place.line + 1}) {
    if (line == 0) continue;
    const std::string_view text = line_of(file, line);
    for (const Slip& slip : kSlips)
      if (slip.is_in(text)) return {{.line = line, .column = 0}, std::string(slip.message)};
  }
  return error;
}

bool begins_like_json(std::string_view file) {
  const size_t first = file.find_first_not_of(" \t\r\n");
  return first != std::string_view::npos && file[first] == '{';
}

}  // namespace

std::expected<std::vector<Document>, SyntaxError> parse_documents(std::string_view file, const DocumentLimits& limits) {
  if (auto refusal = refuse_bytes(file, limits)) return std::unexpected(std::move(*refusal));
  std::vector<Document> out;
  if (begins_like_json(file))
    if (auto node = parse_json(file, limits)) {
      out.push_back({std::move(*node), 0, file.size()});
      return out;
    }
  size_t nodes = 0;
  const bool has_bom = file.starts_with("\xEF\xBB\xBF");
  for (Segment segment : cut(file)) {
    if (has_bom && segment.begin == 0) segment.begin = segment.text_begin = 3;
    const std::string_view text = file.substr(segment.text_begin, segment.end - segment.text_begin);
    auto node = parse_one(text, segment.first_line, limits, nodes);
    if (!node) return std::unexpected(in_peoples_words(file, std::move(node).error()));
    if (!node->is_null()) out.push_back({std::move(*node), segment.begin, segment.end});
  }
  return out;
}

}  // namespace sluice
