// The body of a request that may have to be sent more than once: what has been read of it is kept, up to a bound, and
// each try reads it from the beginning. Beyond the bound the request cannot be tried again.
//
// Lives in the exchange's arena. The body is read as fast as the present try sends it, not faster.
#pragma once

#include <deque>
#include <string>

#include "http/body.h"
#include "http/body_budget.h"
#include "io/loop.h"

namespace sluice {

class ReplayBody {
 public:
  // `budget` (null: none) counts what is kept.
  ReplayBody(Loop& loop, Body source, size_t bytes_max, BodyBudget* budget);
  ReplayBody(const ReplayBody&) = delete;
  ReplayBody& operator=(const ReplayBody&) = delete;

  // For the next try; the one before reads nothing more from now on. Only while can_begin_again().
  Body begin(Arena& arena);
  // The present try reads nothing more, while it is not known yet when the next begins: what comes meanwhile is kept.
  void end_try() { present_ = nullptr; }
  // Everything that has been read of it is still there.
  bool can_begin_again() const { return !dropped_; }
  // Of what has been read nothing lies in memory. For tests.
  bool holds_nothing() const { return pieces_.empty(); }
  // Some of it has been asked for.
  bool begun() const { return begun_; }

 private:
  class Reader;
  Task<Chunk> next(Reader& reader);
  Task<Chunk> read_on(Reader& reader, std::optional<Task<Chunk>> reading);
  std::optional<Result<Chunk>> at_hand(Reader& reader);
  void keep(Result<Chunk> read);
  void forget_before(Reader& reader);

  Loop& loop_;
  const Body source_;
  const size_t bytes_max_;
  std::optional<BodyBudget::Share> share_;
  std::deque<std::string> pieces_;
  size_t bytes_ = 0;
  bool begun_ = false;
  bool ended_ = false;
  bool dropped_ = false;  // too much to keep
  bool reading_ = false;  // from the source, for some try
  Event came_;
  std::optional<Error> error_;
  const Reader* present_ = nullptr;
};

}  // namespace sluice
