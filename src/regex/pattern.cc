#include "regex/pattern.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "base/strings.h"
#include "regex/shape.h"

namespace sluice::regex {
namespace {

constexpr size_t kWindowMin = 16;
constexpr size_t kWaysPerByte = 4;    // backwards
constexpr size_t kGroupsPerWay = 12;  // to copy them takes as long as a step of a way

// Of looking at so many bytes in a row. RE2 is slowest where it follows many ways through an expression at once: as
// many as the expression has places, or as there are bytes to begin at. Where groups are wanted besides the match
// itself, each way carries its own, and copies them where one begins or ends.
size_t cost_of(size_t places, size_t bytes, size_t groups) {
  const size_t ways = std::min(places, bytes);
  return bytes * (1 + (groups > 1 ? ways + ways * groups / kGroupsPerWay : ways) / 8);
}

bool match(const RE2& regex, re2::StringPiece text, size_t from, size_t end, std::span<re2::StringPiece> groups) {
  return regex.Match(text, from, end, RE2::UNANCHORED, groups.data(), static_cast<int>(groups.size()));
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
  // Nearly all of its places are optional: from one byte on it may be in many.
  const size_t bytes = end - from;
  const size_t searched = bytes * (1 + std::min(beginning_places_, kWaysPerByte * bytes) / 8);
  if (!beginning_ || searched > budget.measured) return from;
  budget.measured -= searched;
  // The longest beginning is the one that begins first.
  std::array<char, kNearMax> near;
  std::string far;
  char* backwards = near.data();
  if (end - from > near.size()) far.resize(end - from), backwards = far.data();
  std::reverse_copy(text.data() + from, text.data() + end, backwards);
  re2::StringPiece found;
  if (!beginning_->Match({backwards, end - from}, 0, end - from, RE2::ANCHOR_START, &found, 1)) return from;
  return end - found.size();
}

Found Pattern::find(re2::StringPiece text, size_t from, std::span<re2::StringPiece> groups, Budget& budget) const {
  const size_t rest = text.size() - from;
  const size_t looks_max = width_max_ ? std::min(*width_max_ + 1, rest) : rest;  // beyond the start of the match
  // Passing over a text may cost more than there is for its bytes: then every search is measured.
  const bool is_heavy = cost(rest, groups.size()) / (rest + 1) >= Budget::kMeasuredPerByte;
  const size_t most = cost(looks_max, groups.size());
  if (is_heavy || most > budget.unmeasured) return find_measured(text, from, groups, budget);
  budget.unmeasured -= most;
  return match(*regex_, text, from, text.size(), groups) ? Found::yes : Found::no;
}

size_t Pattern::cost(size_t bytes, size_t groups) const {
  return cost_of(places_, bytes, groups);
}

// In windows that grow until the bytes behind them cannot change the answer.
Found Pattern::find_measured(re2::StringPiece text, size_t from, std::span<re2::StringPiece> groups,
                             Budget& budget) const {
  for (size_t window = kWindowMin;; window *= 2) {
    const size_t end = from + std::min(window, text.size() - from);
    const size_t searched = cost(end - from, groups.size());
    if (searched > budget.measured) return Found::too_costly;
    budget.measured -= searched;
    const bool found = match(*regex_, text, from, end, groups);
    if (end == text.size()) return found ? Found::yes : Found::no;
    const size_t open = first_open(text, from, end, budget);
    if (found && static_cast<size_t>(groups[0].data() - text.data()) < open) return Found::yes;
    from = open;
  }
}

Found match_once(const RE2& regex, re2::StringPiece text, RE2::Anchor anchor, std::span<re2::StringPiece> groups) {
  const size_t cost = cost_of(static_cast<size_t>(regex.ProgramSize()), text.size(), groups.size());
  if (cost > Budget::for_text(text.size()).measured) return Found::too_costly;
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
