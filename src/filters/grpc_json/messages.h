// The frames of gRPC in a body, and the bodies that are made of one another on their way.
#pragma once

#include <array>
#include <memory>
#include <optional>
#include <string>

#include "engines/transcoding/json_array.h"
#include "engines/transcoding/transcoder.h"
#include "http/body_budget.h"
#include "http/converted_body.h"
#include "http/grpc.h"

namespace sluice::grpc_json {

// What a request is transcoded by. Of its exchange: the configuration may go before a body has ended.
struct Transcoding {
  std::shared_ptr<const transcoding::Transcoder> transcoder;
  transcoding::Call call;
};

// A limit on what is held of a message, and the share that is paid for it.
class Held {
 public:
  Held(size_t bytes_max, BodyBudget* budget) : bytes_max_(bytes_max) {
    if (budget) share_.emplace(*budget);
  }
  size_t bytes_max() const { return bytes_max_; }
  Status covers(size_t bytes) { return pay(share_ ? &*share_ : nullptr, bytes); }
  void nothing() {
    if (share_) share_->only(0);
  }

 private:
  const size_t bytes_max_;
  std::optional<BodyBudget::Share> share_;
};

// Messages out of a response's body. Compressed ones are refused: nobody has said that they are understood.
class Frames {
 public:
  Frames(size_t bytes_max, BodyBudget* budget) : held_(bytes_max, budget) {}

  void feed(const Chunk& piece) {
    input_ = {piece.bytes.data(), piece.bytes.size()};
    ended_ = piece.last;
  }
  // A message, until the next call; nothing: all that was fed has been used up. ErrorKind::limit: one is too long.
  Result<std::optional<std::string_view>> next();
  // Nothing follows. An error where it ends in the middle of a message.
  Result<bool> ended() const;

 private:
  Held held_;
  std::string_view input_;
  bool ended_ = false;
  std::array<char, grpc::kFrameHeadBytes> head_{};
  size_t head_filled_ = 0;
  std::string message_;
  bool done_ = false;  // message_ was given out
};

// A frame whose message is put behind what begin_frame() appends; `at`: where it begins.
void begin_frame(std::string& out);
void finish_frame(std::string& out, size_t at);

// A JSON array, or any bytes, on its way to a method that takes a stream.
class StreamedRequest final : public ConvertedBody {
 public:
  StreamedRequest(BodyReader& inner, const Transcoding& how, std::string_view content_type, size_t bytes_max,
                  BodyBudget* budget)
      : ConvertedBody(inner), how_(how), content_type_(content_type), array_(bytes_max), held_(bytes_max, budget) {}

 private:
  void take(const Chunk& piece) override;
  Result<std::optional<Chunk>> convert() override;
  Status add_raw();
  Status add_elements();
  transcoding::Call::Place place() { return std::exchange(place_, transcoding::Call::Place::later); }

  const Transcoding& how_;
  const std::string_view content_type_;
  transcoding::JsonArray array_;
  Held held_;
  std::string_view input_;
  bool ended_ = false;
  transcoding::Call::Place place_ = transcoding::Call::Place::first;
  std::string out_;
};

// The messages of a stream as a JSON array, or as the bytes they hold; each is said as it comes.
class StreamedResponse final : public ConvertedBody {
 public:
  // `frames` may have been fed already; `first`: what has been made of it.
  StreamedResponse(BodyReader& inner, const Transcoding& how, Frames& frames, std::string first, BodyBudget* budget)
      : ConvertedBody(inner), how_(how), frames_(frames), out_(std::move(first)), held_(SIZE_MAX, budget) {}
  const Headers* trailers() const override { return inner_.trailers(); }

 private:
  void take(const Chunk& piece) override { frames_.feed(piece); }
  Result<std::optional<Chunk>> convert() override;
  Status add(std::string_view message);

  const Transcoding& how_;
  Frames& frames_;
  std::string out_;
  Held held_;           // of out_; its bound is that of messages
  bool given_ = false;  // out_ was given out
  bool begun_ = false;
};

}  // namespace sluice::grpc_json
