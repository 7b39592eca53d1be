// What the functions of a template do.
#pragma once

#include <span>

#include "engines/templates/program.h"
#include "engines/templates/value.h"

namespace sluice::templates {

// One run of a program: what its functions may look at.
struct Run {
  const Program& program;
  const Input& input;
  size_t work_left;

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
