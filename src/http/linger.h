// The end of a connection to a client.
#pragma once

#include "net/stream.h"

namespace sluice {

// Ends writing, and waits for the client to close first, `most` at most: closing with unread bytes would send a reset,
// which may overtake what was said last. With 0 it does nothing: the stream is to be closed at once. Needs no memory of
// the connection's.
Task<void> linger(Stream& stream, Nanos most);

}  // namespace sluice
