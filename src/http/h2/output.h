// Frames on their way to a stream: put together in one block, so that what is said in one turn of the loop goes in one
// write. Holds memory only while there is something.
#pragma once

#include <string>

#include "http/h2/frames.h"
#include "io/block.h"
#include "net/stream.h"

namespace sluice::h2 {

class Output {
 public:
  // `done` is called when a write that had to wait is over.
  Output(Stream& stream, void* owner, Runner::Done done) : stream_(stream), writer_(owner, done) {}
  Output(const Output&) = delete;
  Output& operator=(const Output&) = delete;

  // Frames of the session's, as far as there is room. False: it has no memory to make them.
  bool take_frames(nghttp2_session* session);
  // One more would be made.
  bool has_room() const { return room() >= kRoomMin; }
  // For nghttp2_data_source_read_length_callback: what has room of a DATA frame.
  ssize_t payload_max(size_t remote_max) const;
  // For nghttp2_send_data_callback: a DATA frame, whose bytes nghttp2 has not copied.
  int put_data(const uint8_t* head, std::string_view bytes);

  bool empty() const { return begin_ == end_ && unsent_.empty(); }
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
  static constexpr size_t kRoomMin = 2048;  // below it no frame is begun

  size_t room() const { return (block_.empty() ? next_size_ : block_.size()) - end_; }
  void put(const void* bytes, size_t size);
  size_t put_part(std::string_view bytes);

  Stream& stream_;
  Block block_;
  size_t begin_ = 0, end_ = 0;
  size_t going_ = 0;  // up to where the write that waits goes
  size_t next_size_ = Block::kSmall;
  std::string unsent_;  // of a frame for which there was no room
  Runner writer_;
};

}  // namespace sluice::h2
