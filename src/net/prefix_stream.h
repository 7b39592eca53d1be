// A stream whose first bytes have been read already: whoever looked at the beginning of a connection gives back what is
// for those who speak its protocol.
#pragma once

#include <memory>
#include <string>

#include "net/stream.h"

namespace sluice {

// Reads give `bytes` first, then what `below` gives. Everything else is as with that; without bytes it is that itself.
std::unique_ptr<Stream> with_prefix(std::unique_ptr<Stream> below, std::string bytes);

}  // namespace sluice
