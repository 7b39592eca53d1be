#include "engines/templates/extractor.h"

#include <re2/re2.h>

#include "base/strings.h"
#include "regex/pattern.h"

namespace sluice::templates {
namespace {

constexpr int kGroupsMax = 100;  // "$99" is the last one a replacement can name

// What ECMAScript has and linear time does not allow, by name.
Status refuse(std::string_view regex, size_t at) {
  const std::string_view rest = regex.substr(at);
  if (rest.starts_with("(?=") || rest.starts_with("(?!")) {
    return invalid(
        fmt::format("regex `{}`: look-ahead `{}` is not supported: expressions run in linear time; "
                    "match what stands there and take a subgroup",
                    printable(regex), rest.substr(0, 3)));
  }
  if (rest.starts_with("(?<=") || rest.starts_with("(?<!")) {
    return invalid(
        fmt::format("regex `{}`: look-behind `{}` is not supported: expressions run in linear time; "
                    "match what stands there and take a subgroup",
                    printable(regex), rest.substr(0, 4)));
  }
  if (rest.size() > 1 && rest[0] == '\\' && rest[1] >= '1' && rest[1] <= '9') {
    return invalid(fmt::format("regex `{}`: back reference `{}` is not supported: expressions run in linear time",
                               printable(regex), rest.substr(0, 2)));
  }
  return {};
}

// ECMAScript's "." stops at both line breaks, RE2's only at \n.
Result<std::string> to_re2(std::string_view regex) {
  std::string out;
  bool in_class = false;
  for (size_t i = 0; i < regex.size(); ++i) {
    if (!in_class) TRY(refuse(regex, i));
    const char c = regex[i];
    if (c == '\\' && i + 1 < regex.size()) {
      out += c;
      out += regex[++i];
      continue;
    }
    if (in_class && regex.substr(i).starts_with("[:")) {
      if (const size_t end = regex.find(":]", i + 2); end != std::string_view::npos) {
        out += regex.substr(i, end + 2 - i);
        i = end + 1;
        continue;
      }
    }
    if (c == '[' && !in_class) {
      in_class = true;
      out += c;
      // A bracket that stands first is one of the class.
      if (regex.substr(i + 1).starts_with('^')) out += regex[++i];
      if (regex.substr(i + 1).starts_with(']')) out += regex[++i];
      continue;
    }
    if (c == ']') in_class = false;
    if (c == '.' && !in_class)
      out += "[^\\n\\r]";
    else
      out += c;
  }
  return out;
}

re2::StringPiece piece(std::string_view text) {
  return {text.data(), text.size()};
}
std::string_view view(const re2::StringPiece& text) {
  return {text.data(), text.size()};
}

std::unexpected<Error> too_long(size_t bytes_max) {
  return fail(ErrorKind::limit, fmt::format("an extractor's replacement makes more than {} bytes", bytes_max));
}

// What the groups matched; most expressions have few.
class Groups {
 public:
  explicit Groups(size_t wanted) : wanted_(wanted) {
    if (wanted > few_.size()) many_.resize(wanted);
  }
  re2::StringPiece* data() { return many_.empty() ? few_.data() : many_.data(); }
  int size() const { return static_cast<int>(wanted_); }
  std::string_view operator[](size_t i) { return view(data()[i]); }
  std::span<re2::StringPiece> all() { return {data(), wanted_}; }

 private:
  size_t wanted_;
  std::array<re2::StringPiece, 4> few_;
  std::vector<re2::StringPiece> many_;
};

// One match as the replacement's "$" names see it.
struct Match {
  std::string_view source;
  std::span<const re2::StringPiece> groups;

