// Masks one body while it passes.
//
// However the body is cut, the bytes that leave are those that masking it in one piece would give, and as many of
// them. What cannot be the beginning of a match leaves at once. Belongs to one body, on one worker.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "base/result.h"
#include "engines/masking/rules.h"

namespace sluice::masking {

class Masker {
 public:
  // Bytes that may leave now, in this order. `held` belongs to the Masker and lives until the next call; `fresh` is
  // a front part of what was fed, masked where it lies.
  struct Output {
    std::span<char> held;
    std::span<char> fresh;
    size_t size() const { return held.size() + fresh.size(); }
  };

  // `counts` has one entry for each of the rules' counter names and outlives the Masker; matches are added to it.
  // `held_bytes_max` bounds what rules that need the whole body may hold back.
  Masker(std::shared_ptr<const Rules> rules, size_t held_bytes_max, std::span<uint64_t> counts);

  // The next bytes; with End::final the last ones (there may be none), and everything leaves. Fails with
  // ErrorKind::limit when more would be held back than allowed, or an expression looks too far beyond its matches;
  // nothing may be sent then.
  Result<Output> feed(std::span<char> bytes, End end = End::open);

 private:
  Result<size_t> run(Window window, size_t size, End end);
  Result<Output> feed_in_place(std::span<char> bytes, End end);
  Result<Output> feed_held(std::span<char> bytes, End end);
  Result<Output> feed_joined(std::span<char> bytes, End end);
  Status check_room(size_t more) const;
  std::span<char> leave(size_t bytes);
  void hold(std::span<const char> bytes);
  void shift(size_t bytes);

  std::shared_ptr<const Rules> rules_;
  std::span<uint64_t> counts_;
  size_t held_bytes_max_;
  std::vector<StageState> states_;
  std::string held_;     // one byte of room for what came before, then what is held back
  std::string leaving_;  // what Output::held points to
  bool started_ = false;
};

}  // namespace sluice::masking
