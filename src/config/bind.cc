#include "config/bind.h"

#include <fmt/format.h>
#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>

#include "base/check.h"
#include "base/strings.h"
#include "config/option_field.h"
#include "config/regex.h"

namespace sluice {
namespace {

constexpr size_t kSuggestionsMax = 100;  // of one object; looking for near names costs time

// "max_request_headers_kb" -> "maxRequestHeadersKb", as protobuf makes JSON names.
std::string camel_case(std::string_view snake) {
  std::string out;
  bool upper = false;
  for (const char c : snake) {
    if (c == '_') {
      upper = true;
      continue;
    }
    out += upper && c >= 'a' && c <= 'z' ? static_cast<char>(c - 0x20) : c;
    upper = false;
  }
  return out;
}

bool is_simple_key(std::string_view key) {
  return !key.empty() &&
         std::ranges::all_of(key, [](char c) { return ascii_alpha(c) || ascii_digit(c) || c == '_' || c == '-'; });
}

}  // namespace

// ---- Reader ----

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
  ++errors_;
  context_.diagnostics->add({.severity = Severity::error,
                             .file = context_.file,
                             .place = place,
                             .object = context_.object,
                             .path = path(),
                             .message = std::move(message),
                             .suggestion = std::move(suggestion)});
}

void Reader::warning(Place place, std::string message) {
  context_.diagnostics->add({.severity = Severity::warning,
                             .file = context_.file,
                             .place = place,
                             .object = context_.object,
                             .path = path(),
                             .message = std::move(message),
                             .suggestion = {}});
}

std::string Reader::quoted(const Node& node) const {
  if (context_.redact || node.list() || node.map() || node.is_null()) return std::string(node.type_name());
  if (const auto* text = node.text()) return json_quote(printable(*text, 60));
  return to_json(node);
}

void Reader::wrong_type(const Node& node, std::string_view what) {
  const bool is_number = node.integer() || node.big_integer() || node.real() || node.boolean();
  const std::string hint = what == "text" && is_number ? "; put it in quotes" : "";
  error(node.place(), fmt::format("expected {}, got {}{}", what, quoted(node), hint));
}

// ---- Values ----

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

// ---- Describing ----

namespace {

int64_t load_integer(const ValueType& type, const void* value) {
  int64_t out = 0;
  std::memcpy(&out, value, type.size);
  if (type.is_signed && type.size < 8) {
    const unsigned shift = 64u - type.size * 8u;
    out = static_cast<int64_t>(static_cast<uint64_t>(out) << shift) >> shift;
  }
  return out;
}

// A default that says something; zeros and empty texts do not.
std::string default_text(const ValueType& type, const void* value) {
  if (type.is_optional) {
    const void* held = type.value(value);
    return held ? default_text(*type.element, held) : std::string();
  }
  switch (type.shape) {
    case Shape::boolean: return *static_cast<const bool*>(value) ? "true" : "false";
    case Shape::integer: {
      const int64_t number = load_integer(type, value);
      return number == 0 ? std::string() : fmt::to_string(number);
    }
    case Shape::number: {
      const double number = type.size == sizeof(double) ? *static_cast<const double*>(value)
                                                        : static_cast<double>(*static_cast<const float*>(value));
      return number == 0 ? std::string() : fmt::to_string(number);
    }
    case Shape::text: return *static_cast<const std::string*>(value);
    case Shape::duration: {
      const Nanos duration = *static_cast<const Nanos*>(value);
      return duration == Nanos(0) ? std::string() : format_duration(duration);
    }
    case Shape::enumeration: {
      const std::span<const EnumName> entries = type.names();
      const auto it = std::ranges::find(entries, load_integer(type, value), &EnumName::value);
      return it == entries.end() ? std::string() : std::string(it->name);
    }
    default: return {};
  }
}

}  // namespace

Schema describe_value(const ValueType& type, const void* value, std::span<const OptionField> option_fields) {
  if (type.is_optional) {
    const std::shared_ptr<void> held = type.element->make();
    return describe_value(*type.element, held.get(), option_fields);
  }
  Schema out;
  out.shape = type.shape;
  out.is_signed = type.is_signed;
  out.bits = type.size * 8u;
  if (type.names)
    for (const EnumName& entry : type.names()) out.enum_names.push_back(entry.name);
  if (type.element) {
    const std::shared_ptr<void> element = type.element->make();
    out.element = std::make_unique<Schema>(describe_value(*type.element, element.get(), option_fields));
  }
  if (type.bind) {
    Fields fields(out, option_fields);
    type.bind(fields, const_cast<void*>(value));  // describing writes nothing
  }
  return out;
}

