// Errors that leave the chain, as answers: which outcome (outcome.h) each is.
#pragma once

#include "pipeline/message.h"

namespace sluice {

Response rescue(Request& request, const Error& error);

}  // namespace sluice
