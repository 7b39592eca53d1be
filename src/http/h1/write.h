// Writing messages: a head and pieces of a body, in as few system calls as the bytes at hand allow.
#pragma once

#include "http/body.h"
#include "net/stream.h"

namespace sluice {

struct Piece {
  std::string_view head;  // empty: only body
  Chunk chunk;
  bool chunked = false;               // the body goes out in the chunked coding
  const Headers* trailers = nullptr;  // behind a last chunk in the chunked coding
};

// `idle_max`: the longest time without the peer taking a byte.
Task<void> write_piece(Stream& stream, Piece piece, Nanos idle_max);

}  // namespace sluice
