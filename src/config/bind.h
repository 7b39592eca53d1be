// One list of fields per config struct is its parser, its error messages and its documentation:
//
//   struct RouteOptions { std::optional<Nanos> timeout; uint32_t retries = 0; };
//
//   void bind(Fields& f, RouteOptions& o) {
//     f.optional("timeout", o.timeout, "Longest time to wait for the response.");
//     f.optional("retries", o.retries, "How often to try again.");
//     f.in_range("retries", o.retries, 0, 10);
//   }
//
// `bind` is found in the namespace of the struct; declare it beside the struct when others nest it. It runs in two
// modes: reading (fields are filled in, problems go to the Diagnostics, all at once) and describing (a Schema is built;
// nothing is read, checks do nothing; the struct holds its defaults).
//
// What a field may be: bool, whole numbers, double, float, std::string, Nanos ("250ms"), an enum with enum_names(), a
// struct with bind(), Node (free form), std::optional of these (tells "absent" from "zero"), std::vector (list),
// std::map<std::string, T> or std::vector<std::pair<std::string, T>> (map, sorted or in document order), Empty ({}).
//
// Names are lowerCamelCase; the snake_case spelling of each is read too. `null` is "not set". An unknown field is an
// error with a suggestion. Rules: reference gloo-core.md 0.
#pragma once

#include <concepts>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include "base/time.h"
#include "config/diagnostics.h"
#include "config/node.h"

namespace sluice {

class Fields;
class OptionField;
class OptionSet;
class WrongPlace;
struct ValueType;
enum class OptionLevel : uint8_t;

// An object whose presence is the value.
struct Empty {
  friend bool operator==(const Empty&, const Empty&) = default;
};
void bind(Fields& f, Empty& empty);

// Another object by name. What an empty namespace means is up to the field (usually: that of the object it stands in).
struct ObjectRef {
  std::string name;
  std::string ns;
  friend auto operator<=>(const ObjectRef&, const ObjectRef&) = default;
};
void bind(Fields& f, ObjectRef& ref);

// The spellings of an enum, found by argument-dependent lookup:
//   constexpr EnumName kActionNames[] = {{"allow", 0}, {"deny", 1}};
//   std::span<const EnumName> enum_names(Action) { return kActionNames; }
struct EnumName {
  std::string_view name;
  int64_t value = 0;
};

// ---- What a value may look like, for docs and JSON schema ----

enum class Shape : uint8_t { boolean, integer, number, text, duration, enumeration, list, map, object, any };

struct SchemaField;
struct Schema {
  Shape shape = Shape::any;
  bool is_signed = true;                          // integer
  unsigned bits = 64;                             // integer
  std::vector<std::string_view> enum_names;       // enumeration
  std::unique_ptr<Schema> element;                // list, map
  std::vector<SchemaField> fields;                // object
  std::vector<std::vector<std::string>> one_ofs;  // object: of each group at most one may be set
};

struct SchemaField {
  std::string name;
  std::string doc;
  std::string default_text;  // "" for none
  bool required = false;
  bool supported = true;  // false: refused with "not supported yet"
  std::string refused;    // why it will never be supported, and is refused; then `supported` is false, too
  Schema schema;
};

// ---- Reading ----

// What the reading of one object knows: where it comes from, where problems go, which options filters provide.
struct ReadContext {
  std::string file;
  ObjectKey object;
  Diagnostics* diagnostics = nullptr;
  std::span<const OptionField> option_fields;
  bool redact = false;                    // never quote values in messages (Secrets)
  std::optional<OptionLevel> level = {};  // whose options are being read
  WrongPlace* elsewhere = nullptr;        // knows where a field belongs that stands where it does not
  size_t instructions = 0;                // what its regular expressions compiled to so far
};

// The place in the tree where reading stands. Made by read_object(); custom readers get it by Fields::reader().
class Reader {
 public:
  explicit Reader(ReadContext& context) : context_(context) {}

