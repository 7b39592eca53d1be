// What a search by RE2 really took: RE2 goes a step a byte while it has memory for the states that a text leads it
// into. Where it runs out it makes them anew, or follows each place of the expression at each byte; it tells by hooks.
#pragma once

#include <re2/re2.h>

#include <cstddef>
#include <cstdint>
#include <span>

namespace sluice::regex {

// The units of Budget. An upper bound for so many bytes, without looking.
size_t effort_max(size_t places, size_t bytes, size_t groups);

struct Search {
  bool found = false;
  size_t effort = 0;
};

// RE2::Match, with what it took at most: it may have looked `beyond` bytes further than to where the match begins.
// `places`: ProgramSize.
Search search(const re2::RE2& regex, size_t places, re2::StringPiece text, size_t from, size_t end,
              re2::RE2::Anchor anchor, std::span<re2::StringPiece> groups, size_t beyond = SIZE_MAX);

}  // namespace sluice::regex
