#include "http/body.h"

#include <fmt/format.h>
#include <algorithm>

#include "http/body_budget.h"

namespace sluice {

Body text_body(Arena& arena, std::string_view text) {
  if (text.empty()) return {};
  const std::string_view copy = arena.copy(text);
  return {arena.make<TextBody>(std::span(const_cast<char*>(copy.data()), copy.size())), text.size()};
}

namespace {

Status pay(BodyBudget::Share* share, size_t bytes) {
  if (!share || share->covers(bytes)) return {};
  return fail(ErrorKind::overload, "the bodies that are being collected are too large together");
}

}  // namespace

Task<std::string_view> read_all(Body body, Arena& arena, size_t bytes_max, BodyBudget* budget) {
  if (body.empty()) co_return std::string_view();
  const auto over = [&] { return fail(ErrorKind::limit, fmt::format("the body is longer than {} bytes", bytes_max)); };
  if (body.length && *body.length > bytes_max) co_return over();
  auto first = body.reader->read();
  Chunk chunk = CO_TRY(co_await first);
  if (chunk.bytes.size() > bytes_max) co_return over();
  if (chunk.last) co_return arena.copy({chunk.bytes.data(), chunk.bytes.size()});
  // In the arena, since the collected body lasts as long.
  BodyBudget::Share* const share = budget ? arena.make<BodyBudget::Share>(*budget) : nullptr;
  if (body.length) CO_TRY(pay(share, *body.length));  // better at once than in the middle
  std::string collected(chunk.bytes.begin(), chunk.bytes.end());
  while (!chunk.last) {
    auto next = body.reader->read();
    chunk = CO_TRY(co_await next);
    if (collected.size() + chunk.bytes.size() > bytes_max) co_return over();
    CO_TRY(pay(share, collected.size() + chunk.bytes.size()));
    collected.append(chunk.bytes.data(), chunk.bytes.size());
  }
  co_return arena.copy(collected);
}

}  // namespace sluice
