// The bodies of gRPC-Web on their way: a request's text made bytes, a response's trailers made its last frame.
#pragma once

#include "filters/grpc_web/base64_stream.h"
#include "http/converted_body.h"
#include "http/grpc.h"
#include "pipeline/message.h"

namespace sluice::grpc_web {

inline constexpr size_t kBufferBytes = 16U << 10;

// A request's body in Base64, as bytes. Trailers are those of the inner body.
class DecodedBody final : public ConvertedBody {
 public:
  DecodedBody(BodyReader& inner, std::span<char> buffer) : ConvertedBody(inner), buffer_(buffer) {}
  const Headers* trailers() const override { return inner_.trailers(); }

 private:
  void take(const Chunk& piece) override;
  Result<std::optional<Chunk>> convert() override;

  std::span<char> buffer_;
  Base64Decoder decoder_;
  std::string_view input_;  // read and not decoded yet
  bool ended_ = false;
};

// Where the frames of a body end.
class FrameEnds {
 public:
  // How many of so many bytes that follow, one at least, belong to the frame that they begin in.
  size_t take(std::string_view bytes);
  // The next byte begins a frame.
  bool between() const { return head_filled_ == 0 && left_ == 0; }

 private:
  std::array<char, grpc::kFrameHeadBytes> head_{};
  size_t head_filled_ = 0;
  uint64_t left_ = 0;  // of the message
};

// A response's body, behind it a frame with its trailers. As text, each frame is padded by itself, so that no byte of a
// message waits for the next one.
class WebBody final : public ConvertedBody {
 public:
  // `buffer`: for text; empty: as bytes.
  WebBody(Request& request, BodyReader& inner, std::span<char> buffer)
      : ConvertedBody(inner), request_(request), buffer_(buffer) {}

 private:
  void take(const Chunk& piece) override;
  Result<std::optional<Chunk>> convert() override;
  std::span<char> trailer_frame();

  Request& request_;
  std::span<char> buffer_;
  Base64Encoder encoder_;
  FrameEnds frames_;
  std::span<char> input_;  // read and not handed out yet
  size_t of_frame_ = 0;    // so much of it is of one frame
  bool inner_ended_ = false;
  bool trailers_made_ = false;
};

}  // namespace sluice::grpc_web
