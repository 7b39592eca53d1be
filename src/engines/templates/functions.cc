#include "engines/templates/functions.h"

#include <algorithm>

namespace sluice::templates {
namespace {

using enum Function;

constexpr bool kText = true;  // also dynamic_metadata's: "" where it is missing

constexpr Signature kSignatures[] = {
    {"at", at, 2, 2},
    {"default", default_, 2, 2},
    {"divisibleBy", divisible_by, 2, 2},
    {"even", even, 1, 1},
    {"exists", exists, 1, 1},
    {"existsIn", exists_in, 2, 2},
    {"first", first, 1, 1},
    {"float", float_, 1, 1},
    {"int", int_, 1, 1},
    {"isArray", is_array, 1, 1},
    {"isBoolean", is_boolean, 1, 1},
    {"isFloat", is_float, 1, 1},
    {"isInteger", is_integer, 1, 1},
    {"isNumber", is_number, 1, 1},
    {"isObject", is_object, 1, 1},
    {"isString", is_string, 1, 1},
    {"join", join, 2, 2, kText},
    {"last", last, 1, 1},
    {"length", length, 1, 1},
    {"lower", lower, 1, 1, kText},
    {"max", max, 1, 1},
    {"min", min, 1, 1},
    {"odd", odd, 1, 1},
    {"range", range, 1, 1},
    {"round", round, 2, 2},
    {"sort", sort, 1, 1},
    {"upper", upper, 1, 1, kText},

    {"base64_decode", base64_decode, 1, 1, kText},
    {"base64_encode", base64_encode, 1, 1, kText},
    {"base64url_decode", base64url_decode, 1, 1, kText},
    {"base64url_encode", base64url_encode, 1, 1, kText},
    {"body", body, 0, 0, kText},
    {"context", context, 0, 0},
    {"dynamic_metadata", dynamic_metadata, 1, 2, kText},
    {"env", env, 1, 1, kText},
    {"extraction", extraction, 1, 1, kText},
    {"header", header, 1, 1, kText},
    {"raw_string", raw_string, 1, 1, kText},
    {"replace_with_random", replace_with_random, 2, 2, kText},
    {"request_header", request_header, 1, 1, kText},
    {"substring", substring, 2, 3, kText},
    {"trim", trim, 1, 1, kText},
    {"word_count", word_count, 1, 1},

    {"cluster_metadata", unsupported, 1, 2},
    {"clusterMetadata", unsupported, 1, 1},
    {"data_source", unsupported, 1, 1},
    {"host_metadata", unsupported, 1, 2},
    {"super", unsupported, 0, 1},
};

}  // namespace

std::span<const Signature> signatures() {
  return kSignatures;
}

const Signature* find_function(std::string_view name) {
  for (const Signature& signature : kSignatures) {
    if (signature.name == name) return &signature;
  }
  return nullptr;
}

const Signature* find_function(Function function) {
  const Signature* const found = std::ranges::find(kSignatures, function, &Signature::function);
  return found == std::end(kSignatures) ? nullptr : found;
}

}  // namespace sluice::templates
