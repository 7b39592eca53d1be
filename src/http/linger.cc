#include "http/linger.h"

#include <array>

#include "io/block.h"
#include "io/loop.h"

namespace sluice {
namespace {

constexpr size_t kDrainBytesMax = 1024U << 10;

// Where bytes go that nobody wants. All of a thread share it, as nobody looks at them: who lingers needs no memory.
std::span<char> sink() {
  static thread_local std::array<char, Block::kSmall> bytes;
  return bytes;
}

Task<void> wait_for_end(Stream& stream, Nanos most) {
  stream.end_writing();
  const SteadyTime deadline = later(stream.loop().now(), most);
  for (size_t drained = 0; drained < kDrainBytesMax;) {
    auto reading = stream.read(sink(), deadline);
    auto got = co_await reading;
    if (!got || *got == 0) break;
    drained += *got;
  }
  co_return Status{};
}

}  // namespace

Task<void> linger(Stream& stream, Nanos most) {
  if (most <= Nanos(0)) return Status{};
  return wait_for_end(stream, most);
}

}  // namespace sluice
