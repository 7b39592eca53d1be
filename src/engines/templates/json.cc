#include "engines/templates/json.h"

#include <cmath>
#include <limits>

#include <nlohmann/json.hpp>

#include "base/json_depth.h"
#include "base/strings.h"

namespace sluice::templates {
namespace {

Result<Path> pointer_path(const std::string& pointer) {
  try {
    nlohmann::json::json_pointer left(pointer);
    Path path;
    while (!left.empty()) {
      path.push_back(left.back());
      left.pop_back();
    }
    std::reverse(path.begin(), path.end());
    return path;
  } catch (const nlohmann::json::exception& e) {
    return invalid(e.what());
  }
}

}  // namespace

Result<Json> parse_json(std::string_view text) {
  if (json_deeper_than(text, kJsonDepthMax)) {
    return fail(ErrorKind::limit, fmt::format("JSON with more than {} levels of arrays and objects", kJsonDepthMax));
  }
  // Versions of the library word this one differently; Gloo's says so.
  if (text.empty()) {
    return invalid(
        "[json.exception.parse_error.101] parse error at line 1, column 1: syntax error while parsing value - "
        "unexpected end of input; expected '[', '{', or a literal");
  }
  try {
    return Json::parse(text);
  } catch (const Json::exception& e) {
    return invalid(e.what());
  }
}

Result<std::string> print_json(const Json& value) {
  try {
    return value.dump();
  } catch (const Json::exception& e) {
    return invalid(e.what());
  }
}

Result<Path> dotted_path(std::string_view name) {
  // One dot at the very end is dropped, as Inja does.
  if (name.size() > 1 && name.ends_with('.')) name.remove_suffix(1);
  std::string pointer = "/";
  for (const char c : name) pointer += c == '.' ? '/' : c;
  return pointer_path(pointer);
}

Result<Path> slashed_path(std::string_view name) {
  return pointer_path(name.starts_with('/') ? std::string(name) : "/" + std::string(name));
}

const Json* find(const Json& root, const Path& path) {
  const Json* at = &root;
  for (const std::string& key : path) {
    if (at->is_object()) {
      const auto& object = at->get_ref<const Json::object_t&>();
      const auto member = object.find(key);
      if (member == object.end()) return nullptr;
      at = &member->second;
    } else if (at->is_array()) {
      const auto& array = at->get_ref<const Json::array_t&>();
      const auto index = parse_decimal(key);
      if (!index || *index >= array.size() || (key.size() > 1 && key.front() == '0')) return nullptr;
      at = &array[*index];
    } else {
      return nullptr;
    }
  }
  return at;
}

int64_t whole_number(const Json& value) {
  constexpr double kEdge = 9223372036854775808.0;  // 2^63
  if (!value.is_number_float()) return value.get<int64_t>();
  const auto number = value.get<double>();
  if (std::isnan(number)) return 0;
  if (number >= kEdge) return std::numeric_limits<int64_t>::max();
  if (number < -kEdge) return std::numeric_limits<int64_t>::min();
  return static_cast<int64_t>(number);
}

Weight weigh(const Json& value) {
  Weight total{.bytes = sizeof(Json), .depth = 0};
  if (value.is_string()) total.bytes += value.get_ref<const std::string&>().size();
  if (!value.is_structured()) return total;
  for (auto it = value.begin(); it != value.end(); ++it) {
    const Weight part = weigh(*it);
    total.bytes += part.bytes + (value.is_object() ? 64 + it.key().size() : 0);
    total.depth = std::max(total.depth, part.depth);
  }
  ++total.depth;
  return total;
}

}  // namespace sluice::templates
