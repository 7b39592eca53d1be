#include "engines/templates/value.h"

namespace sluice::templates {
namespace {

bool needs_no_escape(std::string_view text) {
  return std::ranges::all_of(text, [](char c) { return c >= 0x20 && c < 0x7F && c != '"' && c != '\\'; });
}

bool is_true_json(const Json& value) {
  if (value.is_boolean()) return value.get<bool>();
  if (value.is_number()) return value != 0;
  return !value.empty();  // the library's word for lists, objects and null; no string is empty to it
}

}  // namespace

Value Value::boolean(bool value) {
  static const Json kTrue = true, kFalse = false;
  return value ? &kTrue : &kFalse;
}

std::optional<std::string_view> Value::text() const {
  if (const auto* text = std::get_if<std::string_view>(&held_)) return *text;
  const Json* json = std::get_if<Json>(&held_);
  if (const auto* elsewhere = std::get_if<const Json*>(&held_)) json = *elsewhere;
  if (!json || !json->is_string()) return std::nullopt;
  return json->get_ref<const std::string&>();
}

const Json& Value::json() {
  if (const auto* elsewhere = std::get_if<const Json*>(&held_)) return **elsewhere;
  if (const auto* text = std::get_if<std::string_view>(&held_)) held_ = Json(std::string(*text));
  return std::get<Json>(held_);
}

Json Value::take() && {
  json();
  if (const auto* elsewhere = std::get_if<const Json*>(&held_)) return **elsewhere;
  return std::move(std::get<Json>(held_));
}

bool Value::is_true() const {
  if (std::holds_alternative<std::string_view>(held_)) return true;
  if (const auto* elsewhere = std::get_if<const Json*>(&held_)) return is_true_json(**elsewhere);
  return is_true_json(std::get<Json>(held_));
}

Status print_text(std::string_view text, Escape escape, std::string& out) {
  if (escape == Escape::none || needs_no_escape(text)) {
    out += text;
    return {};
  }
  const std::string quoted = TRY(print_json(Json(std::string(text))));
  out += std::string_view(quoted).substr(1, quoted.size() - 2);
  return {};
}

Status print(const Value& value, Escape escape, std::string& out) {
  if (const auto text = value.text()) return print_text(*text, escape, out);
  const Json& json = const_cast<Value&>(value).json();  // no text: json() changes nothing
  if (json.is_null()) return {};
  out += TRY(print_json(json));
  return {};
}

}  // namespace sluice::templates
