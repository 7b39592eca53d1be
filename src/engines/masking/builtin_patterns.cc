#include "engines/masking/builtin_patterns.h"

#include <algorithm>

#include "base/check.h"
#include "base/strings.h"

namespace sluice::masking {
namespace {

constexpr size_t kTrackDigitsMin = 13;
constexpr size_t kTrackDigitsMax = 19;
constexpr size_t kNameMin = 2;
constexpr size_t kNameMax = 26;

constexpr Walk kMore{Fit::more};
constexpr Walk kNo{Fit::no};

bool is_separator(char c) {
  return c == ' ' || c == '-';
}

// RE2's [\-\/\.\w\s]; its \s has no vertical tab.
bool is_name_byte(char c) {
  return ascii_digit(c) || ascii_alpha(c) || c == '_' || c == '-' || c == '/' || c == '.' || c == ' ' || c == '\t' ||
         c == '\n' || c == '\f' || c == '\r';
}

// At the end of what is there: wait for more, or know that none comes.
Walk at_end(bool final) {
  return final ? kNo : kMore;
}

size_t count_digits(const char* from, const char* end, size_t most) {
  size_t count = 0;
  while (count < most && from + count != end && ascii_digit(from[count])) ++count;
  return count;
}

// The 13 to 19 digits of a track and the byte that must follow them. Moves `at` behind it.
Fit walk_account(const char*& at, const char* end, char closing) {
  const size_t digits = count_digits(at, end, kTrackDigitsMax);
  at += digits;
  if (at == end) return Fit::more;
  if (digits < kTrackDigitsMin || *at != closing) return Fit::no;
  ++at;
  return Fit::yes;
}

Walk walk_track1(const char* from, const char* end, bool final) {
  const char* at = from;
  if (*at == '%') ++at;
  if (at == end) return at_end(final);
  if (*at != 'B' && *at != 'b') return kNo;
  ++at;
  const Fit account = walk_account(at, end, '^');
  if (account != Fit::yes) return account == Fit::more ? at_end(final) : kNo;

  size_t name = 0;
  while (name < kNameMax && at != end && is_name_byte(*at)) ++name, ++at;
  if (at == end) return at_end(final);
  if (name < kNameMin || *at != '^') return kNo;
  ++at;

  for (int i = 0; i < 7; ++i, ++at) {  // year, month's first digit 0 or 1, its second, service code
    if (at == end) return at_end(final);
    if (i == 2 ? *at != '0' && *at != '1' : !ascii_digit(*at)) return kNo;
  }
  return {Fit::yes, static_cast<size_t>(at - from)};
}

Walk walk_track2(const char* from, const char* end, bool final) {
  const char* at = from + 1;
  const Fit account = walk_account(at, end, '=');
  if (account != Fit::yes) return account == Fit::more ? at_end(final) : kNo;

  // (?:\d{3}|)(?:\d{4}|=): three digits first, if what follows them fits; else none.
  const size_t digits = count_digits(at, end, 7);
  const bool ended = at + digits == end;
  const auto found = [&](size_t more) { return Walk{Fit::yes, static_cast<size_t>(at - from) + more}; };
  if (digits == 7) return found(7);
  if (ended && !final) return kMore;
  if (digits >= 4) return found(4);
  const bool closed = !ended && at[digits] == '=';
  if (closed && digits == 3) return found(4);
  if (closed && digits == 0) return found(1);
  return kNo;
}

}  // namespace

BuiltinPattern BuiltinPattern::digits(std::string_view shape, bool bounded) {
  BuiltinPattern pattern;
  pattern.bounded_before_ = pattern.bounded_after_ = bounded;
  for (size_t i = 0; i < shape.size(); ++i) {
    if (shape[i] == '~') {
      pattern.atoms_.push_back({.separator = true});
    } else if (shape[i] == '[') {
      CHECK(i + 4 < shape.size() && shape[i + 2] == '-' && shape[i + 4] == ']');
      pattern.atoms_.push_back({shape[i + 1], shape[i + 3]});
      i += 4;
    } else {
      const bool any = shape[i] == 'd';
      pattern.atoms_.push_back({any ? '0' : shape[i], any ? '9' : shape[i]});
    }
  }
  const Atom& first = pattern.atoms_.front();
  for (char c = first.low; c <= first.high; ++c) pattern.starts_[static_cast<unsigned char>(c)] = true;
  pattern.length_max_ = pattern.atoms_.size();

  uint32_t run = 0;
  for (const Atom& atom : pattern.atoms_) {
    if (ascii_digit(atom.low)) {
      ++run;
      continue;
    }
    pattern.first_runs_ |= 1u << run;
    if (!atom.separator) return pattern;
  }
  pattern.first_runs_ |= 1u << run;
  return pattern;
}

BuiltinPattern BuiltinPattern::track1() {
  BuiltinPattern pattern;
  pattern.kind_ = Kind::track1;
  pattern.starts_['%'] = pattern.starts_['B'] = pattern.starts_['b'] = true;
  pattern.bounded_after_ = false;
  pattern.length_max_ = 2 + kTrackDigitsMax + 1 + kNameMax + 1 + 7;
  return pattern;
}

BuiltinPattern BuiltinPattern::track2() {
  BuiltinPattern pattern;
  pattern.kind_ = Kind::track2;
  pattern.starts_[';'] = true;
  pattern.bounded_after_ = false;
  pattern.length_max_ = 1 + kTrackDigitsMax + 1 + 7;
  return pattern;
}

bool BuiltinPattern::may_start_with(const DigitRuns& runs) const {
  for (char digit = atoms_.front().low; digit <= atoms_.front().high; ++digit) {
    if ((runs[static_cast<size_t>(digit - '0')] & first_runs_) != 0) return true;
  }
  return false;
}

void BuiltinPattern::add_first_runs(DigitRuns& runs) const {
  for (char digit = atoms_.front().low; digit <= atoms_.front().high; ++digit) {
    runs[static_cast<size_t>(digit - '0')] |= first_runs_;
  }
}

Walk BuiltinPattern::walk(const char* from, const char* end, bool final) const {
  switch (kind_) {
    case Kind::digits: return walk_digits(from, end, final);
    case Kind::track1: return walk_track1(from, end, final);
    case Kind::track2: return walk_track2(from, end, final);
  }
  __builtin_unreachable();
}

Walk BuiltinPattern::walk_digits(const char* from, const char* end, bool final) const {
  const char* at = from;
  for (const Atom& atom : atoms_) {
    if (at == end) return at_end(final);
    if (atom.separator) {
      if (is_separator(*at)) ++at;
    } else if (*at < atom.low || *at > atom.high) {
      return kNo;
    } else {
      ++at;
    }
  }
  if (bounded_after_) {
    if (at == end && !final) return kMore;
    if (at != end && ascii_digit(*at)) return kNo;
  }
  return {Fit::yes, static_cast<size_t>(at - from)};
}

}  // namespace sluice::masking
