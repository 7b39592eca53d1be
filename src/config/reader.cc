// Where reading stands, and reading a value of each shape.
#include <fmt/format.h>
#include <algorithm>
#include <cmath>
#include <cstring>

#include "base/strings.h"
#include "config/bind.h"
#include "config/wrong_place.h"

namespace sluice {
namespace {

constexpr std::string_view kNoBreakSpace = "\xC2\xA0";
constexpr std::string_view kNoBreakSpaceIsThere =
    "there is a no-break space (U+00A0) in it, which only looks like a space: write a plain one";

bool is_simple_key(std::string_view key) {
  return !key.empty() &&
         std::ranges::all_of(key, [](char c) { return ascii_alpha(c) || ascii_digit(c) || c == '_' || c == '-'; });
}

}  // namespace

Reader::Step::Step(Reader& reader, std::string_view key) : reader_(reader) {
  reader_.path_.push_back({key, 0, false});
}
Reader::Step::Step(Reader& reader, size_t index) : reader_(reader) {
  reader_.path_.push_back({{}, index, true});
}
Reader::Step::~Step() {
  reader_.path_.pop_back();
}

std::string Reader::path() const {
  std::string out;
  for (const Segment& segment : path_) {
    if (segment.is_index)
      out += fmt::format("[{}]", segment.index);
    else if (segment.key.contains('.') && out.empty())
      out += segment.key;  // a path already
    else if (is_simple_key(segment.key))
      (out += out.empty() ? "" : ".") += segment.key;
    else
      out += fmt::format("[\"{}\"]", printable(segment.key, 60));
  }
  return out;
}

void Reader::error(Place place, std::string message, std::string suggestion) {
  tell(Severity::error, place, std::move(message), std::move(suggestion));
}

void Reader::warning(Place place, std::string message) {
  tell(Severity::warning, place, std::move(message));
}

void Reader::tell(Severity severity, Place place, std::string message, std::string suggestion) {
  if (severity == Severity::error) ++errors_;
  context_.diagnostics->add({.severity = severity,
                             .file = context_.file,
                             .place = place,
                             .object = context_.object,
                             .path = path(),
                             .message = std::move(message),
                             .suggestion = std::move(suggestion)});
}

void Reader::tell_below(Severity severity, std::span<const std::string_view> keys, Place place, std::string message) {
  if (keys.empty()) return tell(severity, place, std::move(message));
  const Step step(*this, keys.front());
  tell_below(severity, keys.subspan(1), place, std::move(message));
}

void Reader::unknown_field(std::string_view key, Place place, std::string suggestion) {
  const bool kept = !context_.diagnostics->full();  // else nobody reads where it belongs
  std::string message = "unknown field";
  if (key.contains(kNoBreakSpace)) {
    message += fmt::format("; {}", kNoBreakSpaceIsThere);
  } else if (const std::string where = kept && context_.elsewhere ? context_.elsewhere->parent_of(key, path()) : "";
             !where.empty()) {
    message += fmt::format("; it belongs into {}", where);
    suggestion.clear();
  }
  error(place, std::move(message), std::move(suggestion));
}

std::string Reader::quoted(const Node& node) const {
  if (context_.redact || node.list() || node.map() || node.is_null()) return std::string(node.type_name());
  if (const auto* text = node.text()) return json_quote(printable(*text, 60));
  return to_json(node);
}

void Reader::wrong_type(const Node& node, std::string_view what) {
  const bool is_number = node.integer() || node.big_integer() || node.real() || node.boolean();
  const std::string hint = what == "text" && is_number ? "; put it in quotes" : "";
  const auto* text = node.text();
  const std::string space = text && text->contains(kNoBreakSpace) ? fmt::format("; {}", kNoBreakSpaceIsThere) : "";
  error(node.place(), fmt::format("expected {}, got {}{}{}", what, quoted(node), hint, space));
}

namespace {

void store_integer(const ValueType& type, void* value, uint64_t bits) {
  std::memcpy(value, &bits, type.size);  // little endian: the low bytes are the value
}

// The number in the node, also as a quoted decimal (64-bit integers in protobuf's JSON) or as a real without fraction.
struct WholeNumber {
  bool negative = false;
  uint64_t magnitude = 0;
};
std::optional<WholeNumber> whole_number(const Node& node) {
  if (const auto* value = node.integer())
    return WholeNumber{*value < 0, *value < 0 ? 0 - static_cast<uint64_t>(*value) : static_cast<uint64_t>(*value)};
  if (const auto* value = node.big_integer()) return WholeNumber{false, *value};
  if (const auto* value = node.real()) {
    if (std::trunc(*value) != *value || std::abs(*value) > 9e15) return std::nullopt;
    return WholeNumber{*value < 0, static_cast<uint64_t>(std::abs(*value))};
  }
  if (const auto* value = node.text()) {
    std::string_view digits = *value;
    const bool negative = digits.starts_with('-');
    if (negative) digits.remove_prefix(1);
    if (const auto magnitude = parse_decimal(digits)) return WholeNumber{negative, *magnitude};
  }
  return std::nullopt;
}

struct IntegerLimits {
  uint64_t below = 0;  // magnitude of the least value
  uint64_t above = 0;
};
IntegerLimits limits_of(const ValueType& type) {
  const unsigned bits = type.size * 8u;
  const uint64_t all = bits == 64 ? ~uint64_t{0} : (uint64_t{1} << bits) - 1;
  if (!type.is_signed) return {0, all};
  return {all / 2 + 1, all / 2};
}

void read_integer(const ValueType& type, const Node& node, void* value, Reader& reader) {
  const auto number = whole_number(node);
  if (!number) return reader.wrong_type(node, "a whole number");
  const IntegerLimits limits = limits_of(type);
  if (number->magnitude > (number->negative ? limits.below : limits.above))
    return reader.wrong_type(
        node, fmt::format("a whole number from {}{} to {}", type.is_signed ? "-" : "", limits.below, limits.above));
  store_integer(type, value, number->negative ? 0 - number->magnitude : number->magnitude);
}

void read_number(const ValueType& type, const Node& node, void* value, Reader& reader) {
  double number = 0;
  if (const auto* real = node.real())
    number = *real;
  else if (const auto* whole = node.integer())
    number = static_cast<double>(*whole);
  else if (const auto* big = node.big_integer())
    number = static_cast<double>(*big);
  else
    return reader.wrong_type(node, "a number");
  if (type.size == sizeof(double))
    *static_cast<double*>(value) = number;
  else
    *static_cast<float*>(value) = static_cast<float>(number);
}

void read_duration(const Node& node, void* value, Reader& reader) {
  constexpr std::string_view kWhat = "a duration such as \"250ms\" or \"5s\"";
  const auto* text = node.text();
  if (!text) return reader.wrong_type(node, kWhat);
  const auto duration = parse_duration(*text);
  if (!duration) return reader.wrong_type(node, kWhat);
  *static_cast<Nanos*>(value) = *duration;
}

void read_enumeration(const ValueType& type, const Node& node, void* value, Reader& reader) {
  const std::span<const EnumName> entries = type.names();
  if (const auto* number = node.integer()) {
    if (std::ranges::find(entries, *number, &EnumName::value) != entries.end())
      return store_integer(type, value, static_cast<uint64_t>(*number));
  } else if (const auto* text = node.text()) {
    const auto it = std::ranges::find(entries, *text, &EnumName::name);
    if (it != entries.end()) return store_integer(type, value, static_cast<uint64_t>(it->value));
  }
  std::vector<std::string_view> names;
  for (const EnumName& entry : entries) names.push_back(entry.name);
  std::string suggestion;
  if (const auto* text = node.text())
    if (const auto near = nearest(*text, names)) suggestion = *near;
  reader.error(node.place(), fmt::format("expected one of {}, got {}", fmt::join(names, ", "), reader.quoted(node)),
               std::move(suggestion));
}

void read_list(const ValueType& type, const Node& node, void* value, Reader& reader) {
  const auto* list = node.list();
  if (!list) return reader.wrong_type(node, "a list");
  for (size_t i = 0; i < list->size(); ++i) {
    const Reader::Step step(reader, i);
    void* element = type.append(value, {});
    if ((*list)[i].is_null())
      reader.wrong_type((*list)[i], "a value");
    else
      read_value(*type.element, (*list)[i], element, reader);
  }
}

void read_map(const ValueType& type, const Node& node, void* value, Reader& reader) {
  const auto* map = node.map();
  if (!map) return reader.wrong_type(node, "a map");
  for (const NodeMember& member : *map) {
    const Reader::Step step(reader, member.key);
    void* element = type.append(value, member.key);
    if (member.value.is_null())
      reader.wrong_type(member.value, "a value");
    else
      read_value(*type.element, member.value, element, reader);
  }
}

void read_object(const ValueType& type, const Node& node, void* value, Reader& reader) {
  if (!node.map()) return reader.wrong_type(node, "a map");
  Fields fields(reader, node);
  type.bind(fields, value);
  fields.finish();
}

}  // namespace

void read_value(const ValueType& type, const Node& node, void* value, Reader& reader) {
  if (type.is_optional) return read_value(*type.element, node, type.append(value, {}), reader);
  switch (type.shape) {
    case Shape::boolean:
      if (const auto* b = node.boolean())
        *static_cast<bool*>(value) = *b;
      else
        reader.wrong_type(node, "true or false");
      break;
    case Shape::text:
      if (const auto* text = node.text())
        *static_cast<std::string*>(value) = *text;
      else
        reader.wrong_type(node, "text");
      break;
    case Shape::integer: read_integer(type, node, value, reader); break;
    case Shape::number: read_number(type, node, value, reader); break;
    case Shape::duration: read_duration(node, value, reader); break;
    case Shape::enumeration: read_enumeration(type, node, value, reader); break;
    case Shape::list:
      if (type.clear) type.clear(value);  // a default list is replaced, not added to
      read_list(type, node, value, reader);
      break;
    case Shape::map: read_map(type, node, value, reader); break;
    case Shape::object: read_object(type, node, value, reader); break;
    case Shape::any: *static_cast<Node*>(value) = node; break;
  }
}

}  // namespace sluice
