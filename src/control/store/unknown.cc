#include "control/store/unknown.h"

#include "base/strings.h"
#include "config/policy_gap.h"

namespace sluice {
namespace {

bool is_of_name(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '.';
}

std::string_view without_ends(std::string_view word) {
  while (!word.empty() && (word.front() == '-' || word.front() == '.')) word.remove_prefix(1);
  while (!word.empty() && (word.back() == '-' || word.back() == '.')) word.remove_suffix(1);
  return word;
}

std::unordered_set<std::string_view> words_of(std::string_view bytes) {
  std::unordered_set<std::string_view> words;
  for (size_t at = 0; at < bytes.size();) {
    size_t end = at;
    while (end < bytes.size() && is_of_name(bytes[end])) ++end;
    if (const std::string_view word = without_ends(bytes.substr(at, end - at)); !word.empty()) words.insert(word);
    at = end + 1;
  }
  return words;
}

}  // namespace

void Unknown::add_text(std::string_view path, std::string_view bytes, std::string why) {
  // In another encoding, or no text at all.
  if (bytes.contains('\0')) return add_unseen(std::move(why));
  texts_.push_back({path, bytes, std::move(why)});
}

void Unknown::add_unseen(std::string why) {
  unseen_.push_back(std::move(why));
}

std::string_view Unknown::said(std::string_view why) {
  was_asked_ = true;
  return why;
}

std::string_view Unknown::may_hold(std::string_view name) {
  if (!unseen_.empty()) return said(unseen_.front());
  for (Text& text : texts_) {
    if (text.words.empty()) text.words = words_of(text.bytes);
    if (text.words.contains(name)) return said(text.why);
  }
  return {};
}

std::string_view Unknown::may_hold_policy() {
  if (!unseen_.empty()) return said(unseen_.front());
  for (const Text& text : texts_)
    if (sluice::may_hold_policy(text.path, text.bytes)) return said(text.why);
  return {};
}

}  // namespace sluice
