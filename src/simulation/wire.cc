#include "simulation/wire.h"

#include <charconv>

#include "base/strings.h"

namespace sluice::simulation {
namespace {

std::unexpected<Error> malformed(std::string what) {
  return fail(ErrorKind::invalid, std::move(what));
}
std::unexpected<Error> ended_early() {
  return fail(ErrorKind::closed, "the connection ended in the middle of a message");
}

Result<size_t> number(std::string_view text, int base) {
  size_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value, base);
  if (text.empty() || error != std::errc() || end != text.data() + text.size())
    return malformed(fmt::format("`{}` is no number", text));
  return value;
}

std::string lower(std::string_view text) {
  std::string out(text);
  for (char& c : out)
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c + 32);
  return out;
}

}  // namespace

std::string_view Message::field(std::string_view name) const {
  for (const auto& [has, value] : fields)
    if (has == name) return value;
  return {};
}

Result<Framing> framing_of(const Message& message, Framing otherwise) {
  const bool chunks = !message.field("transfer-encoding").empty();
  const bool length = !message.field("content-length").empty();
  if (chunks && length) return malformed("both a length and chunks");
  if (chunks && message.field("transfer-encoding") != "chunked") return malformed("an unknown transfer coding");
  return chunks ? Framing::chunked : length ? Framing::length : otherwise;
}

Wire::Wire(Stream& stream, uint64_t seed) : stream_(stream), random_(seed) {
  constexpr size_t kPieces[] = {1, 7, 100, 5000, 1U << 20, 1U << 20, 1U << 20};
  constexpr unsigned kPauses[] = {0, 0, 5, 50};
  constexpr Nanos kLongest[] = {2ms, 20ms, 20ms, 300ms};
  piece_max_ = kPieces[random_.below(std::size(kPieces))];
  pauses_percent_ = kPauses[random_.below(std::size(kPauses))];
  pause_max_ = kLongest[random_.below(std::size(kLongest))];
}

Task<void> Wire::pause() {
  if (random_.below(100) >= pauses_percent_) return Status{};
  return [](Loop& loop, Nanos length) -> Task<void> {
    auto nap = sleep_for(loop, length);
    co_return co_await nap;
  }(stream_.loop(), Nanos(static_cast<int64_t>(random_.below(static_cast<uint64_t>(pause_max_.count())))));
}

Task<void> Wire::say(std::string_view bytes) {
  while (!bytes.empty()) {
    // Long ones by the byte would take for ever.
    const size_t most = std::max(piece_max_, bytes.size() / 50);
    const std::string_view piece = bytes.substr(0, 1 + random_.below(most));
    auto writing = stream_.write_all(piece, 0s);
    CO_TRY(co_await writing);
    bytes.remove_prefix(piece.size());
    auto pausing = pause();
    CO_TRY(co_await pausing);
  }
  co_return Status{};
}

Task<bool> Wire::read_more() {
  auto pausing = pause();
  CO_TRY(co_await pausing);
  char buffer[4096];
  auto reading = stream_.read(buffer);
  const size_t got = CO_TRY(co_await reading);
  in_.append(buffer, got);
  co_return got > 0;
}

// False: the end, and no byte before it.
Task<bool> Wire::read_line(std::string& line) {
  for (;;) {
    if (const size_t at = in_.find("\r\n"); at != std::string::npos) {
      line = in_.substr(0, at);
      in_.erase(0, at + 2);
      co_return true;
    }
    if (in_.size() > (64U << 10)) co_return malformed("an endless line");
    auto reading = read_more();
    const bool more = CO_TRY(co_await reading);
    if (more) continue;
    if (in_.empty()) co_return false;
    co_return ended_early();
  }
}

