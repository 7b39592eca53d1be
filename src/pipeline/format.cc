// Text and operators alternate:
//
//   "[%START_TIME%] %REQ(:METHOD)%\n"
//    ^  operator  ^^   operator   ^^
//    before       before          tail
#include "pipeline/format.h"

#include <fmt/format.h>

#include "base/strings.h"
#include "pipeline/format_operator.h"

namespace sluice {

struct Format::Piece {
  std::string before;
  FormatOperator op;
};

Format::Format() = default;
Format::Format(Format&&) noexcept = default;
Format& Format::operator=(Format&&) noexcept = default;
Format::~Format() = default;

namespace {

bool name_char(char c) {
  return ascii_alpha(c) || ascii_digit(c) || c == '_';
}

// ":N%" or "%" at the front: how many bytes that are, and N.
struct Ending {
  size_t bytes = 0;  // 0: neither
  std::optional<size_t> bytes_max;
};
Ending read_ending(std::string_view text) {
  if (text.starts_with('%')) return {1, std::nullopt};
  if (!text.starts_with(':')) return {};
  const size_t end = text.find('%');
  if (end == std::string_view::npos) return {};
  const auto number = parse_decimal(text.substr(1, end - 1));
  if (!number) return {};
  return {end + 1, number};
}

// The operator behind a percent sign at `at`; moves `at` behind its closing one.
Result<FormatOperator> read_operator(std::string_view text, size_t& at) {
  const size_t start = at;
  const auto unclosed = [&] {
    return invalid(fmt::format("{} at byte {} has no closing %", json_quote(printable(text.substr(start, 40))), start));
  };
  size_t end = start + 1;
  while (end < text.size() && name_char(text[end])) ++end;
  FormatOperator::Parts parts{.name = text.substr(start + 1, end - start - 1)};
  if (parts.name.empty()) return invalid(fmt::format("a lone % at byte {}: write %% for a percent sign", start));
  if (end < text.size() && text[end] == '(') {
    // Arguments may hold parentheses: they end at the first one that an ending follows.
    size_t close = text.find(')', end);
    while (close != std::string_view::npos && read_ending(text.substr(close + 1)).bytes == 0)
      close = text.find(')', close + 1);
    if (close == std::string_view::npos) return unclosed();
    parts.arguments = text.substr(end + 1, close - end - 1);
    end = close + 1;
  }
  const Ending ending = read_ending(text.substr(end));
  if (ending.bytes == 0) return unclosed();
  parts.bytes_max = ending.bytes_max;
  at = end + ending.bytes;
  return FormatOperator::compile(parts);
}

std::string too_long(std::string_view text) {
  return fmt::format("the format has {} bytes, more than the limit of {}", text.size(), Format::kTextBytesMax);
}

// Log lines must stay lines, whatever a client sends.
void append_escaped(std::string& out, std::string_view text) {
  for (size_t from = 0; from < text.size();) {
    size_t to = from;
    while (to < text.size() && static_cast<unsigned char>(text[to]) >= 0x20 && text[to] != 0x7F) ++to;
    out += text.substr(from, to - from);
    if (to < text.size()) fmt::format_to(std::back_inserter(out), "\\x{:02x}", static_cast<unsigned char>(text[to]));
    from = to + 1;
  }
}

void append_value(std::string& out, const FormatValue& value, FormatUse use) {
  switch (value.kind) {
    case FormatValue::Kind::missing:
      if (use != FormatUse::header_value) out += '-';
      break;
    case FormatValue::Kind::number: {
      const fmt::format_int number(value.number);
      out.append(number.data(), number.size());
      break;
    }
    case FormatValue::Kind::text:
    case FormatValue::Kind::json:
      if (use == FormatUse::log)
        append_escaped(out, value.text);
      else
        out += value.text;
  }
}

}  // namespace

Result<Format> Format::compile(std::string_view text, FormatUse use) {
  if (text.size() > kTextBytesMax) return invalid(too_long(text));
  Format out;
  out.use_ = use;
  for (size_t at = 0; at < text.size();) {
    if (text[at] != '%') {
      const size_t end = std::min(text.find('%', at), text.size());
      out.tail_ += text.substr(at, end - at);
      at = end;
    } else if (text.substr(at).starts_with("%%")) {
      out.tail_ += '%';
      at += 2;
    } else {
      FormatOperator op = TRY(read_operator(text, at));
      out.operators_.push_back({std::exchange(out.tail_, {}), std::move(op)});
    }
  }
  return out;
}

// Behind an operator that cannot be told from the text behind it nothing can be read for certain.
std::vector<std::string> Format::problems(std::string_view text) {
  if (text.size() > kTextBytesMax) return {too_long(text)};
  std::vector<std::string> out;
  for (size_t at = text.find('%'); at < text.size(); at = text.find('%', at)) {
    const size_t start = at;
    if (text.substr(at).starts_with("%%"))
      at += 2;
    else if (auto op = read_operator(text, at); !op)
      out.push_back(std::move(op).error().message);
    if (at == start) break;
  }
  return out;
}

void Format::append(std::string& out, const FormatInput& input) const {
  thread_local std::string scratch;  // keeps its memory from record to record
  for (const Piece& piece : operators_) {
    out += piece.before;
    scratch.clear();
    append_value(out, piece.op.value(input, scratch), use_);
  }
  out += tail_;
}

const FormatOperator* Format::sole_operator() const {
  const bool sole = operators_.size() == 1 && operators_[0].before.empty() && tail_.empty();
  return sole ? &operators_[0].op : nullptr;
}

}  // namespace sluice
