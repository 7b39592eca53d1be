// A value while a template runs: text that lies somewhere, JSON that lies somewhere, JSON made on the way, or
// "missing".
#pragma once

#include <nlohmann/json.hpp>
#include <optional>
#include <string_view>
#include <variant>

#include "engines/templates/json.h"

namespace sluice::templates {

// A variable that nobody knows: an error as soon as something other than default() uses it.
struct Missing {
  uint32_t variable;
  uint32_t position;
};

class Value {
 public:
  Value(Missing missing) : held_(missing) {}          // NOLINT(google-explicit-constructor)
  Value(std::string_view text) : held_(text) {}       // NOLINT(google-explicit-constructor)
  Value(const Json* elsewhere) : held_(elsewhere) {}  // NOLINT(google-explicit-constructor)
  Value(Json&& owned) : held_(std::move(owned)) {}    // NOLINT(google-explicit-constructor)
  static Value boolean(bool value);

  const Missing* missing() const { return std::get_if<Missing>(&held_); }
  bool is_owned() const { return std::holds_alternative<Json>(held_); }
  // The text of a string.
  std::optional<std::string_view> text() const;
  // As JSON; turns text into an own string first. Not for missing values.
  const Json& json();
  // As JSON to keep.
  Json take() &&;
  // False, 0, null and empty lists and objects are not true. Every string is, the empty one too: so it is in Gloo.
  bool is_true() const;

 private:
  std::variant<Missing, std::string_view, const Json*, Json> held_;
};

// How a value is printed: strings as they are (or as within JSON quotes), null as nothing, all else as compact JSON.
enum class Escape : uint8_t { none, json };
Status print(const Value& value, Escape escape, std::string& out);
// Text as within JSON quotes. Fails where it is not UTF-8.
Status print_text(std::string_view text, Escape escape, std::string& out);

}  // namespace sluice::templates