  std::string_view whole() const { return view(groups[0]); }
  std::string_view before() const { return source.substr(0, static_cast<size_t>(whole().data() - source.data())); }
  std::string_view after() const { return source.substr(before().size() + whole().size()); }
};

// Group numbers have one digit, or two; nothing when the text names none.
size_t group_digits(std::string_view text) {
  size_t digits = 0;
  while (digits < 2 && digits < text.size() && ascii_digit(text[digits])) ++digits;
  return digits;
}

// The highest group that the replacement may name; to find those that it does not name costs, too.
size_t last_group(std::string_view format) {
  size_t last = 0;
  for (size_t i = 0; i < format.size(); ++i) {
    if (format[i] != '$') continue;
    const std::string_view rest = format.substr(i + 1);
    if (rest.starts_with('$')) ++i;
    if (const size_t digits = group_digits(rest); digits > 0)
      last = std::max(last, static_cast<size_t>(*parse_decimal(rest.substr(0, digits))));
  }
  return last;
}

// ECMAScript's GetSubstitution: $$, $&, $`, $', $n, $nn. Anything else stands for itself.
Status append_replacement(std::string& out, std::string_view format, const Match& match, size_t bytes_max) {
  for (size_t i = 0; i < format.size(); ++i) {
    const std::string_view rest = format.substr(i + 1);
    const size_t digits = group_digits(rest);
    std::string_view part = format.substr(i, 1);
    if (format[i] == '$' && !rest.empty()) {
      if (rest[0] == '$')
        ++i;
      else if (rest[0] == '&')
        part = match.whole(), ++i;
      else if (rest[0] == '`')
        part = match.before(), ++i;
      else if (rest[0] == '\'')
        part = match.after(), ++i;
      else if (digits > 0) {
        const auto number = *parse_decimal(rest.substr(0, digits));
        part = number < match.groups.size() ? view(match.groups[number]) : std::string_view();
        i += digits;
      }
    }
    if (out.size() + part.size() > bytes_max) return too_long(bytes_max);
    out += part;
  }
  return {};
}

Status check(const Extraction& extraction, int groups) {
  if (extraction.subgroup > static_cast<unsigned>(groups)) {
    return invalid(fmt::format("subgroup {} is asked for, but regex `{}` has only {} groups", extraction.subgroup,
                               printable(extraction.regex), groups));
  }
  if (groups >= kGroupsMax)
    return invalid(fmt::format("regex has {} groups, at most {} are possible", groups, kGroupsMax - 1));
  return {};
}

Status check_mode(const Extraction& extraction) {
  const bool replaces = extraction.mode != ExtractionMode::extract;
  if (replaces && !extraction.replacement)
    return invalid("replacementText is needed in the modes SINGLE_REPLACE and REPLACE_ALL");
  if (!replaces && extraction.replacement && !extraction.replacement->empty()) {
    return invalid("replacementText has no meaning in the mode EXTRACT; set mode to SINGLE_REPLACE or REPLACE_ALL");
  }
  if (extraction.mode == ExtractionMode::replace_all && extraction.subgroup != 0) {
    return invalid("subgroup must be 0 in the mode REPLACE_ALL");
  }
  return {};
}

}  // namespace

Extractor::Extractor(Extraction extraction, std::shared_ptr<const re2::RE2> regex)
    : extraction_(std::move(extraction)), regex_(std::move(regex)) {
  if (!regex_ || extraction_.mode != ExtractionMode::replace_all) return;
  matches_ = std::make_unique<regex::Pattern>(regex_);
  const auto groups = static_cast<size_t>(regex_->NumberOfCapturingGroups()) + 1;
  groups_wanted_ = std::min(groups, 1 + last_group(*extraction_.replacement));
}
size_t Extractor::program_size() const {
  return regex_ ? static_cast<size_t>(regex_->ProgramSize()) : 0;
}
Extractor::Extractor(Extractor&&) noexcept = default;
Extractor& Extractor::operator=(Extractor&&) noexcept = default;
Extractor::~Extractor() = default;

Result<Extractor> Extractor::compile(Extraction extraction) {
  TRY(check_mode(extraction));
  if (extraction.regex.empty()) {
    TRY(check(extraction, 0));
    return Extractor(std::move(extraction), nullptr);
  }
  const std::string expression = TRY(to_re2(extraction.regex));
  auto regex = TRY(regex::compile(expression, regex::kProgramMax));  // over bytes, as std::regex<char>
  if (!regex->ok()) return invalid(fmt::format("regex `{}`: {}", printable(extraction.regex), regex->error()));
  TRY(check(extraction, regex->NumberOfCapturingGroups()));
  return Extractor(std::move(extraction), std::move(regex));
}

Result<std::string_view> Extractor::apply(std::string_view source, std::string& scratch) const {
  if (!regex_) return std::string_view();
  switch (extraction_.mode) {
    case ExtractionMode::extract: return extract(source);
    case ExtractionMode::single_replace: return replace_one(source, scratch);
    case ExtractionMode::replace_all: return replace_all(source, scratch);
  }
  return source;
}

Result<bool> Extractor::matched(regex::Found found) const {
  if (found == regex::Found::too_costly) return std::unexpected(regex::too_costly(extraction_.regex));
  return found == regex::Found::yes;
}

Result<std::string_view> Extractor::extract(std::string_view source) const {
  Groups groups(extraction_.subgroup + 1);
  const bool found = TRY(matched(regex::match_once(*regex_, piece(source), re2::RE2::ANCHOR_BOTH, groups.all())));
  return found ? groups[extraction_.subgroup] : std::string_view();
}

Result<std::string_view> Extractor::replace_one(std::string_view source, std::string& scratch) const {
  Groups groups(extraction_.subgroup + 1);
  if (!TRY(matched(regex::match_once(*regex_, piece(source), re2::RE2::UNANCHORED, groups.all())))) return source;
  const std::string_view group = groups[extraction_.subgroup];
  if (groups[0].size() != source.size() || group.data() == nullptr) return source;
  const auto start = static_cast<size_t>(group.data() - source.data());
  const size_t size = source.size() - group.size() + extraction_.replacement->size();
  if (size > extraction_.bytes_max) return too_long(extraction_.bytes_max);
  scratch.assign(source.substr(0, start));
  scratch += *extraction_.replacement;
  scratch += source.substr(start + group.size());
  return scratch;
}

Result<std::string_view> Extractor::replace_all(std::string_view source, std::string& scratch) const {
  Groups groups(groups_wanted_);
  scratch.clear();
  size_t kept = 0;  // everything before it is in `scratch`
  size_t from = 0;
  auto budget = regex::Budget::for_text(source.size());
  while (from <= source.size()) {
    if (!TRY(matched(matches_->find(piece(source), from, groups.all(), budget)))) break;
    const Match match{source, groups.all()};
    const size_t start = match.before().size();
    if (match.whole().empty()) {
      from = start + 1;
      continue;
    }
    if (scratch.size() + (start - kept) > extraction_.bytes_max) return too_long(extraction_.bytes_max);
    scratch += source.substr(kept, start - kept);
    TRY(append_replacement(scratch, *extraction_.replacement, match, extraction_.bytes_max));
    kept = from = start + match.whole().size();
  }
  if (kept == 0) return source;
  if (scratch.size() + (source.size() - kept) > extraction_.bytes_max) return too_long(extraction_.bytes_max);
  scratch += source.substr(kept);
  return scratch;
}

}  // namespace sluice::templates
