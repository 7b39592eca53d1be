// The list of fields of one struct, when it is read and when it is described.
#include <fmt/format.h>
#include <algorithm>

#include "base/strings.h"
#include "config/bind.h"
#include "config/field_names.h"
#include "config/option_field.h"
#include "config/regex.h"
#include "regex/compile.h"

namespace sluice {
namespace {

constexpr size_t kLeastCost = 32;  // of any expression, in instructions

constexpr size_t kSuggestionsMax = 100;  // of one object; looking for near names costs time

}  // namespace

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
  declared_.push_back({.name = name, .member = found});
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
  else if (is_required && is_perhaps_misspelt(name))
    missing_.push_back({name, std::string(hint)});
  else if (is_required)
    tell_missing({name, std::string(hint)});
  declared_.back().good = (member || !is_required) && reader_->errors() == errors_before;
  return member != nullptr;
}

std::string Fields::written() const {
  return node_ ? to_json(*node_) : std::string();
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
  declared_.back().refused = true;
}

void Fields::unsupported(std::initializer_list<std::string_view> names) {
  for (const std::string_view name : names) unsupported(name);
}

void Fields::refused(std::string_view name, std::string_view why) {
  if (schema_) {
    schema_->fields.push_back({.name = std::string(name), .supported = false, .refused = std::string(why)});
    return;
  }
  if (const NodeMember* member = declare(name)) {
    const Reader::Step step(*reader_, name);
    reader_->error(member->place, fmt::format("cannot be had here: {}", why));
    declared_.back().good = false;
  }
  declared_.back().refused = true;
}

void Fields::ignored(std::string_view name, std::string_view doc) {
  if (schema_) {
    schema_->fields.push_back({.name = std::string(name), .doc = std::string(doc)});
    return;
  }
  declare(name);
}

void Fields::without_effect(std::string_view name, std::string_view why) {
  ignored(name, fmt::format("No effect: {}.", why));
  if (!present(name)) return;
  const Node& value = *node(name);
  const bool asks_for_nothing = value == Node(false) || (value.list() && value.list()->empty());
  if (!asks_for_nothing) warning(name, fmt::format("has no effect: {}", why));
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
    reader_->context().level = level;
    read_value(option.type(), member->value, value.get(), *reader_);
    reader_->context().level.reset();
    declared_.back().good = reader_->errors() == errors_before;
    set.put({option.name(), &option.type(), value, member->place});
  }
  for (const OptionField& option : reader_->context().option_fields)
    if (option.levels().has(level) && present(option.name())) check_excluded(option);
  for (const std::string_view name : known_option_names(level))
    if (!declared(name)) unsupported(name);
}

void Fields::check_excluded(const OptionField& option) {
  for (const std::string_view other : option.excluded())
    if (present(other)) error(option.name(), fmt::format("cannot stand beside {}: {}", other, option.why_excluded()));
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
  names.reserve(declared_.size());
  for (const Declared& entry : declared_) names.push_back(entry.name);
  for (size_t i = 0; i < members.size(); ++i) {
    if (used_[i]) continue;
    const std::string& written = camel_.empty() || camel_[i].empty() ? members[i].key : camel_[i];
    const auto near = reader_->errors() < kSuggestionsMax ? nearest(written, names) : std::nullopt;
    const Reader::Step step(*reader_, members[i].key);
    reader_->unknown_field(written, members[i].place, std::string(near.value_or("")));
    if (near) std::erase_if(missing_, [&](const Missing& one) { return one.name == *near; });  // told by that
  }
  for (const Missing& one : missing_) {
    const Reader::Step step(*reader_, one.name);
    tell_missing(one);
  }
}

// Inside the step of its name.
void Fields::tell_missing(const Missing& one) {
  reader_->error(node_->place(), one.hint.empty() ? "is required" : fmt::format("is required: {}", one.hint));
}

// A member that no field has taken yet is written nearly so.
bool Fields::is_perhaps_misspelt(std::string_view name) const {
  const Node::Map& members = *node_->map();
  for (size_t i = 0; i < members.size(); ++i)
    if (!used_[i] && reader_->errors() < kSuggestionsMax && nearest(members[i].key, std::span(&name, 1))) return true;
  return false;
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
  if (entry && entry->member) return entry->member->place;
  return node_ ? node_->place() : Place();
}

void Fields::error(std::string_view name, std::string message) {
  if (!reader_) return;
  const Reader::Step step(*reader_, name);
  reader_->error(place_of(name), std::move(message));
}

void Fields::tell(Severity severity, std::string_view name, size_t index, std::string message) {
  if (!reader_) return;
  const Reader::Step step(*reader_, name);
  const Reader::Step inner(*reader_, index);
  const Node* whole = node(name);
  const Node::List* list = whole ? whole->list() : nullptr;
  const Place place = list && index < list->size() ? (*list)[index].place() : place_of(name);
  reader_->tell_below(severity, {}, place, std::move(message));
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
  if (reader_ && good(name) && may_compile()) compiled(name, {}, regex_program(pattern));
}

void Fields::regex(std::string_view name, size_t index, std::string_view pattern) {
  if (reader_ && may_compile()) compiled(name, index, regex_program(pattern));
}

bool Fields::may_compile() const {
  return reader_->context().instructions <= kObjectProgramMax;
}

void Fields::compiled(std::string_view name, std::optional<size_t> index, const Result<size_t>& instructions) {
  const auto tell = [&](std::string message) {
    index ? error(name, *index, std::move(message)) : error(name, std::move(message));
  };
  if (!instructions) tell(instructions.error().message);
  const bool was_too_large = !instructions && instructions.error().kind == ErrorKind::limit;
  // To read the text takes time, too, also where little or nothing comes of it.
  reader_->context().instructions += was_too_large ? regex::kProgramMax : kLeastCost + instructions.value_or(0);
  if (!may_compile())  // told once: what follows is not compiled
    tell(
        fmt::format("up to here the regular expressions of this object compile to more than {} instructions: "
                    "a{{1000}} has a thousand of them; put some into another object",
                    kObjectProgramMax));
}

size_t Fields::count_present(std::initializer_list<std::string_view> names) const {
  return static_cast<size_t>(std::ranges::count_if(names, [&](std::string_view name) { return present(name); }));
}

void Fields::one_of(std::initializer_list<std::string_view> names) {
  if (schema_) {
    schema_->one_ofs.emplace_back(names.begin(), names.end());
    return;
  }
  std::vector<std::string_view> set;  // without what is refused anyway: one error each is enough
  for (const std::string_view name : names)
    if (present(name) && !declared(name)->refused) set.push_back(name);
  if (set.size() < 2) return;
  error(set[1], fmt::format("only one of {} may be set", fmt::join(set, ", ")));
}

void Fields::exactly_one(std::initializer_list<std::string_view> names) {
  one_of(names);
  if (!reader_ || count_present(names) > 0) return;
  std::vector<std::string_view> choice;
  for (const std::string_view name : names)
    if (!declared(name)->refused) choice.push_back(name);
  reader_->error(node_->place(),
                 fmt::format("{}{} must be set", choice.size() > 1 ? "one of " : "", fmt::join(choice, ", ")));
}

void bind(Fields&, Empty&) {}

void bind(Fields& f, ObjectRef& ref) {
  f.required("name", ref.name, "Name of the object.");
  f.optional("namespace", ref.ns, "Its namespace.");
}

}  // namespace sluice
