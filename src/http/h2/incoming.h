// A stream of a client's as the session knows it: what has come of its request. Made with the first byte of its head,
// before anybody has taken it, and gone when nobody needs it any more.
#pragma once

#include <string>
#include <vector>

#include "base/intrusive_list.h"
#include "http/h2/frames.h"
#include "http/h2/received_bytes.h"
#include "http/head_limits.h"
#include "io/loop.h"

namespace sluice::h2 {

class ServerStreamOne;

struct Incoming {
  explicit Incoming(int32_t i);
  Incoming(const Incoming&) = delete;
  Incoming& operator=(const Incoming&) = delete;
  ~Incoming();

  struct Field {
    uint32_t name_bytes;
    uint32_t value_bytes;
  };

  const int32_t id;
  ServerStreamOne* taker = nullptr;

  std::string text;  // names and values behind one another
  std::vector<Field> fields;
  size_t head_fields = 0;  // what follows them are trailers
  size_t decoded_bytes = 0;
  HeadFailure refused = HeadFailure::none;
  SteadyTime began{};

  ReceivedBytes received;
  bool in_trailers = false;
  bool has_body = false;
  bool ended = false;     // all of the request has come
  bool closed = false;    // nothing more will, either way
  bool answered = false;  // the end of the response is on its way
  bool settled = false;   // a reset of it is this end's own, or has been counted against the client already
  bool queued = false;    // among those that nobody has taken, or whose takers are to be told of their end

  Links<Incoming> all, queue;
};

}  // namespace sluice::h2
