#include "http/body.h"

#include <fmt/format.h>
#include <algorithm>
#include <cstring>
#include <memory>

#include "http/body_budget.h"

namespace sluice {

Body text_body(Arena& arena, std::string_view text) {
  if (text.empty()) return {};
  const std::string_view copy = arena.copy(text);
  return {arena.make<TextBody>(std::span(const_cast<char*>(copy.data()), copy.size())), text.size()};
}

namespace {

// The bytes of a body, in one piece that is as large as is paid for. In the arena, since they last as long.
class Collected {
 public:
  Collected(size_t bytes_max, Arena& arena, BodyBudget* budget)
      : bytes_max_(bytes_max), share_(budget ? arena.make<BodyBudget::Share>(*budget) : nullptr) {}

  // Room for so many in all.
  Status reserve(size_t bytes) {
    if (bytes <= capacity_) return {};
    TRY(pay(share_, capacity_ + bytes));  // both are there for a moment
    auto larger = std::make_unique_for_overwrite<char[]>(bytes);
    if (size_ > 0) std::memcpy(larger.get(), bytes_.get(), size_);
    bytes_ = std::move(larger);
    capacity_ = bytes;
    if (share_) share_->only(bytes);
    return {};
  }
  Status add(std::span<const char> piece) {
    if (piece.empty()) return {};
    const size_t all = size_ + piece.size();
    if (piece.size() > bytes_max_ - size_)
      return fail(ErrorKind::limit, fmt::format("the body is longer than {} bytes", bytes_max_));
    if (all > capacity_) TRY(reserve(std::min(std::max(all, 2 * capacity_), bytes_max_)));
    std::memcpy(bytes_.get() + size_, piece.data(), piece.size());
    size_ = all;
    return {};
  }
  std::string_view text() const { return {bytes_.get(), size_}; }

 private:
  const size_t bytes_max_;
  BodyBudget::Share* const share_;
  std::unique_ptr<char[]> bytes_;
  size_t size_ = 0;
  size_t capacity_ = 0;
};

}  // namespace

Task<std::string_view> read_all(Body body, Arena& arena, size_t bytes_max, BodyBudget* budget) {
  if (body.empty()) co_return std::string_view();
  const auto over = [&] { return fail(ErrorKind::limit, fmt::format("the body is longer than {} bytes", bytes_max)); };
  if (body.length && *body.length > bytes_max) co_return over();
  auto first = body.reader->read();
  Chunk chunk = CO_TRY(co_await first);
  if (chunk.bytes.size() > bytes_max) co_return over();
  if (chunk.last) co_return arena.copy({chunk.bytes.data(), chunk.bytes.size()});
  Collected& collected = *arena.make<Collected>(bytes_max, arena, budget);
  if (body.length) CO_TRY(collected.reserve(*body.length));  // better refused at once than in the middle
  CO_TRY(collected.add(chunk.bytes));
  while (!chunk.last) {
    auto next = body.reader->read();
    chunk = CO_TRY(co_await next);
    CO_TRY(collected.add(chunk.bytes));
  }
  co_return collected.text();
}

}  // namespace sluice