// ---- Fields ----

Fields::Fields(Reader& reader, const Node& node) : reader_(&reader), node_(&node) {
  const Node::Map& members = *node.map();
  used_.resize(members.size());
  for (size_t i = 0; i < members.size(); ++i)
    if (members[i].key.contains('_')) {
      camel_.resize(members.size());
      camel_[i] = camel_case(members[i].key);
    }
}

const NodeMember* Fields::declare(std::string_view name) {
  const Node::Map& members = *node_->map();
  const NodeMember* found = nullptr;
  for (size_t i = 0; i < members.size(); ++i) {
    if (members[i].key != name && (camel_.empty() || camel_[i] != name)) continue;
    used_[i] = true;
    if (found) {
      const Reader::Step step(*reader_, members[i].key);
      reader_->error(members[i].place, fmt::format("the same field as {}", json_quote(found->key)));
      continue;
    }
    found = &members[i];
  }
  if (found && found->value.is_null()) found = nullptr;
  declared_.push_back({name, found, true});
  return found;
}

bool Fields::field(std::string_view name, const ValueType& type, void* value, std::string_view doc, bool is_required,
                   std::string_view hint) {
  if (schema_) {
    schema_->fields.push_back({.name = std::string(name),
                               .doc = std::string(doc),
                               .default_text = is_required ? std::string() : default_text(type, value),
                               .required = is_required,
                               .supported = true,
                               .schema = describe_value(type, value, option_fields_)});
    return false;
  }
  const NodeMember* member = declare(name);
  const size_t errors_before = reader_->errors();
  const Reader::Step step(*reader_, name);
  if (member)
    read_value(type, member->value, value, *reader_);
  else if (is_required)
    reader_->error(node_->place(), hint.empty() ? "is required" : fmt::format("is required: {}", hint));
  declared_.back().good = reader_->errors() == errors_before;
  return member != nullptr;
}

void Fields::unsupported(std::string_view name, std::string_view doc) {
  if (schema_) {
    schema_->fields.push_back({.name = std::string(name), .doc = std::string(doc), .supported = false});
    return;
  }
  if (const NodeMember* member = declare(name)) {
    const Reader::Step step(*reader_, name);
    reader_->error(member->place, "not supported yet");
    declared_.back().good = false;
  }
}

void Fields::unsupported(std::initializer_list<std::string_view> names) {
  for (const std::string_view name : names) unsupported(name);
}

void Fields::ignored(std::string_view name, std::string_view doc) {
  if (schema_) {
    schema_->fields.push_back({.name = std::string(name), .doc = std::string(doc)});
    return;
  }
  declare(name);
}

void Fields::options(OptionSet& set, OptionLevel level) {
  if (schema_) return describe_options(level);
  for (const OptionField& option : reader_->context().option_fields) {
    if (!option.levels().has(level)) continue;
    const NodeMember* member = declare(option.name());
    if (!member) continue;
    const size_t errors_before = reader_->errors();
    const Reader::Step step(*reader_, option.name());
    const std::shared_ptr<void> value = option.type().make();
    read_value(option.type(), member->value, value.get(), *reader_);
    declared_.back().good = reader_->errors() == errors_before;
    set.put({option.name(), &option.type(), value, member->place});
  }
  for (const std::string_view name : known_option_names(level))
    if (!declared(name)) unsupported(name);
}

void Fields::describe_options(OptionLevel level) {
  const auto has = [&](std::string_view name) {
    return std::ranges::find(schema_->fields, name, &SchemaField::name) != schema_->fields.end();
  };
  for (const OptionField& option : option_fields_) {
    if (!option.levels().has(level)) continue;
    const std::shared_ptr<void> value = option.type().make();
    field(option.name(), option.type(), value.get(), option.doc(), false, {});
  }
  for (const std::string_view name : known_option_names(level))
    if (!has(name)) unsupported(name);
}

