// Errors that leave the chain, as answers: the one table from what went wrong to what the client and the log see.
#pragma once

#include "pipeline/message.h"

namespace sluice {

Response rescue(Request& request, const Error& error);

}  // namespace sluice
