#include "route/path_index.h"

#include <algorithm>
#include <bit>
#include <map>
#include <utility>

#include "route/text_hash.h"

namespace sluice {
namespace {

// A prefix is no whole path, though the text be the same.
constexpr uint64_t kExact = 0x5851f42d4c957f2d;

// "/" is any path, and the only prefix that a path matches without beginning with it ("*").
bool by_text(const RequestMatcher& matcher) {
  return matcher.path_match() == kinds::PathMatch::exact ||
         (matcher.path_match() == kinds::PathMatch::prefix && matcher.path().size() > 1);
}

// The lengths that most prefixes have, ascending.
std::vector<size_t> usual_lengths(std::span<const RequestMatcher* const> matchers) {
  std::map<size_t, size_t> counts;
  for (const RequestMatcher* matcher : matchers)
    if (by_text(*matcher) && matcher->path_match() == kinds::PathMatch::prefix) ++counts[matcher->path().size()];
  std::vector<std::pair<size_t, size_t>> ranked(counts.begin(), counts.end());
  std::ranges::sort(ranked, std::greater<>(), [](const auto& one) { return std::pair(one.second, one.first); });
  if (ranked.size() > PathIndex::kLengthsMax) ranked.resize(PathIndex::kLengthsMax);
  std::vector<size_t> out;
  out.reserve(ranked.size());
  for (const auto& [length, count] : ranked) out.push_back(length);
  std::ranges::sort(out);
  return out;
}

}  // namespace

void PathIndex::build(std::span<const RequestMatcher* const> matchers) {
  lengths_ = usual_lengths(matchers);
  std::vector<std::pair<uint64_t, uint32_t>> texts;
  for (uint32_t i = 0; i < matchers.size(); ++i) {
    const RequestMatcher& matcher = *matchers[i];
    const bool exact = matcher.path_match() == kinds::PathMatch::exact;
    if (by_text(matcher) && (exact || std::ranges::binary_search(lengths_, matcher.path().size())))
      texts.emplace_back(hash_ignoring_case(matcher.path()) ^ (exact ? kExact : 0), i);
    else
      always_.push_back(i);
    exact_ |= exact;
  }
  std::ranges::sort(texts);
  if (!texts.empty()) slots_.resize(std::bit_ceil(2 * texts.size()));
  for (size_t i = 0; i < texts.size();) {
    const uint64_t hash = texts[i].first;
    const auto begin = static_cast<uint32_t>(i);
    for (; i < texts.size() && texts[i].first == hash; ++i) routes_.push_back(texts[i].second);
    size_t at = hash & (slots_.size() - 1);
    while (slots_[at].end != 0) at = (at + 1) & (slots_.size() - 1);
    slots_[at] = {hash, begin, static_cast<uint32_t>(i)};
  }
}

std::span<const uint32_t> PathIndex::find(uint64_t hash) const {
  if (slots_.empty()) return {};
  for (size_t at = hash & (slots_.size() - 1); slots_[at].end != 0; at = (at + 1) & (slots_.size() - 1))
    if (slots_[at].hash == hash) return std::span(routes_).subspan(slots_[at].begin, slots_[at].end - slots_[at].begin);
  return {};
}

PathIndex::Candidates::Candidates(const PathIndex& index, std::string_view path) {
  add(index.always_);
  if (index.exact_) add(index.find(hash_ignoring_case(path) ^ kExact));
  for (const size_t length : index.lengths_) {
    if (length > path.size()) break;
    add(index.find(hash_ignoring_case(path.substr(0, length))));
  }
}

uint32_t PathIndex::Candidates::next() {
  if (count_ == 0) return kNone;
  List* least = &lists_[0];
  for (size_t i = 1; i < count_; ++i)
    if (*lists_[i].at < *least->at) least = &lists_[i];
  const uint32_t out = *least->at++;
  if (least->at == least->end) *least = lists_[--count_];
  return out;
}

}  // namespace sluice
