// The plain way to do what the engine does, for comparison in tests: RE2 over the whole text, one pattern after the
// other. Differs from "replace all" in one documented point: the byte that closes a number may open the next.
#pragma once

#include <re2/re2.h>

#include <string>
#include <string_view>
#include <vector>

#include "engines/masking/rules.h"

namespace sluice::masking::reference {

inline std::vector<std::string> patterns_of(Builtin type) {
  const std::string before = R"re((?:^|\D)()re";
  const std::string after = R"re()(?:\D|$))re";
  const std::string s = R"re((?:\ |\-|))re";
  const auto bounded = [&](const std::string& inner) { return before + inner + after; };
  const auto four = [&](const std::string& start) {
    return bounded(start + s + R"(\d{4})" + s + R"(\d{4})" + s + R"(\d{4})");
  };
  const std::string six_four = s + R"(\d{6})" + s + R"(\d{4})";
  switch (type) {
    case Builtin::ssn: return {bounded(R"(\d{9})"), bounded(R"(\d{3}-\d{2}-\d{4})"), bounded(R"(\d{3}\ \d{2}\ \d{4})")};
    case Builtin::mastercard: return {four(R"(5[1-5]\d{2})")};
    case Builtin::visa: return {four(R"(4\d{3})")};
    case Builtin::amex: return {bounded(R"(3[47]\d{2})" + s + R"(\d{6})" + s + R"(\d{5})")};
    case Builtin::discover: return {four("6011")};
    case Builtin::jcb: return {four(R"(3\d{3})"), bounded(R"((?:2131|1800)\d{11})")};
    case Builtin::diners_club: return {bounded(R"(30[0-5]\d)" + six_four), bounded(R"(3[68]\d{2})" + six_four)};
    case Builtin::credit_card_trackers:
      return {R"(([1-9]\d{2}-\d{2}-\d{4}\^\d))", before + R"(%?[Bb]\d{13,19}\^[\-\/\.\w\s]{2,26}\^\d\d[01]\d\d{3}))",
              before + R"(\;\d{13,19}\=(?:\d{3}|)(?:\d{4}|\=)))"};
    case Builtin::all_credit_cards:
    case Builtin::all_credit_cards_combined: break;
  }
  std::vector<std::string> all;
  for (const Builtin card : {Builtin::mastercard, Builtin::visa, Builtin::amex, Builtin::discover, Builtin::jcb,
                             Builtin::diners_club, Builtin::credit_card_trackers}) {
    for (std::string& pattern : patterns_of(card)) all.push_back(std::move(pattern));
  }
  return all;
}

struct Masked {
  std::string text;
  uint64_t matches = 0;
};

inline void mask_with(const RE2& regex, int subgroup, const Mask& mask, bool shadow, bool shares_boundary,
                      Masked& out) {
  const std::string input = out.text;
  const re2::StringPiece text(input);
  std::vector<re2::StringPiece> groups(static_cast<size_t>(subgroup) + 1);
  size_t at = 0;
  while (at <= input.size() &&
         regex.Match(text, at, input.size(), RE2::UNANCHORED, groups.data(), static_cast<int>(groups.size()))) {
    const re2::StringPiece group = groups.back();
    const auto whole_end = static_cast<size_t>(groups[0].data() + groups[0].size() - input.data());
    if (!group.empty()) {
      const auto offset = static_cast<size_t>(group.data() - input.data());
      ++out.matches;
      if (!shadow) mask.apply({out.text.data() + offset, group.size()});
      at =
          shares_boundary ? offset + group.size() - (ascii_digit(input[offset + group.size() - 1]) ? 0 : 1) : whole_end;
    } else {
      at = whole_end;
    }
    if (groups[0].empty()) ++at;
  }
}

// With Latin-1 patterns, in order, as the engine promises.
inline Masked mask(std::string_view text, std::span<const Action> actions) {
  RE2::Options options(RE2::Latin1);
  Masked out{.text = std::string(text)};
  for (const Action& action : actions) {
    if (const auto* builtin = std::get_if<Builtin>(&action.what)) {
      for (const std::string& pattern : patterns_of(*builtin)) {
        mask_with(RE2(pattern, options), 1, Mask{}, action.shadow, true, out);
      }
      continue;
    }
    const auto& custom = std::get<Custom>(action.what);
    const Mask how{custom.mask_char.empty() ? 'X' : custom.mask_char[0], custom.percent};
    for (const Regex& regex : custom.regexes) {
      mask_with(RE2(regex.regex, options), static_cast<int>(regex.subgroup), how, action.shadow, false, out);
    }
  }
  return out;
}

}  // namespace sluice::masking::reference
