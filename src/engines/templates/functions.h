// The functions a template may call: their names and how many arguments they take.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

namespace sluice::templates {

enum class Function : uint8_t {
  // Inja's
  at,
  default_,
  divisible_by,
  even,
  exists,
  exists_in,
  first,
  float_,
  int_,
  is_array,
  is_boolean,
  is_float,
  is_integer,
  is_number,
  is_object,
  is_string,
  join,
  last,
  length,
  lower,
  max,
  min,
  odd,
  range,
  round,
  sort,
  upper,
  // Gloo's
  base64_decode,
  base64_encode,
  base64url_decode,
  base64url_encode,
  body,
  context,
  dynamic_metadata,
  env,
  extraction,
  header,
  raw_string,
  replace_with_random,
  request_header,
  substring,
  trim,
  word_count,
  // Known, and refused
  unsupported,
};

struct Signature {
  std::string_view name;
  Function function;
  uint8_t arguments_min;
  uint8_t arguments_max;
  bool text = false;  // its result is a string, whatever the arguments are
};

std::span<const Signature> signatures();
const Signature* find_function(std::string_view name);
const Signature* find_function(Function function);

}  // namespace sluice::templates
