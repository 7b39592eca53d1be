#include "regex/shape.h"

#include <fmt/format.h>

#include <algorithm>
#include <vector>

#include "base/strings.h"

namespace sluice::regex {
namespace {

constexpr size_t kUnbounded = static_cast<size_t>(-1);
constexpr size_t kTextMax = 16U << 10;  // of a generated expression
constexpr int kDepthMax = 200;

size_t add_widths(size_t a, size_t b) {
  return a > kUnbounded - b ? kUnbounded : a + b;
}

size_t multiply_width(size_t width, size_t times) {
  if (width == 0 || times == 0) return 0;
  return width > kUnbounded / times ? kUnbounded : width * times;
}

std::string group(std::string_view text) {
  return "(?:" + std::string(text) + ")";
}

// A part of an expression: its widest match, the part itself without assertions and captures, and its beginnings, both
// read backwards. (RE2 can run an expression backwards too, but then `.{0,1000}` is a thousand ways at each byte.) Once
// a text would get too long, `broken` stands for both texts.
struct Part {
  size_t width = 0;
  std::string text;
  std::string beginnings;
  bool broken = false;

  void limit() {
    if (text.size() <= kTextMax && beginnings.size() <= kTextMax) return;
    broken = true;
    text.clear();
    beginnings.clear();
  }
};

Part atom(std::string text) {
  Part part{.width = 1, .text = std::move(text)};
  part.beginnings = group(part.text) + "?";
  return part;
}

struct Flags {
  bool ignore_case = false;
  bool dot_newline = false;
  std::string wrap(std::string_view text) const {
    if (!ignore_case && !dot_newline) return std::string(text);
    return "(?" + std::string(ignore_case ? "i" : "") + (dot_newline ? "s" : "") + ":" + std::string(text) + ")";
  }
};

struct Repeat {
  size_t least = 1;
  size_t most = 1;  // kUnbounded
};

class Reader {
 public:
  explicit Reader(std::string_view regex) : rest_(regex) {}

  std::optional<Part> read() {
    Part part = alternatives(Flags{});
    if (failed_ || !rest_.empty()) return std::nullopt;
    return part;
  }

 private:
  bool at(std::string_view text) const { return rest_.starts_with(text); }
  bool take(std::string_view text) {
    if (!at(text)) return false;
    rest_.remove_prefix(text.size());
    return true;
  }
  std::string_view take_bytes(size_t count) {
    if (count > rest_.size()) {
      failed_ = true;
      count = rest_.size();
    }
    const std::string_view bytes = rest_.substr(0, count);
    rest_.remove_prefix(count);
    return bytes;
  }
  Part give_up() {
    failed_ = true;
    rest_ = {};
    return {};
  }

  Part alternatives(Flags flags);
  Part sequence(Flags& flags);
  void one(Flags& flags, std::vector<Part>& parts);
  Part in_parentheses(Flags& flags);
  Part escape(const Flags& flags);
  void quoted(const Flags& flags, std::vector<Part>& parts);
  Part char_class(const Flags& flags);
  bool take_repeat(Repeat& repeat);
  bool take_counts(Repeat& repeat);

