#include "http/converted_body.h"

namespace sluice {

Task<Chunk> ConvertedBody::read() {
  for (;;) {
    const auto converted = convert();
    if (!converted) return std::unexpected(converted.error());
    if (*converted) return **converted;
    Task<Chunk> reading = inner_.read();
    if (!reading.ready()) return read_slowly(std::move(reading));
    const Result<Chunk> piece = reading.take();
    if (!piece) return std::unexpected(piece.error());
    take(*piece);
  }
}

Task<Chunk> ConvertedBody::read_slowly(Task<Chunk> reading) {
  for (;;) {
    const Chunk piece = CO_TRY(co_await reading);
    take(piece);
    const std::optional<Chunk> converted = CO_TRY(convert());
    if (converted) co_return *converted;
    reading = inner_.read();
  }
}

}  // namespace sluice