  ReadContext& context() { return context_; }
  void error(Place place, std::string message, std::string suggestion = {});
  void warning(Place place, std::string message);
  // The field where reading stands: where it belongs, if it is known elsewhere, else the near spelling.
  void unknown_field(std::string_view key, Place place, std::string suggestion);
  // About what stands some steps below.
  void tell_below(Severity severity, std::span<const std::string_view> keys, Place place, std::string message);
  // "expected <what>, got <the node>".
  void wrong_type(const Node& node, std::string_view what);
  // The node for a message: as JSON, or only its type when it is long or must not be shown.
  std::string quoted(const Node& node) const;
  std::string path() const;
  // Counts up with each error, so that a caller can tell whether something failed.
  size_t errors() const { return errors_; }

  // One step down for the life of the object.
  class Step {
   public:
    Step(Reader& reader, std::string_view key);
    Step(Reader& reader, size_t index);
    Step(const Step&) = delete;
    Step& operator=(const Step&) = delete;
    ~Step();

   private:
    Reader& reader_;
  };

 private:
  struct Segment {
    std::string_view key;
    size_t index = 0;
    bool is_index = false;
  };
  void tell(Severity severity, Place place, std::string message, std::string suggestion = {});

  ReadContext& context_;
  std::vector<Segment> path_;
  size_t errors_ = 0;
};

// Type-erased knowledge about a C++ type that a field may have; kValueType<T> is the only instance for T.
struct ValueType {
  Shape shape = Shape::any;
  uint8_t size = 0;
  bool is_signed = false;
  bool is_optional = false;                                          // std::optional around `element`
  std::span<const EnumName> (*names)() = nullptr;                    // enumeration
  const ValueType* element = nullptr;                                // optional, list, map
  void* (*append)(void* container, std::string_view key) = nullptr;  // optional, list, map: a new element to read into
  void (*clear)(void* container) = nullptr;                          // list
  const void* (*value)(const void* optional) = nullptr;              // optional: what it holds, or nullptr
  void (*bind)(Fields& f, void* object) = nullptr;                   // object
  std::shared_ptr<void> (*make)() = nullptr;                         // a default-constructed value
};

// Reads a value of the type. Problems go to the reader; what was understood is filled in.
void read_value(const ValueType& type, const Node& node, void* value, Reader& reader);
// With the options that filters provide, where the type has options.
Schema describe_value(const ValueType& type, const void* value, std::span<const OptionField> option_fields = {});
// A value as a default in documentation; "" for what says nothing (zeros, empty texts, lists).
std::string default_text(const ValueType& type, const void* value);

class Fields {
 public:
  // Each returns whether the field is there (and not null); always false when describing. The hint says in the message
  // what to write when the field is missing.
  template <class T>
  bool optional(std::string_view name, T& value, std::string_view doc);
  template <class T>
  bool required(std::string_view name, T& value, std::string_view doc, std::string_view hint = {});

  // Known, and refused when set: "not supported yet".
  void unsupported(std::string_view name, std::string_view doc = {});
  void unsupported(std::initializer_list<std::string_view> names);
  // Known, and refused when set for good: "cannot be had here: <why>".
  void refused(std::string_view name, std::string_view why);
  // Known, and kept there by somebody else: says nothing about what is wanted.
  void ignored(std::string_view name, std::string_view doc);
  // Known, and of no effect here, which a warning says: "has no effect: <why>". Nothing is said of `false` and of an
  // empty list, which ask for nothing.
  void without_effect(std::string_view name, std::string_view why);
  // Every option of the level: those that filters provide go into the set, other known names are "not supported yet".
  void options(OptionSet& set, OptionLevel level);

  // After the fields are named: at most one, or exactly one of them may be set. One that is not supported yet has its
  // own error and does not count against another.
  void one_of(std::initializer_list<std::string_view> names);
  void exactly_one(std::initializer_list<std::string_view> names);

