// A stream of a client's as the session knows it: what has come of its request. Made with the first byte of its head,
// before anybody has taken it, and gone when nobody needs it any more.
#pragma once

#include <string>
#include <vector>

#include "http/h2/frames.h"
#include "http/head_limits.h"
#include "io/block.h"
#include "io/loop.h"

namespace sluice::h2 {

// Who has taken it.
class Taker {
 public:
  // There is more of the body, or its end, or nothing more will come.
  virtual void input_came() = 0;
  // What was given to be sent has moved on.
  virtual void output_moved() = 0;
  // The stream is closed: reset by the client, or with its connection.
  virtual void stream_closed() = 0;
  // Bytes for a DATA frame, at most so many: they stay until put() is called. See nghttp2_data_source_read_callback.
  virtual ssize_t next_data(size_t most, uint32_t& flags) = 0;
  // So many of them go into a frame now.
  virtual std::string_view take_data(size_t bytes) = 0;
  // A HEADERS frame of it has been made.
  virtual void head_sent() = 0;

 protected:
  ~Taker() = default;
};

// The bytes of a body that have come and not been read.
class Inbox {
 public:
  void put(std::string_view bytes);
  bool empty() const { return first_ == pieces_.size(); }
  size_t bytes() const { return bytes_; }
  // The next of them; they stay until drop_front().
  std::span<char> front() const;
  void drop_front(size_t bytes);

 private:
  struct Piece {
    Block block;
    size_t begin = 0, end = 0;
  };
  std::vector<Piece> pieces_;
  size_t first_ = 0;
  size_t bytes_ = 0;
};

struct Incoming {
  explicit Incoming(int32_t i) : id(i) {}

  struct Field {
    uint32_t name_bytes;
    uint32_t value_bytes;
  };

  const int32_t id;
  Taker* taker = nullptr;

  std::string text;  // names and values behind one another
  std::vector<Field> fields;
  size_t head_fields = 0;  // what follows them are trailers
  size_t decoded_bytes = 0;
  HeadFailure refused = HeadFailure::none;
  SteadyTime began{};

  Inbox inbox;
  bool head_whole = false;
  bool in_trailers = false;
  bool has_body = false;
  bool ended = false;     // all of the request has come
  bool closed = false;    // nothing more will, either way
  bool waiting = false;   // its request is whole, and nobody has taken it
  bool answered = false;  // the end of the response is on its way

  Incoming* next = nullptr;
  Incoming* previous = nullptr;
};

}  // namespace sluice::h2
