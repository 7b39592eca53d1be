// What the functions of a template do.
#pragma once

#include <limits>
#include <span>

#include "engines/templates/program.h"
#include "engines/templates/value.h"

namespace sluice::templates {

// What that many elements of a list take; at most all that can be said.
constexpr size_t bytes_of_elements(size_t count) {
  constexpr size_t kMost = std::numeric_limits<size_t>::max();
  return count > kMost / sizeof(Json) ? kMost : count * sizeof(Json);
}

// One run of a program: what its functions may look at.
struct Run {
  const Program& program;
  const Input& input;
  Allowance& allowance;

  // Charges for copying or comparing that many bytes.
  Status charge(size_t bytes);
};

// The result of a function for arguments that are all there (as many as its signature says).
//
// Errors carry the text Gloo's exception would have, without the place: a wrong type is
// "[json.exception.type_error.303] incompatible ReferenceType for get_ref, actual type is number".
// May throw what the JSON library throws; the caller turns that into an error.
Result<Value> call(Run& run, Function function, std::span<Value> arguments);

}  // namespace sluice::templates
