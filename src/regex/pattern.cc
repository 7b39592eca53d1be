#include "regex/pattern.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "base/strings.h"
#include "regex/effort.h"
#include "regex/shape.h"

namespace sluice::regex {
namespace {

constexpr size_t kWindowMin = 8;
constexpr size_t kRunMax = 4U << 20;    // effort of one search of RE2, which nobody can stop: some 50 ms
constexpr size_t kOnceMax = 16U << 20;  // of match_once(), beside what the text's bytes pay for
constexpr size_t kOnceWaysPerUnit = 4;  // most texts do not lead it everywhere

// Up to nothing.
void pay(size_t& budget, size_t effort) {
  budget -= std::min(budget, effort);
}

}  // namespace

Pattern::Pattern(std::shared_ptr<const RE2> regex) : regex_(std::move(regex)) {
  places_ = static_cast<size_t>(regex_->ProgramSize());
  const Shape shape = shape_of(regex_->pattern());
  if (shape.width_max && *shape.width_max <= kNearMax) width_max_ = shape.width_max;
  if (shape.beginnings_reversed.empty()) return;
  RE2::Options options = byte_options();
  options.set_longest_match(true);
  auto beginning = std::make_shared<const RE2>(shape.beginnings_reversed, options);
  if (!beginning->ok()) return;
  beginning_ = std::move(beginning);
  beginning_places_ = static_cast<size_t>(beginning_->ProgramSize());
}

size_t Pattern::first_open(re2::StringPiece text, size_t from, size_t end, Budget& budget) const {
  // Further back a match would have ended, with the byte that `$` and `\b` look ahead to.
  if (width_max_ && end - from > *width_max_) from = end - *width_max_;
  if (!beginning_ || end - from > budget.measured) return from;
  // The longest beginning is the one that begins first.
  std::array<char, kNearMax> near;
  std::string far;
  char* backwards = near.data();
  if (end - from > near.size()) far.resize(end - from), backwards = far.data();
  std::reverse_copy(text.data() + from, text.data() + end, backwards);
  re2::StringPiece found;
  const Search searched = search(*beginning_, beginning_places_, {backwards, end - from}, 0, end - from,
                                 RE2::ANCHOR_START, std::span(&found, 1));
  pay(budget.measured, searched.effort);
  return searched.found ? end - found.size() : from;
}

Found Pattern::find(re2::StringPiece text, size_t from, std::span<re2::StringPiece> groups, Budget& budget) const {
  const size_t rest = text.size() - from;
  const size_t looks_max = width_max_ ? std::min(*width_max_ + 1, rest) : rest;  // beyond the start of the match
  if (looks_max > budget.unmeasured || effort_max(places_, rest, groups.size()) > kRunMax)
    return find_measured(text, from, groups, budget);
  budget.unmeasured -= looks_max;
  const Search searched = search(*regex_, places_, text, from, text.size(), RE2::UNANCHORED, groups, looks_max);
  pay(budget.measured, searched.effort);
  if (budget.measured == 0) return Found::too_costly;
  return searched.found ? Found::yes : Found::no;
}

// In windows that grow until the bytes behind them cannot change the answer.
Found Pattern::find_measured(re2::StringPiece text, size_t from, std::span<re2::StringPiece> groups,
                             Budget& budget) const {
  for (size_t window = kWindowMin;;) {
    const size_t end = from + std::min(window, text.size() - from);
    // Larger than one run only where a match may be that large, and then within what is left.
    const size_t most = effort_max(places_, end - from, groups.size());
    if (most > kRunMax && most > budget.measured) return Found::too_costly;
    const Search searched = search(*regex_, places_, text, from, end, RE2::UNANCHORED, groups);
    pay(budget.measured, searched.effort);
    if (budget.measured == 0) return Found::too_costly;
    if (end == text.size()) return searched.found ? Found::yes : Found::no;
    const size_t open = first_open(text, from, end, budget);
    if (searched.found && static_cast<size_t>(groups[0].data() - text.data()) < open) return Found::yes;
    if (open == from || effort_max(places_, 2 * window, groups.size()) <= kRunMax) window *= 2;
    from = open;
  }
}

Found match_once(const RE2& regex, re2::StringPiece text, RE2::Anchor anchor, std::span<re2::StringPiece> groups) {
  const size_t effort = effort_max(static_cast<size_t>(regex.ProgramSize()), text.size(), groups.size());
  if (effort / kOnceWaysPerUnit > kOnceMax + Budget::kMeasuredPerByte * text.size()) return Found::too_costly;
  const bool found = regex.Match(text, 0, text.size(), anchor, groups.data(), static_cast<int>(groups.size()));
  return found ? Found::yes : Found::no;
}

Result<std::string> replace_all(const Pattern& pattern, std::string_view text, const std::string& rewrite) {
  std::array<re2::StringPiece, 10> groups;  // \0 to \9
  const auto wanted = std::span(groups).first(1 + static_cast<size_t>(RE2::MaxSubmatch(rewrite)));
  auto budget = Budget::for_text(text.size());
  std::string out;
  std::optional<size_t> last_end;
  for (size_t from = 0; from <= text.size();) {
    const Found found = pattern.find({text.data(), text.size()}, from, wanted, budget);
    if (found == Found::too_costly) return std::unexpected(too_costly(pattern.re2().pattern()));
    const size_t start = found == Found::yes ? static_cast<size_t>(groups[0].data() - text.data()) : text.size();
    out += text.substr(from, start - from);
    if (found == Found::no) return out;
    if (groups[0].empty() && last_end == start) {  // not once more where the last match ended
      out += text.substr(start, 1);
      from = start + 1;
      continue;
    }
    pattern.re2().Rewrite(&out, rewrite, groups.data(), static_cast<int>(wanted.size()));
    last_end = from = start + groups[0].size();
  }
  return out;
}

Error too_costly(std::string_view regex) {
  return {
      .kind = ErrorKind::limit,
      .message = fmt::format("regex `{}` may read this text over {} times: it looks far beyond its matches, or repeats "
                             "too often; write a bound such as {{0,100}} for * and +, [^\"]* for .*, a{{10}} for "
                             "a{{1000}}",
                             printable(regex, 100), Budget::kMeasuredPerByte)};
}

}  // namespace sluice::regex
