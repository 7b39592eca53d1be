// Frames on their way to a stream: put together in one block, so that what is said in one turn of the loop goes in one
// write. Holds memory only while there is something.
#pragma once

#include "io/block.h"
#include "net/stream.h"

namespace sluice::h2 {

class Output {
 public:
  // `done` is called when a write that had to wait is over.
  Output(Stream& stream, void* owner, Runner::Done done) : stream_(stream), writer_(owner, done) {}
  Output(const Output&) = delete;
  Output& operator=(const Output&) = delete;

  size_t room() const { return (block_.empty() ? next_size_ : block_.size()) - end_; }
  // At most room() bytes.
  void put(const void* bytes, size_t size);
  bool empty() const { return begin_ == end_; }
  // A write waits for the peer.
  bool writing() const { return writer_.running(); }
  // Writes what is there. Nothing: it has to wait. Otherwise it is gone, or the stream is broken.
  std::optional<Status> write(Nanos idle);
  // Behind a write that has waited and went well.
  void written();
  // Ends one that waits.
  void give_up() { writer_.cancel(); }
  // Once, without waiting, as far as it goes: before the stream is closed.
  void write_what_goes();

 private:
  Stream& stream_;
  Block block_;
  size_t begin_ = 0, end_ = 0;
  size_t going_ = 0;  // up to where the write that waits goes
  size_t next_size_ = Block::kSmall;
  Runner writer_;
};

}  // namespace sluice::h2