void Fields::finish() {
  if (!reader_) return;
  const Node::Map& members = *node_->map();
  std::vector<std::string_view> names;
  for (const Declared& entry : declared_) names.push_back(entry.name);
  for (size_t i = 0; i < members.size(); ++i) {
    if (used_[i]) continue;
    const std::string& written = camel_.empty() || camel_[i].empty() ? members[i].key : camel_[i];
    const auto near = reader_->errors() < kSuggestionsMax ? nearest(written, names) : std::nullopt;
    const Reader::Step step(*reader_, members[i].key);
    reader_->error(members[i].place, "unknown field", std::string(near.value_or("")));
  }
}

const Fields::Declared* Fields::declared(std::string_view name) const {
  const auto it = std::ranges::find(declared_, name, &Declared::name);
  return it == declared_.end() ? nullptr : &*it;
}

bool Fields::present(std::string_view name) const {
  const Declared* entry = declared(name);
  return entry && entry->member;
}

bool Fields::good(std::string_view name) const {
  const Declared* entry = declared(name);
  return !entry || entry->good;
}

const Node* Fields::node(std::string_view name) const {
  const Declared* entry = declared(name);
  return entry && entry->member ? &entry->member->value : nullptr;
}

Place Fields::place_of(std::string_view name) const {
  const Declared* entry = declared(name);
  return entry && entry->member ? entry->member->place : node_->place();
}

void Fields::error(std::string_view name, std::string message) {
  if (!reader_) return;
  const Reader::Step step(*reader_, name);
  reader_->error(place_of(name), std::move(message));
}

void Fields::error(std::string_view name, size_t index, std::string message) {
  if (!reader_) return;
  const Reader::Step step(*reader_, name);
  const Reader::Step inner(*reader_, index);
  const Node* whole = node(name);
  const Node::List* list = whole ? whole->list() : nullptr;
  reader_->error(list && index < list->size() ? (*list)[index].place() : place_of(name), std::move(message));
}

void Fields::warning(std::string_view name, std::string message) {
  if (!reader_) return;
  const Reader::Step step(*reader_, name);
  reader_->warning(place_of(name), std::move(message));
}

void Fields::check(bool holds, std::string_view name, std::string_view message) {
  if (!holds && reader_ && good(name)) error(name, std::string(message));
}

void Fields::check_range(std::string_view name, int64_t value, int64_t min, int64_t max) {
  if (value >= min && value <= max) return;
  check(false, name, fmt::format("must be from {} to {}, not {}", min, max, value));
}

void Fields::positive(std::string_view name, Nanos value) {
  if (value <= Nanos(0)) check(false, name, fmt::format("must be more than 0, not {}", format_duration(value)));
}

void Fields::not_negative(std::string_view name, Nanos value) {
  if (value < Nanos(0)) check(false, name, fmt::format("must not be negative, not {}", format_duration(value)));
}

void Fields::regex(std::string_view name, std::string_view pattern) {
  if (!reader_ || !good(name)) return;
  if (std::string why = regex_error(pattern); !why.empty()) error(name, std::move(why));
}

size_t Fields::count_present(std::initializer_list<std::string_view> names) const {
  return static_cast<size_t>(std::ranges::count_if(names, [&](std::string_view name) { return present(name); }));
}

void Fields::one_of(std::initializer_list<std::string_view> names) {
  if (schema_) {
    schema_->one_ofs.emplace_back(names.begin(), names.end());
    return;
  }
  if (count_present(names) < 2) return;
  std::vector<std::string_view> set;
  for (const std::string_view name : names)
    if (present(name)) set.push_back(name);
  error(set[1], fmt::format("only one of {} may be set", fmt::join(set, ", ")));
}

void Fields::exactly_one(std::initializer_list<std::string_view> names) {
  one_of(names);
  if (reader_ && count_present(names) == 0)
    reader_->error(node_->place(), fmt::format("one of {} must be set", fmt::join(names, ", ")));
}

// ---- The types of this header ----

void bind(Fields&, Empty&) {}

void bind(Fields& f, ObjectRef& ref) {
  f.required("name", ref.name, "Name of the object.");
  f.optional("namespace", ref.ns, "Its namespace.");
}

}  // namespace sluice
