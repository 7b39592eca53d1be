// The body of an HTTP/1 message on a stream, either side: by length, chunked, or until the connection ends.
//
// Lives in the exchange's arena. What has come with the head is used first; then the stream is read into the block, at
// `reserved` and behind it, so that the head in front stays where it is.
#pragma once

#include "http/body.h"
#include "http/h1/chunked.h"
#include "http/h1/framing.h"
#include "io/block.h"
#include "io/loop.h"
#include "net/stream.h"

namespace sluice {

class MessageBody final : public BodyReader {
 public:
  struct Source {
    Stream& stream;
    Block& block;
    size_t reserved = 0;    // bytes of the block in front that must stay
    std::span<char> early;  // bytes of the block behind the head that have come already
    Side side = Side::downstream;
    Nanos idle_max{};  // longest wait for the next bytes; ErrorKind::timeout after it
    Arena& arena;
  };
  MessageBody(const Source& source, BodyKind kind, uint64_t length);

  Task<Chunk> read() override;
  const Headers* trailers() const override { return trailers_; }
  std::optional<Task<void>> pass_to(Stream& to, Nanos idle, uint64_t& moved) override;

  // All of it has been read, its framing included.
  bool complete() const { return complete_; }
  // How many of its bytes have not been handed out; nothing when only its end will tell.
  std::optional<uint64_t> missing() const {
    if (complete_) return 0;
    return kind_ == BodyKind::length ? std::optional(left_) : std::nullopt;
  }
  // Bytes that came and have not been handed out: behind the complete body, the next message's.
  std::span<char> rest() const { return pending_; }
  uint64_t bytes_read() const { return bytes_read_; }
  // The latest time a wait may last to, besides idle_max.
  void set_deadline(SteadyTime deadline) { deadline_ = deadline; }
  // From the next wait on.
  void set_idle_max(Nanos idle_max) { source_.idle_max = idle_max; }
  // Bytes to write to the stream before the first read that waits: "100 Continue".
  void say_first(std::string_view bytes) { say_first_ = bytes; }
  // Takes that back; true when it had not been said yet.
  bool say_nothing() { return !std::exchange(say_first_, {}).empty(); }
  // Waits while it is being said: whoever else writes to the stream must not write into the middle of it.
  Task<void> said();
  // What is still missing will not come, though the connection may end in good order: reads give this from now on.
  void break_off(Error why) { broken_off_ = std::move(why); }

 private:
  struct Step {
    Chunk chunk;
    bool have = false;
  };
  Result<Step> next();
  Result<Step> next_chunked();
  Step counted(std::span<char> bytes, bool last);
  std::span<char> space();
  void accept(std::span<char> into, size_t got);
  Task<Chunk> read_waiting();
  const Error& why_unread(const Error& error) const;
  Task<Chunk> read_after_others();
  Task<void> pass(Task<void> splicing, const uint64_t& moved);

  Source source_;
  Block own_;  // instead of the connection's block: when that is full of head, or the body is large
  bool want_large_ = false;
  BodyKind kind_;
  uint64_t left_;
  std::span<char> pending_;
  std::span<char> stashed_;  // data of a second chunk that was already decoded
  ChunkedDecoder decoder_;
  const Headers* trailers_ = nullptr;
  bool complete_ = false;
  bool ended_ = false;  // the peer sends no more
  uint64_t bytes_read_ = 0;
  TurnBudget budget_;
  std::optional<Error> broken_off_;
  SteadyTime deadline_ = SteadyTime::max();
  std::string_view say_first_;
  bool saying_ = false;
  Event said_;
};

}  // namespace sluice
