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

}  // namespace

Task<void> write_piece(Stream& stream, Piece piece, Nanos idle_max) {
  std::array<iovec, 5> parts;
  size_t count = 0;
  char size_line[20];
  std::string trailers;
  if (!piece.head.empty()) parts[count++] = part(piece.head);
  const std::string_view bytes(piece.chunk.bytes.data(), piece.chunk.bytes.size());
  if (!bytes.empty()) {
    if (piece.chunked) parts[count++] = part({size_line, write_chunk_size(size_line, bytes.size())});
    parts[count++] = part(bytes);
    if (piece.chunked && !piece.chunk.last) parts[count++] = part("\r\n");
  }
  if (piece.chunked && piece.chunk.last) {
    if (!bytes.empty()) trailers = "\r\n";
    if (piece.trailers)
      trailers += trailer_lines(*piece.trailers);
    else
      trailers += "0\r\n\r\n";
    parts[count++] = part(trailers);
  }
  if (count == 0) co_return Status{};
  auto writing = stream.write_all(std::span(parts).first(count), idle_max);
  co_return co_await writing;
}

}  // namespace sluice
