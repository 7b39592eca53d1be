// JSON of bodies and templates, as Gloo reads and prints it.
//
// Objects print with sorted keys and no spaces; of a duplicate key the last value counts; doubles keep their point
// (3.0); integers over 64 bits become doubles.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace sluice::templates {

using Json = nlohmann::json;

// Deeper documents are refused: printing, copying and comparing recurse.
inline constexpr size_t kJsonDepthMax = 200;

// The error is the parser's own text: "[json.exception.parse_error.101] parse error at line 1, column 1: ...".
Result<Json> parse_json(std::string_view text);

// Compact. Fails on strings that are not UTF-8, with the library's text ("[json.exception.type_error.316] ...").
Result<std::string> print_json(const Json& value);

// Where a value stands in a document: the keys and indexes from the root.
using Path = std::vector<std::string>;

// "a.b" and "a/b" are the same way; "~1" stands for "/" and "~0" for "~" within a key.
Result<Path> dotted_path(std::string_view name);
// "a/b": dots belong to the keys.
Result<Path> slashed_path(std::string_view name);

// Nothing when a key is missing, an index is no plain number within the array, or the way leads through a scalar.
const Json* find(const Json& root, const Path& path);

// A number without its fraction, at most as far as 64 bits go; 0 for what is no number at all (NaN). Throws the
// library's type error for anything else. Json::get<int64_t>() has no defined result for such doubles.
int64_t whole_number(const Json& value);

// What copying or comparing the value costs, in bytes, roughly; and how many levels it has.
struct Weight {
  size_t bytes = 0;
  size_t depth = 0;
};
Weight weigh(const Json& value);

}  // namespace sluice::templates
