// Options of listeners, virtual hosts, routes and weighted destinations that filters bring along.
//
// A filter says which fields it provides and of which type; the kinds read them into an OptionSet without knowing any
// filter:
//
//   std::vector<OptionField> JwtFilter::option_fields() const {
//     return {option_field<JwtOptions>("jwt", OptionLevel::virtual_host, "Checks tokens."),
//             option_field<JwtRouteOptions>("jwt", OptionLevel::route, "Switches the check off.")};
//   }
//   if (const auto* jwt = virtual_host.options.filters.get<JwtOptions>("jwt")) ...
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "config/bind.h"
#include "config/node.h"

namespace sluice {

enum class OptionLevel : uint8_t { listener = 1, virtual_host = 2, route = 4, weighted_destination = 8 };

// A set of levels.
class OptionLevels {
 public:
  constexpr OptionLevels(OptionLevel level) : bits_(static_cast<uint8_t>(level)) {}
  constexpr bool has(OptionLevel level) const { return (bits_ & static_cast<uint8_t>(level)) != 0; }
  friend constexpr OptionLevels operator|(OptionLevels a, OptionLevels b) {
    a.bits_ |= b.bits_;
    return a;
  }

 private:
  uint8_t bits_;
};
constexpr OptionLevels operator|(OptionLevel a, OptionLevel b) {
  return OptionLevels(a) | OptionLevels(b);
}

std::string_view option_level_name(OptionLevel level);

// A field that a filter provides. Two filters may not provide one name at one level.
class OptionField {
 public:
  OptionField(std::string_view name, OptionLevels levels, std::string_view doc, const ValueType& type)
      : name_(name), levels_(levels), doc_(doc), type_(&type) {}

  const std::string& name() const { return name_; }
  OptionLevels levels() const { return levels_; }
  const std::string& doc() const { return doc_; }
  const ValueType& type() const { return *type_; }
  // Options of the level that may not be set beside it, and why in a sentence.
  OptionField excluding(std::vector<std::string_view> names, std::string_view why) && {
    excluded_ = std::move(names);
    why_excluded_ = why;
    return std::move(*this);
  }
  std::span<const std::string_view> excluded() const { return excluded_; }
  std::string_view why_excluded() const { return why_excluded_; }

 private:
  std::string name_;
  OptionLevels levels_;
  std::string doc_;
  const ValueType* type_;
  std::vector<std::string_view> excluded_;
  std::string_view why_excluded_;
};

// T is any type that a field may have (config/bind.h), usually a struct with bind().
template <class T>
OptionField option_field(std::string_view name, OptionLevels levels, std::string_view doc) {
  return OptionField(name, levels, doc, kValueType<T>);
}

// The options that were set on one object. Values never change; copies share them.
class OptionSet {
 public:
  struct Entry {
    std::string name;
    const ValueType* type;
    std::shared_ptr<const void> value;
    Place place;
  };

  // nullptr when it is not set. A name that holds another type is a CHECK: filter and field list disagree.
  template <class T>
  const T* get(std::string_view name) const {
    return static_cast<const T*>(get(name, kValueType<T>));
  }

  bool has(std::string_view name) const;
  bool empty() const { return entries_.empty(); }
  std::span<const Entry> entries() const { return entries_; }

  // In place of an entry of that name; for tests and for merging levels.
  template <class T>
  void set(std::string_view name, T value) {
    put({std::string(name), &kValueType<T>, std::make_shared<const T>(std::move(value)), {}});
  }
  void put(Entry entry);

 private:
  const void* get(std::string_view name, const ValueType& type) const;

  std::vector<Entry> entries_;
};

// Every option name that Gloo knows at the level, whether or not it is supported here.
std::span<const std::string_view> known_option_names(OptionLevel level);

}  // namespace sluice