  // An error at the field unless it holds; said only if the field itself was read well.
  void check(bool holds, std::string_view name, std::string_view message);
  template <std::integral T>
  void in_range(std::string_view name, T value, int64_t min, int64_t max) {
    check_range(name, static_cast<int64_t>(value), min, max);
  }
  template <std::integral T>
  void in_range(std::string_view name, const std::optional<T>& value, int64_t min, int64_t max) {
    if (value) check_range(name, static_cast<int64_t>(*value), min, max);
  }
  void positive(std::string_view name, Nanos value);  // durations: more than 0
  void positive(std::string_view name, const std::optional<Nanos>& value) {
    if (value) positive(name, *value);
  }
  void not_negative(std::string_view name, Nanos value);
  void not_negative(std::string_view name, const std::optional<Nanos>& value) {
    if (value) not_negative(name, *value);
  }
  // An RE2 regular expression that compiles within the program size.
  void regex(std::string_view name, std::string_view pattern);
  void regex(std::string_view name, size_t index, std::string_view pattern);
  // For those that compile by themselves: whether the object's share is not used up yet, and what it was compiled to,
  // or the error; `index` where it is one of a list.
  bool may_compile() const;
  void compiled(std::string_view name, std::optional<size_t> index, const Result<size_t>& instructions);

  void error(std::string_view name, std::string message);
  void warning(std::string_view name, std::string message);
  // About one entry of a list field.
  void error(std::string_view name, size_t index, std::string message) {
    tell(Severity::error, name, index, std::move(message));
  }
  void tell(Severity severity, std::string_view name, size_t index, std::string message);

  bool present(std::string_view name) const;
  // Whether the field was read without an error (absent counts as good).
  bool good(std::string_view name) const;
  bool reading() const { return reader_ != nullptr; }
  // Whether this is (within) an option of that level.
  bool reading(OptionLevel level) const { return reader_ && reader_->context().level == level; }
  Reader& reader() { return *reader_; }           // only when reading
  const Node* node(std::string_view name) const;  // as written; nullptr when absent or describing
  // All of the object as compact JSON: equal texts are equal objects. Empty when describing.
  std::string written() const;
  // Where the field stands, for a warning that only its parent can give; that of the object when it is absent.
  Place place_of(std::string_view name) const;

  // For read_value and describe_value.
  Fields(Reader& reader, const Node& node);
  Fields(Schema& schema, std::span<const OptionField> option_fields)
      : schema_(&schema), option_fields_(option_fields) {}
  void finish();

 private:
  struct Declared {
    std::string_view name;
    const NodeMember* member = nullptr;
    bool good = true;
    bool refused = false;  // "not supported yet"
  };
  bool field(std::string_view name, const ValueType& type, void* value, std::string_view doc, bool is_required,
             std::string_view hint);
  const NodeMember* declare(std::string_view name);
  void describe_options(OptionLevel level);
  void check_excluded(const OptionField& option);
  const Declared* declared(std::string_view name) const;
  struct Missing {
    std::string_view name;
    std::string hint;
  };
  bool is_perhaps_misspelt(std::string_view name) const;
  void tell_missing(const Missing& one);
  void check_range(std::string_view name, int64_t value, int64_t min, int64_t max);
  size_t count_present(std::initializer_list<std::string_view> names) const;