Task<bool> Wire::read_head(Message& into) {
  auto starting = read_line(into.start);
  const bool came = CO_TRY(co_await starting);
  if (!came) co_return false;
  for (;;) {
    std::string line;
    auto reading = read_line(line);
    const bool more = CO_TRY(co_await reading);
    if (!more) co_return ended_early();
    if (line.empty()) co_return true;
    const size_t colon = line.find(':');
    if (colon == std::string::npos || colon == 0 || line.find(' ') < colon)
      co_return malformed(fmt::format("`{}` is no field", line));
    into.fields.emplace_back(lower(std::string_view(line).substr(0, colon)),
                             trim(std::string_view(line).substr(colon + 1)));
  }
}

Task<void> Wire::read_bytes(std::string& into, size_t count) {
  while (count > 0) {
    if (in_.empty()) {
      auto reading = read_more();
      const bool more = CO_TRY(co_await reading);
      if (!more) co_return ended_early();
    }
    const size_t now = std::min(count, in_.size());
    into.append(in_, 0, now);
    in_.erase(0, now);
    count -= now;
  }
  co_return Status{};
}

Task<void> Wire::read_chunks(Message& into) {
  for (;;) {
    std::string line;
    auto sizing = read_line(line);
    const bool came = CO_TRY(co_await sizing);
    if (!came) co_return ended_early();
    const size_t size = CO_TRY(number(line, 16));
    if (size == 0) break;
    auto reading = read_bytes(into.body, size);
    CO_TRY(co_await reading);
    auto ending = read_line(line);
    CO_TRY(co_await ending);
    if (!line.empty()) co_return malformed(fmt::format("`{}` behind a chunk", line));
  }
  for (std::string trailer = "first"; !trailer.empty();) {
    auto reading = read_line(trailer);
    const bool came = CO_TRY(co_await reading);
    if (!came) co_return ended_early();
    if (!trailer.empty()) into.trailers += lower(trailer) + "\n";
  }
  co_return Status{};
}

Task<void> Wire::read_body(Message& into, Framing framing) {
  switch (framing) {
    case Framing::none: return Status{};
    case Framing::chunked: return read_chunks(into);
    case Framing::until_end:
      return [](Wire& wire, std::string& body) -> Task<void> {
        for (;;) {
          body += std::exchange(wire.in_, {});
          auto reading = wire.read_more();
          const bool more = CO_TRY(co_await reading);
          if (!more) co_return Status{};
        }
      }(*this, into.body);
    case Framing::length: break;
  }
  const auto length = number(into.field("content-length"), 10);
  if (!length) return std::unexpected(length.error());
  return read_bytes(into.body, *length);
}

Task<void> Wire::swallow() {
  for (;;) {
    in_.clear();
    auto reading = read_more();
    const bool more = CO_TRY(co_await reading);
    if (!more) co_return Status{};
  }
}

Task<void> Wire::hear_end(SteadyTime deadline) {
  if (in_.empty()) {
    char buffer[256];
    auto reading = stream_.read(buffer, deadline);
    const auto got = co_await reading;
    if (!got) co_return std::unexpected(got.error());
    if (*got == 0) co_return Status{};
    in_.assign(buffer, *got);
  }
  co_return malformed(fmt::format("`{}` came though nothing was asked", in_.substr(0, 100)));
}

std::string content(std::string_view name, size_t length) {
  uint64_t seed = 1469598103934665603U;
  for (const char c : name) seed = (seed ^ static_cast<uint8_t>(c)) * 1099511628211U;
  Random random(seed);
  std::string out;
  out.reserve(length + 8);
  while (out.size() < length)
    for (uint64_t bits = random.next(), i = 0; i < 16; ++i, bits >>= 4) out += static_cast<char>('a' + (bits & 15));
  out.resize(length);
  return out;
}

std::string chunked(std::string_view body, std::string_view trailers, Random& random) {
  std::string out;
  while (!body.empty()) {
    const std::string_view piece = body.substr(0, 1 + random.below(std::max<size_t>(100, body.size())));
    out += fmt::format("{:x}\r\n{}\r\n", piece.size(), piece);
    body.remove_prefix(piece.size());
  }
  return out + fmt::format("0\r\n{}\r\n", trailers);
}

}  // namespace sluice::simulation
