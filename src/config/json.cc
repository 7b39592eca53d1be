// JSON by nlohmann's SAX parser, which calls back for every value; lines are counted while it reads.
#include <fmt/format.h>
#include <cmath>
#include <nlohmann/json.hpp>

#include "base/strings.h"
#include "config/documents.h"
#include "config/tree_builder.h"

namespace sluice {
namespace {

// An input iterator that knows the line. The parser reads at most one byte past a number, and nothing past the rest.
struct Cursor {
  uint32_t line = 1;
  uint32_t line_before = 1;  // before the last byte
};

class CountingIterator {
 public:
  using difference_type = std::ptrdiff_t;
  using value_type = char;
  using pointer = const char*;
  using reference = const char&;
  using iterator_category = std::input_iterator_tag;

  CountingIterator(const char* at, Cursor* cursor) : at_(at), cursor_(cursor) {}
  const char& operator*() const { return *at_; }
  CountingIterator& operator++() {
    cursor_->line_before = cursor_->line;
    if (*at_ == '\n') ++cursor_->line;
    ++at_;
    return *this;
  }
  friend bool operator==(const CountingIterator& a, const CountingIterator& b) { return a.at_ == b.at_; }

 private:
  const char* at_;
  Cursor* cursor_;
};

class Sax final : public nlohmann::json_sax<nlohmann::json> {
 public:
  Sax(TreeBuilder& builder, const Cursor& cursor) : builder_(builder), cursor_(cursor) {}

  bool null() override { return builder_.scalar(Node(), here()); }
  bool boolean(bool value) override { return builder_.scalar(Node(value), here()); }
  bool number_integer(int64_t value) override { return builder_.scalar(Node(value), before()); }
  bool number_unsigned(uint64_t value) override { return builder_.scalar(Node(value), before()); }
  bool number_float(double value, const std::string&) override { return builder_.scalar(Node(value), before()); }
  bool string(std::string& value) override { return builder_.scalar(Node(std::move(value)), here()); }
  bool binary(binary_t&) override { return false; }
  bool start_object(size_t) override { return builder_.begin_map(here()); }
  bool key(std::string& value) override { return builder_.key(std::move(value), here()); }
  bool end_object() override { return builder_.end_map(); }
  bool start_array(size_t) override { return builder_.begin_list(here()); }
  bool end_array() override { return builder_.end_list(); }
  bool parse_error(size_t, const std::string& last_token, const nlohmann::json::exception&) override {
    builder_.refuse(here(), fmt::format("not JSON here: \"{}\"", printable(last_token, 60)));
    return false;
  }

 private:
  Place here() const { return {.line = cursor_.line, .column = 0}; }
  Place before() const { return {.line = cursor_.line_before, .column = 0}; }

  TreeBuilder& builder_;
  const Cursor& cursor_;
};

}  // namespace

std::expected<Node, SyntaxError> parse_json(std::string_view text, const DocumentLimits& limits) {
  if (text.size() > limits.bytes_max)
    return std::unexpected(
        SyntaxError{{}, fmt::format("{} bytes are more than the limit of {}", text.size(), limits.bytes_max)});
  if (!valid_utf8(text)) return std::unexpected(SyntaxError{{}, "not UTF-8"});
  TreeBuilder builder(limits);
  Cursor cursor;
  Sax sax(builder, cursor);
  try {
    const CountingIterator begin(text.data(), &cursor), end(text.data() + text.size(), &cursor);
    nlohmann::json::sax_parse(begin, end, &sax);
  } catch (const std::exception& e) {  // nothing is known to come here
    builder.refuse({.line = cursor.line, .column = 0}, e.what());
  }
  return builder.take();
}

}  // namespace sluice
