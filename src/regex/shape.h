// What the text of a regular expression says about its matches: how long they can be, and how they begin.
//
// RE2 tells neither. Reads RE2's syntax in Latin-1 mode, where a character is a byte. Call it only for an expression
// that RE2 has accepted. What it cannot make sense of counts as unbounded, which is always safe.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

namespace sluice::regex {

struct Shape {
  std::optional<size_t> width_max;  // bytes of the longest match; nothing: no bound
  // An expression for every beginning of a match, itself included, read backwards: what "ab" gives accepts "", "a" and
  // "ba". Assertions (`^`, `\b`) are taken as true, so it may accept more. Empty: could not be made, or got too long.
  std::string beginnings_reversed;
};

Shape shape_of(std::string_view regex);

}  // namespace sluice::regex
