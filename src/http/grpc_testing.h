// What tests of gRPC share: its frames, and bodies with trailers.
#pragma once

#include <string>

#include "http/body.h"
#include "http/grpc.h"

namespace sluice::grpc {

inline std::string framed(std::string_view message, uint8_t flags = 0) {
  const auto head = write_frame_head({.flags = flags, .length = static_cast<uint32_t>(message.size())});
  return std::string(head.data(), head.size()).append(message);
}

// `inner`, and then trailers; both outlive it.
class TrailingBody final : public BodyReader {
 public:
  TrailingBody(BodyReader& inner, const Headers* trailers) : inner_(inner), trailers_(trailers) {}
  Task<Chunk> read() override { return inner_.read(); }
  const Headers* trailers() const override { return trailers_; }

 private:
  BodyReader& inner_;
  const Headers* trailers_;
};

}  // namespace sluice::grpc
