// HTTP/1.1 as the simulated clients and hosts speak it: written by hand and apart from the gateway's own code, so that
// a mistake there is not made here as well. Bytes go out in pieces with pauses between them, as a seed has it.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/random.h"
#include "io/loop.h"
#include "net/stream.h"

namespace sluice::simulation {

struct Message {
  std::string start;                                        // the first line
  std::vector<std::pair<std::string, std::string>> fields;  // names in lower case
  std::string body;
  std::string trailers;  // their lines, each with a line feed behind it

  std::string_view field(std::string_view name) const;  // "": there is none
  bool closes() const { return field("connection") == "close"; }
};

enum class Framing : uint8_t { none, length, chunked, until_end };

// How the body of a message with these fields is told from what follows; `otherwise` where no field says so. An Error:
// the fields contradict one another.
Result<Framing> framing_of(const Message& message, Framing otherwise);

// One end of a connection. Errors are `invalid` for what is no HTTP, `closed` for an end in the middle of a message,
// and the stream's own.
class Wire {
 public:
  // `stream` stays as long as this.
  Wire(Stream& stream, uint64_t seed);
  // In large pieces, without pauses.
  explicit Wire(Stream& stream) : stream_(stream) {}

  Task<void> say(std::string_view bytes);
  // False: the peer has ended where a message would begin.
  Task<bool> read_head(Message& into);
  // As far as it comes, also when it ends with an Error.
  Task<void> read_body(Message& into, Framing framing);
  // Everything until the peer's end.
  Task<void> swallow();
  // Until the peer ends; ErrorKind::invalid when it speaks, ErrorKind::timeout after `deadline`.
  Task<void> hear_end(SteadyTime deadline);

 private:
  Task<void> pause();
  Task<bool> read_more();
  Task<bool> read_line(std::string& line);
  Task<void> read_bytes(std::string& into, size_t count);
  Task<void> read_chunks(Message& into);

  Stream& stream_;
  Random random_{1};
  size_t piece_max_ = 1U << 20;
  unsigned pauses_percent_ = 0;
  Nanos pause_max_{};
  std::string in_;  // read and not used yet
};

// Bytes that nobody else has: a body for `name`.
std::string content(std::string_view name, size_t length);
// As one chunk after the other.
std::string chunked(std::string_view body, std::string_view trailers, Random& random);

}  // namespace sluice::simulation
