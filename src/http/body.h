// A message's body, pulled by whoever needs its bytes. If nobody reads, nothing flows.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>

#include "base/time.h"
#include "http/headers.h"
#include "io/task.h"

namespace sluice {

class BodyBudget;
class Stream;

struct Chunk {
  std::span<char> bytes;  // may be changed in place; valid until the next read() or the end of the exchange
  bool last = false;      // nothing follows but trailers; a last chunk may be empty
};

// Where a body's bytes come from. Lives in the exchange's arena and ends with the exchange. Holds what it needs of the
// configuration: while a response's body comes, the snapshot may go.
class BodyReader {
 public:
  virtual ~BodyReader() = default;
  // The next bytes: at least one, unless `last`. A task that is ready at once means the bytes are here already, so that
  // a writer can put them behind the head in one write. Not to be called again after `last` or an error.
  virtual Task<Chunk> read() = 0;
  // All that is still missing, straight to `to`: for bytes that nobody has to see. `moved` goes up as they go. Nothing:
  // that cannot be; they have to be read. `idle`: the longest wait for `to`, 0: no limit; a wait for the bytes lasts as
  // long as with read().
  virtual std::optional<Task<void>> pass_to(Stream&, Nanos, uint64_t&) { return std::nullopt; }
  // Fields behind the body; nullptr when there are none. Asked after `last`.
  virtual const Headers* trailers() const { return nullptr; }
};

// A body as a message carries it: nothing, or a reader with or without a length known beforehand.
struct Body {
  BodyReader* reader = nullptr;    // nullptr: no body
  std::optional<uint64_t> length;  // for a reader: exact when present
  bool empty() const { return reader == nullptr; }
};

// A body of bytes that are at hand. The text must live as long as the exchange.
class TextBody final : public BodyReader {
 public:
  explicit TextBody(std::span<char> text) : text_(text) {}
  Task<Chunk> read() override { return Chunk{text_, true}; }

 private:
  std::span<char> text_;
};

// Copies `text` into the arena; empty text is no body.
Body text_body(Arena& arena, std::string_view text);

// All of the body in one piece in the arena; ErrorKind::limit when it is longer than `bytes_max`, ErrorKind::overload
// when `budget` (null: none) has no more.
Task<std::string_view> read_all(Body body, Arena& arena, size_t bytes_max, BodyBudget* budget);

}  // namespace sluice