  Reader* reader_ = nullptr;
  Schema* schema_ = nullptr;
  std::span<const OptionField> option_fields_;  // describing
  const Node* node_ = nullptr;
  std::vector<Declared> declared_;
  std::vector<Missing> missing_;    // required ones for which an unknown field may be meant: told at the end
  std::vector<bool> used_;          // per member of the node
  std::vector<std::string> camel_;  // per member: its name in camel case, when it was written with underscores
};

namespace config_detail {

template <class T>
struct Container : std::false_type {};
template <class T>
struct Container<std::optional<T>> : std::true_type {
  using Element = T;
  static constexpr Shape kShape = Shape::any;
  static void* append(void* c, std::string_view) { return &static_cast<std::optional<T>*>(c)->emplace(); }
};
template <class T>
struct Container<std::vector<T>> : std::true_type {
  using Element = T;
  static constexpr Shape kShape = Shape::list;
  static void* append(void* c, std::string_view) { return &static_cast<std::vector<T>*>(c)->emplace_back(); }
};
template <class T>
struct Container<std::map<std::string, T, std::less<>>> : std::true_type {
  using Element = T;
  static constexpr Shape kShape = Shape::map;
  static void* append(void* c, std::string_view key) {
    return &(*static_cast<std::map<std::string, T, std::less<>>*>(c))[std::string(key)];
  }
};
template <class T>
struct Container<std::map<std::string, T>> : std::true_type {
  using Element = T;
  static constexpr Shape kShape = Shape::map;
  static void* append(void* c, std::string_view key) {
    return &(*static_cast<std::map<std::string, T>*>(c))[std::string(key)];
  }
};
template <class T>
struct Container<std::vector<std::pair<std::string, T>>> : std::true_type {
  using Element = T;
  static constexpr Shape kShape = Shape::map;
  static void* append(void* c, std::string_view key) {
    return &static_cast<std::vector<std::pair<std::string, T>>*>(c)->emplace_back(std::string(key), T()).second;
  }
};

template <class T>
struct IsOptional : std::false_type {};
template <class T>
struct IsOptional<std::optional<T>> : std::true_type {};

template <class T>
consteval ValueType make_value_type();

}  // namespace config_detail

template <class T>
inline constexpr ValueType kValueType = config_detail::make_value_type<T>();

namespace config_detail {

template <class T>
consteval ValueType make_value_type() {
  ValueType type;
  type.make = [] { return std::shared_ptr<void>(std::make_shared<T>()); };
  if constexpr (std::same_as<T, bool>) {
    type.shape = Shape::boolean;
  } else if constexpr (std::is_enum_v<T>) {
    type.shape = Shape::enumeration;
    type.size = sizeof(T);
    type.names = [] { return std::span<const EnumName>(enum_names(T{})); };
  } else if constexpr (std::integral<T>) {
    type.shape = Shape::integer;
    type.size = sizeof(T);
    type.is_signed = std::signed_integral<T>;
  } else if constexpr (std::floating_point<T>) {
    type.shape = Shape::number;
    type.size = sizeof(T);
  } else if constexpr (std::same_as<T, std::string>) {
    type.shape = Shape::text;
  } else if constexpr (std::same_as<T, Nanos>) {
    type.shape = Shape::duration;
  } else if constexpr (std::same_as<T, Node>) {
    type.shape = Shape::any;
  } else if constexpr (Container<T>::value) {
    type.shape = Container<T>::kShape;
    type.append = Container<T>::append;
    type.element = &kValueType<typename Container<T>::Element>;
    if constexpr (Container<T>::kShape == Shape::list) type.clear = [](void* c) { static_cast<T*>(c)->clear(); };
    if constexpr (IsOptional<T>::value) {
      type.is_optional = true;
      type.shape = type.element->shape;
      type.value = [](const void* c) -> const void* {
        const auto& held = *static_cast<const T*>(c);
        return held ? &*held : nullptr;
      };
    }
  } else {
    type.shape = Shape::object;
    type.bind = [](Fields& f, void* object) { bind(f, *static_cast<T*>(object)); };
  }
  return type;
}

}  // namespace config_detail

template <class T>
bool Fields::optional(std::string_view name, T& value, std::string_view doc) {
  return field(name, kValueType<T>, &value, doc, false, {});
}
template <class T>
bool Fields::required(std::string_view name, T& value, std::string_view doc, std::string_view hint) {
  return field(name, kValueType<T>, &value, doc, true, hint);
}

// Reads a whole struct from a node; the path in messages begins with `path`.
template <class T>
T read(const Node& node, ReadContext& context, std::string_view path = {}) {
  T value{};
  Reader reader(context);
  if (path.empty()) {
    read_value(kValueType<T>, node, &value, reader);
  } else {
    const Reader::Step step(reader, path);
    read_value(kValueType<T>, node, &value, reader);
  }
  return value;
}

template <class T>
Schema describe(std::span<const OptionField> option_fields = {}) {
  T value{};
  return describe_value(kValueType<T>, &value, option_fields);
}

}  // namespace sluice
