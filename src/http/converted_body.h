// A body that is made of another's pieces, as they come.
#pragma once

#include "http/body.h"

namespace sluice {

class ConvertedBody : public BodyReader {
 public:
  // No coroutine while the inner body's pieces are at hand.
  Task<Chunk> read() final;

 protected:
  // `inner` outlives this.
  explicit ConvertedBody(BodyReader& inner) : inner_(inner) {}

  BodyReader& inner_;

 private:
  // Of the piece that was taken last. Nothing: all of it has been used up, and it was not the last.
  virtual Result<std::optional<Chunk>> convert() = 0;
  virtual void take(const Chunk& piece) = 0;
  Task<Chunk> read_slowly(Task<Chunk> reading);
};

}  // namespace sluice