  std::string_view rest_;
  int depth_ = 0;
  bool failed_ = false;
};

// Flags set inside stay set for the alternatives behind, as in RE2.
Part Reader::alternatives(Flags flags) {
  if (++depth_ > kDepthMax) return give_up();
  Part all = sequence(flags);
  bool several = false;
  while (!failed_ && take("|")) {
    const Part next = sequence(flags);
    all.width = std::max(all.width, next.width);
    all.text += "|" + next.text;
    all.beginnings += "|" + next.beginnings;
    all.broken = all.broken || next.broken;
    all.limit();
    several = true;
  }
  if (several && !all.broken) {
    all.text = group(all.text);
    all.beginnings = group(all.beginnings);
  }
  --depth_;
  return all;
}

// From the back: the beginnings of "ab" are those of a, or a and the beginnings of b; backwards, these come first.
Part join(std::vector<Part> parts) {
  Part all;
  for (size_t i = parts.size(); i-- > 0;) {
    const Part& part = parts[i];
    all.width = add_widths(all.width, part.width);
    all.broken = all.broken || part.broken;
    if (all.broken) continue;
    if (part.text.empty()) continue;
    const bool last = all.text.empty();
    all.beginnings = last ? part.beginnings : group(part.beginnings + "|" + all.beginnings + part.text);
    all.text += part.text;
    all.limit();
  }
  return all;
}

Part Reader::sequence(Flags& flags) {
  std::vector<Part> parts;
  while (!failed_ && !rest_.empty() && !at("|") && !at(")")) {
    const size_t before = parts.size();
    one(flags, parts);
    Repeat repeat;
    while (!failed_ && take_repeat(repeat)) {
      if (parts.size() == before) continue;  // an assertion, repeated
      Part& part = parts.back();
      part.width =
          repeat.most == kUnbounded ? (part.width == 0 ? 0 : kUnbounded) : multiply_width(part.width, repeat.most);
      if (part.broken || part.text.empty()) continue;
      if (repeat.most == 0) {
        part = {};
        continue;
      }
      const std::string text = group(part.text);
      const bool endless = repeat.most == kUnbounded;
      const std::string most = endless ? "" : fmt::format("{}", repeat.most);
      const std::string fewer = endless ? "*" : fmt::format("{{0,{}}}", repeat.most - 1);
      part.beginnings = group(fmt::format("{}{}{}", part.beginnings, text, fewer));
      part.text = group(fmt::format("{}{{{},{}}}", text, repeat.least, most));
      part.limit();
    }
  }
  return join(std::move(parts));
}

void Reader::one(Flags& flags, std::vector<Part>& parts) {
  if (take("^") || take("$")) return;
  if (take("\\Q")) return quoted(flags, parts);
  if (take("\\b") || take("\\B") || take("\\A") || take("\\z")) return;
  if (at("(")) return parts.push_back(in_parentheses(flags));
  if (at("[")) return parts.push_back(char_class(flags));
  if (at("\\")) return parts.push_back(escape(flags));
  if (take(".")) return parts.push_back(atom(flags.wrap(".")));
  const char c = take_bytes(1)[0];
  const bool plain = ascii_alpha(c) || ascii_digit(c);
  parts.push_back(
      atom(flags.wrap(plain ? std::string(1, c) : fmt::format("\\x{:02x}", static_cast<unsigned char>(c)))));
}

// A flag group without a colon changes the flags for the rest of the group around it.
Part Reader::in_parentheses(Flags& flags) {
  take("(");
  Flags inner = flags;
  if (take("?P<") || take("?<")) {
    const size_t end = rest_.find('>');
    if (end == std::string_view::npos) return give_up();
    take_bytes(end + 1);
  } else if (take("?")) {
    bool on = true;
    for (;;) {
      if (rest_.empty()) return give_up();
      const char c = take_bytes(1)[0];
      if (c == ':') break;
      if (c == ')') {
        if (at("*") || at("+") || at("?") || at("{")) return give_up();  // of what stands before, too
        flags = inner;
        return {};
      }
      if (c == '-')
        on = false;
      else if (c == 'i')
        inner.ignore_case = on;
      else if (c == 's')
        inner.dot_newline = on;
      else if (c != 'm' && c != 'U')
        return give_up();
    }
  }
  Part part = alternatives(inner);
  if (!take(")")) return give_up();
  return part;
}

// \d, \pN, \p{Greek}, \x{ff}, \xff, \123, \n, \.
Part Reader::escape(const Flags& flags) {
  const std::string_view start = rest_;
  take("\\");
  if (rest_.empty()) return give_up();
  const char c = take_bytes(1)[0];
  if (c == 'p' || c == 'P' || c == 'x') {
    if (at("{")) {
      const size_t end = rest_.find('}');
      if (end == std::string_view::npos) return give_up();
      take_bytes(end + 1);
    } else {
      take_bytes(c == 'x' ? 2 : 1);
    }
  } else if (c >= '0' && c <= '7') {
    for (int i = 0; i < 2 && !rest_.empty() && rest_[0] >= '0' && rest_[0] <= '7'; ++i) take_bytes(1);
  }
  return atom(flags.wrap(start.substr(0, start.size() - rest_.size())));
}

// What is empty is nothing to RE2: a repeat behind it is for what stands before.
void Reader::quoted(const Flags& flags, std::vector<Part>& parts) {
  if (at("\\E")) {
    give_up();
    return;
  }
  while (!rest_.empty() && !take("\\E")) {
    const auto c = static_cast<unsigned char>(take_bytes(1)[0]);
    parts.push_back(atom(flags.wrap(fmt::format("\\x{:02x}", c))));
  }
}

Part Reader::char_class(const Flags& flags) {
  const std::string_view start = rest_;
  take("[");
  take("^");
  bool first = true;
  for (;; first = false) {
    if (rest_.empty()) return give_up();
    if (at("]") && !first) break;
    if (at("[:")) {
      const size_t end = rest_.find(":]", 2);
      if (end != std::string_view::npos) {
        take_bytes(end + 2);
        continue;
      }
    }
    if (at("\\"))
      escape({});
    else
      take_bytes(1);
    if (failed_) return give_up();
  }
  take("]");
  return atom(flags.wrap(start.substr(0, start.size() - rest_.size())));
}

bool Reader::take_repeat(Repeat& repeat) {
  if (take("*"))
    repeat = {0, kUnbounded};
  else if (take("+"))
    repeat = {1, kUnbounded};
  else if (take("?"))
    repeat = {0, 1};
  else if (!take_counts(repeat))
    return false;
  take("?");  // lazy: the same matches
  return true;
}

// {n}, {n,}, {n,m}; anything else that begins with a brace is plain text.
bool Reader::take_counts(Repeat& repeat) {
  const size_t end = rest_.find('}');
  if (!at("{") || end == std::string_view::npos) return false;
  const std::string_view counts = rest_.substr(1, end - 1);
  const size_t comma = counts.find(',');
  const auto least = parse_decimal(counts.substr(0, comma));
  if (!least) return false;
  repeat = {*least, *least};
  if (comma != std::string_view::npos) {
    const std::string_view second = counts.substr(comma + 1);
    const auto most = parse_decimal(second);
    if (!most && !second.empty()) return false;
    repeat.most = most ? *most : kUnbounded;
  }
  take_bytes(end + 1);
  return true;
}

}  // namespace

Shape shape_of(std::string_view regex) {
  std::optional<Part> part = Reader(regex).read();
  Shape shape;
  if (!part) return shape;
  if (part->width != kUnbounded) shape.width_max = part->width;
  if (!part->broken) shape.beginnings_reversed = std::move(part->beginnings);
  return shape;
}

}  // namespace sluice::regex
