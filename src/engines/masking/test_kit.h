// For the tests, the fuzz target and the benchmark of masking.
#pragma once

#include <random>
#include <string>
#include <string_view>
#include <vector>

#include "engines/masking/masker.h"

namespace sluice::masking::test_kit {

inline uint64_t sum(const std::vector<uint64_t>& counts) {
  uint64_t all = 0;
  for (const uint64_t count : counts) all += count;
  return all;
}

inline std::string text_of(const Masker::Output& output) {
  return std::string(output.held.begin(), output.held.end()) + std::string(output.fresh.begin(), output.fresh.end());
}

struct Outcome {
  std::string text;
  std::vector<uint64_t> counts;
  size_t held_most = 0;  // bytes held back at a cut
  bool failed = false;
};

inline Outcome mask_whole(const std::shared_ptr<const Rules>& rules, std::string_view text) {
  Outcome outcome{.text = std::string(text), .counts = std::vector<uint64_t>(rules->counter_names().size())};
  outcome.failed = !rules->mask_whole(outcome.text, outcome.counts);
  return outcome;
}

// Feeds the text in pieces; next_size() gives each piece's size. Every piece lies in memory of its own size, so that
// the address sanitizer sees a step too far.
template <class NextSize>
Outcome mask_in_pieces(const std::shared_ptr<const Rules>& rules, std::string_view text, NextSize next_size) {
  Outcome outcome{.counts = std::vector<uint64_t>(rules->counter_names().size())};
  Masker masker(rules, 1 << 24, outcome.counts);
  size_t fed = 0;
  for (;;) {
    const std::string_view piece = text.substr(fed, next_size());
    fed += piece.size();
    std::vector<char> bytes(piece.begin(), piece.end());
    // The end comes with the last bytes, or behind them.
    const bool last = fed == text.size() && (text.size() % 2 == 0 || piece.empty());
    const auto output = masker.feed(bytes, last ? End::final : End::open);
    if (!output) {
      outcome.failed = true;
      return outcome;
    }
    outcome.text += text_of(*output);
    if (last) return outcome;
    outcome.held_most = std::max(outcome.held_most, fed - outcome.text.size());
  }
}

// Text that is full of almost-matches.
inline std::string random_text(std::mt19937& random, size_t tokens) {
  static constexpr std::string_view kTokens[] = {"4111",
                                                 "1111",
                                                 "5500",
                                                 "0000",
                                                 "6011",
                                                 "3400",
                                                 "000000",
                                                 "00000",
                                                 "3056",
                                                 "3612",
                                                 "2131",
                                                 "1800",
                                                 "123456789",
                                                 "123",
                                                 "45",
                                                 "6789",
                                                 "123-45-6789",
                                                 "4111-1111-1111-1111",
                                                 "4111111111111111",
                                                 "371449635398431",
                                                 "30569309025904",
                                                 "-",
                                                 "-",
                                                 "-",
                                                 " ",
                                                 " ",
                                                 " ",
                                                 "^",
                                                 "^",
                                                 "=",
                                                 "==",
                                                 ";",
                                                 "%B",
                                                 "B",
                                                 "b",
                                                 "%",
                                                 "x",
                                                 "\n",
                                                 "DOE/JOHN",
                                                 "1234567890123",
                                                 "1234567890123456789",
                                                 "2512101",
                                                 "0",
                                                 "7",
                                                 "B1234567890123^DOE/J^2512101",
                                                 ";1234567890123=1234567",
                                                 "123-45-6789^1",
                                                 "\xff",
                                                 "_",
                                                 "ab",
                                                 "hello world",
                                                 "42.5,",
                                                 "{\"id\":"};
  std::string text;
  for (size_t i = 0; i < tokens; ++i) text += kTokens[random() % std::size(kTokens)];
  return text;
}

}  // namespace sluice::masking::test_kit
