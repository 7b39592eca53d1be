// A body that was read as a whole and is passed on.
#pragma once

#include "http/body.h"

namespace sluice::transformation {

class ReplayBody final : public BodyReader {
 public:
  // `text` lies in the exchange's arena; `original` is where it came from, and has the trailers.
  ReplayBody(std::string_view text, const BodyReader& original) : text_(text), original_(original) {}

  Task<Chunk> read() override { return Chunk{{const_cast<char*>(text_.data()), text_.size()}, true}; }
  const Headers* trailers() const override { return original_.trailers(); }

 private:
  std::string_view text_;
  const BodyReader& original_;
};

}  // namespace sluice::transformation
