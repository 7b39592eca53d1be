#include "http/h1/write.h"

#include <array>

#include "http/h1/chunked.h"

namespace sluice {
namespace {

iovec part(std::string_view text) {
  return {const_cast<char*>(text.data()), text.size()};
}

std::string trailer_lines(const Headers& trailers) {
  std::string out = "0\r\n";
  for (const HeaderField& field : trailers) ((((out += field.name) += ": ") += field.value) += "\r\n");
  return out += "\r\n";
}

// A piece as it goes out.
class Parts {
 public:
  explicit Parts(const Piece& piece) {
    add(piece.head);
    const std::string_view bytes(piece.chunk.bytes.data(), piece.chunk.bytes.size());
    if (piece.chunked && !bytes.empty()) add({size_line_, write_chunk_size(size_line_, bytes.size())});
    add(bytes);
    if (piece.chunked && !bytes.empty()) add("\r\n");
    if (piece.chunked && piece.chunk.last) add_end(piece.trailers);
  }
  Parts(const Parts&) = delete;
  Parts& operator=(const Parts&) = delete;

  std::span<iovec> all() { return std::span(parts_).first(count_); }
  size_t bytes() const { return bytes_; }

 private:
  void add_end(const Headers* trailers) {
    if (trailers) trailers_ = trailer_lines(*trailers);
    add(trailers ? std::string_view(trailers_) : "0\r\n\r\n");
  }
  void add(std::string_view text) {
    if (text.empty()) return;
    parts_[count_++] = part(text);
    bytes_ += text.size();
  }

  std::array<iovec, 5> parts_;
  size_t count_ = 0;
  size_t bytes_ = 0;
  char size_line_[20];
  std::string trailers_;
};

Task<void> write_from(Stream& stream, Piece piece, size_t begin, Nanos idle_max) {
  Parts parts(piece);
  auto writing = stream.write_all(without_first(parts.all(), begin), idle_max);
  co_return co_await writing;
}

}  // namespace

// Mostly the socket takes it at once, and then it costs no coroutine.
Task<void> write_piece(Stream& stream, Piece piece, Nanos idle_max) {
  Parts parts(piece);
  if (parts.bytes() == 0) return Status{};
  size_t written = 0;
  if (auto put = stream.try_write(parts.all())) {
    if (!*put) return std::unexpected(std::move(*put).error());
    written = **put;
    if (written == parts.bytes()) return Status{};
  }
  return write_from(stream, piece, written, idle_max);
}

}  // namespace sluice
