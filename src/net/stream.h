// A connection as two streams of bytes, whatever carries it. Who speaks a protocol knows a Stream and nothing below it.
//
// Belongs to one loop and its thread. At most one task reads and one writes at a time. Reads and writes are tried
// first; whoever would have to wait awaits a Task, and cancelling that task is how the wait is ended: where the bytes
// are on their way into memory just then, the Task returns only when they are not any more. Destroying a Stream closes
// it in order; no task may be using it then.
#pragma once

#include <sys/uio.h>
#include <cstddef>
#include <optional>
#include <span>
#include <string_view>

#include "base/time.h"
#include "io/task.h"
#include "net/address.h"

namespace sluice {

class Loop;
struct TlsInfo;

class Stream {
 public:
  // Nothing: it would have to wait. Errors say whose fault they are (Error::side).
  using Attempt = std::optional<Result<size_t>>;

  virtual ~Stream() = default;
  virtual Loop& loop() const = 0;
  virtual SocketAddress local_address() const = 0;
  // What protects it, once it is established; lives as long as the Stream. Null: nothing does.
  virtual const TlsInfo* tls() const { return nullptr; }

  // Until there is a connection to read from and write to, with all that stands before the first byte; at once where
  // there is. ErrorKind::timeout after `deadline`.
  virtual Task<void> established(SteadyTime deadline) = 0;

  // --- reading ---

  // Whether a read is worth trying: bytes have come, or the end, or an error, as far as is known. Costs nothing.
  virtual bool has_buffered() const = 0;
  // The same, but also of bytes that may have come without having been told of. Costs no system call.
  virtual bool may_have_input() const { return has_buffered(); }
  // How many bytes a read would find now, at least, unless this has been given up.
  virtual size_t buffered_bytes() = 0;
  // The bytes read, 0 at the peer's end. Nothing: has_buffered() is false from now on until there is news.
  virtual Attempt try_read(std::span<char> into) = 0;
  // At least one byte, or 0 at the end; ErrorKind::timeout after `deadline`. Where it need not wait it does not notice
  // that its task has been cancelled.
  virtual Task<size_t> read(std::span<char> into, SteadyTime deadline = SteadyTime::max()) = 0;

  // While nobody reads. The waiter is told once of news: ask has_buffered() first. There may turn out to be nothing to
  // read. Null takes it back.
  virtual void when_readable(Waiter* waiter) = 0;
  // Whether the peer has said nothing since the last read and is still there: for connections that are kept. When it is
  // not, bytes may have been lost.
  virtual bool is_silent() = 0;

  // --- writing ---

  // The bytes written, perhaps fewer than given. After nothing, the next try must begin with the same bytes, up to as
  // many as were given: they may lie wrapped up below.
  virtual Attempt try_write(std::span<const iovec> parts) = 0;
  // All of it. `idle`: the longest time without progress, then ErrorKind::timeout; 0: no limit.
  Task<void> write_all(std::string_view bytes, Nanos idle);
  Task<void> write_all(std::span<iovec> parts, Nanos idle);  // changes the parts as it goes
  // Tells the peer that no more will come. Writes, one that waits too, give an Error from now on.
  virtual void end_writing() = 0;
  // Behind that: until all that was written is with whoever carries it, so that it arrives though this is destroyed.
  // Mostly at once. ErrorKind::timeout after `deadline`; at once also where it is broken.
  virtual Task<void> all_gone([[maybe_unused]] SteadyTime deadline) { return Status{}; }

  // --- by a pipe, for net/splice.h ---

  // Whether its bytes are those of a descriptor as they are.
  virtual bool can_splice() const { return false; }
  // As try_read() and try_write(), with a pipe in place of memory.
  virtual Attempt try_read_into_pipe(int, size_t) { return fail(ErrorKind::internal, "no descriptor"); }
  virtual Attempt try_write_from_pipe(int, size_t) { return fail(ErrorKind::internal, "no descriptor"); }
  // Whose fault its errors are.
  virtual Side side() const = 0;

  // --- the end ---

  // The peer will send no more, which may be a half-close. What it sent before can still be read.
  virtual bool peer_ended() const = 0;
  // Reset, broken by an error, or given up: nobody is there any more. Known at the next turn of the loop.
  virtual bool is_broken() const = 0;
  // Told once when either comes to pass, and where it has, perhaps again when it is set again; null takes it back.
  virtual void when_hung_up(Waiter* waiter) = 0;
  // Ends both directions: established(), reads and writes, those that wait too, give an Error from now on (never the
  // end of a stream, which may mean that a message is whole). The object stays.
  virtual void abort() = 0;

  // Until a read is worth trying; ErrorKind::timeout after `deadline`.
  virtual Task<void> readable(SteadyTime deadline) = 0;
  // Until a write is worth trying; ErrorKind::timeout after `deadline`.
  virtual Task<void> writable(SteadyTime deadline) = 0;

 private:
  Task<void> write_rest(std::string_view bytes, Nanos idle);
  Task<void> write_rest(std::span<iovec> parts, Nanos idle);
};

// The parts without their first bytes, which have gone. Changes the first that is left.
std::span<iovec> without_first(std::span<iovec> parts, size_t bytes);

}  // namespace sluice
