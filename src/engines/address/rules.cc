#include "engines/address/rules.h"

#include <fmt/format.h>

#include <algorithm>
#include <variant>

#include "base/strings.h"

namespace sluice {
namespace {

using enum AddressClass;

constexpr std::array<uint8_t, 6> kNat64Lengths = {32, 40, 48, 56, 64, 96};  // RFC 6052 2.2
constexpr std::string_view kOwnPort = "own-port";

constexpr std::array<std::string_view, kAddressClasses> kDefaultRules = {
    "default/metadata",      "default/unspecified",  "default/multicast", "default/loopback",   "default/self",
    "default/cluster",       "default/private",      "default/shared",    "default/link-local", "default/ietf",
    "default/documentation", "default/benchmarking", "default/relay",     "default/discard",    "default/reserved",
    "default/transition",    "default/global"};

bool never_opened(AddressClass address_class) {
  return address_class == unspecified || address_class == multicast;
}

IpAddress last_of(const Cidr& range) {
  const auto fill = [](uint64_t bits, unsigned kept) { return kept >= 64 ? bits : bits | ~uint64_t{0} >> kept; };
  const uint64_t high = fill(range.network.high(), range.length);
  if (range.network.is_v4()) return IpAddress::v4(static_cast<uint32_t>(high >> 32));
  return IpAddress::v6(high, fill(range.network.low(), range.length <= 64 ? 0 : range.length - 64u));
}

// The class that nothing opens, when every address from `first` to `last` is of it.
std::optional<AddressClass> closed_class(const IpAddress& first, const IpAddress& last) {
  static constexpr std::array kClosed = {Cidr{IpAddress::v4(0, 0, 0, 0), 8}, Cidr{IpAddress::v4(224, 0, 0, 0), 4},
                                         Cidr{IpAddress(), 128}, Cidr{IpAddress::v6(0xff00'0000'0000'0000, 0), 8}};
  const bool closed =
      std::ranges::any_of(kClosed, [&](const Cidr& range) { return range.contains(first) && range.contains(last); });
  return closed ? std::optional(classify_outer(first, {})) : std::nullopt;
}

// The same of a range, which is closed, too, when what it wraps is: an address needs every form of it to be allowed.
// What is wrapped in a range lies between what its first and its last address wrap.
std::optional<AddressClass> closed_class(const Cidr& range) {
  const IpAddress last = last_of(range);
  if (const auto closed = closed_class(range.network, last)) return closed;
  const Unwrapped inner_first = unwrap(range.network, {});
  const Unwrapped inner_last = unwrap(last, {});
  if (inner_first.count != inner_last.count) return std::nullopt;  // its ends are not wrapped in the same way
  for (size_t i = 0; i < inner_first.count; ++i)
    if (const auto closed = closed_class(inner_first.inner[i], inner_last.inner[i])) return closed;
  return std::nullopt;
}

std::string address_error(std::string_view text) {
  if (text.find_first_of("./:") != std::string_view::npos) return std::move(Cidr::parse(text)).error().message;
  const auto near = nearest(text, class_words());
  if (near) return fmt::format("`{}` is no class word; did you mean `{}`?", printable(text, 80), *near);
  return fmt::format("`{}` is no range such as 10.0.0.0/8 and none of the class words {}", printable(text, 80),
                     fmt::join(class_words(), ", "));
}

using AddressEntry = std::variant<AddressClass, Cidr>;

Result<AddressEntry> parse_entry(std::string_view text, RuleAction action) {
  if (const auto word = parse_class_word(text)) {
    if (action == RuleAction::allow && never_opened(*word))
      return invalid(fmt::format("`{}` is never opened: remove it", text));
    return *word;
  }
  const auto range = Cidr::parse(text);
  if (!range) return invalid(address_error(text));
  if (action == RuleAction::allow)
    if (const auto closed = closed_class(*range))
      return invalid(fmt::format("`{}` is {}, which is never opened: remove it", text, class_word(*closed)));
  return *range;
}

}  // namespace

namespace {

std::string contradiction_text(const TlsDemand& demand) {
  return fmt::format("rules {} and {} of EgressPolicies contradict each other about TLS", demand.rule,
                     demand.contradicted_by);
}

}  // namespace

Status check_address(std::string_view text, RuleAction action) {
  TRY(parse_entry(text, action));
  return {};
}

void TlsDemand::add(const TlsDemand& other) {
  if (other.wish == TlsWish::none || !contradicted_by.empty()) return;
  const bool both = wish != TlsWish::none && other.contradicted_by.empty();
  const bool differ =
      !certificate_name.empty() && !other.certificate_name.empty() && certificate_name != other.certificate_name;
  if (both && (wish != other.wish || differ))
    contradicted_by = other.rule;
  else if (!both || certificate_name.empty())
    *this = other;
}

AddressRules::AddressRules(LocalAddresses local, std::vector<uint16_t> own_ports)
    : local_(std::move(local)), own_ports_(std::move(own_ports)) {
  std::ranges::sort(own_ports_);
}

Result<AddressRules> AddressRules::compile(const std::vector<AddressPolicy>& policies, LocalAddresses local,
                                           std::vector<uint16_t> own_ports) {
  for (const Cidr& prefix : local.nat64)
    if (prefix.network.is_v4() || std::ranges::find(kNat64Lengths, prefix.length) == kNat64Lengths.end())
      return invalid(fmt::format("NAT64 prefix `{}`: its length must be 32, 40, 48, 56, 64 or 96", prefix.to_string()));
  AddressRules out(std::move(local), std::move(own_ports));
  for (const AddressPolicy& policy : policies) {
    const size_t entries_max = out.entries_.size() + kEntriesMax;
    for (const AddressRule& rule : policy.rules) TRY(out.add(policy, rule, entries_max));
  }
  out.sort_entries();
  return out;
}

Status AddressRules::add(const AddressPolicy& policy, const AddressRule& rule, size_t entries_max) {
  const auto id = static_cast<uint32_t>(rules_.size());
  rules_.push_back({fmt::format("{}/{}", policy.name, rule.name), rule.tls, rule.certificate_name});
  says_of_tls_ |= rule.tls != TlsWish::none;
  const auto where = [&] { return fmt::format("rule `{}`: addresses", rules_[id].id); };
  if (rule.addresses.empty())
    return invalid(where() + ": is empty: name at least one class word or range such as 10.0.0.0/8");
  for (const std::string& text : rule.addresses) {
    Status added = add_address(rule, text, id, entries_max);
    if (!added) return std::unexpected(std::move(added).error().in(where()));
  }
  return {};
}

Status AddressRules::add_address(const AddressRule& rule, std::string_view text, uint32_t id, size_t entries_max) {
  const AddressEntry entry = TRY(parse_entry(text, rule.action));
  if (const auto* word = std::get_if<AddressClass>(&entry)) {
    ClassRules& rules = classes_[static_cast<size_t>(*word)];
    uint32_t& slot = rule.action == RuleAction::allow  ? rules.allow
                     : rule.action == RuleAction::deny ? rules.deny
                                                       : rules.shadow;
    if (slot == kNoRule) slot = id;  // the first that says so gives the name
    if (rule.action == RuleAction::allow && rule.tls != TlsWish::none) rules.tls.push_back(id);
    return {};
  }
  if (entries_.size() == entries_max)
    return fail(ErrorKind::limit, fmt::format("`{}` is one range too many: {} is the most", text, kEntriesMax));
  entries_.push_back({.range = std::get<Cidr>(entry), .action = rule.action, .rule = id});
  return {};
}

void AddressRules::sort_entries() {
  const auto order = [](const Entry& entry) {  // longest first, deny before allow; then as they were written
    return std::tuple(-int{entry.range.length}, entry.range.network, entry.action != RuleAction::deny, entry.rule);
  };
  std::ranges::sort(entries_, {}, order);
  for (uint32_t i = 0; i < entries_.size(); ++i) {
    const Cidr& range = entries_[i].range;
    if (lengths_.empty() || lengths_.back().length != range.length || lengths_.back().family != range.network.family())
      lengths_.push_back({.family = range.network.family(), .length = range.length, .begin = i, .end = i});
    lengths_.back().end = i + 1;
  }
}

TlsDemand AddressRules::tls_of(uint32_t rule) const {
  const Rule& one = rules_[rule];
  return {.wish = one.tls, .certificate_name = one.certificate_name, .rule = one.id, .contradicted_by = {}};
}

std::vector<std::string> AddressRules::contradictions() const {
  std::vector<std::string> out;
  const auto tell = [&out](const TlsDemand& demand, std::string_view addresses) {
    if (!demand.contradicted_by.empty()) out.push_back(fmt::format("{} for {}", contradiction_text(demand), addresses));
  };
  for (size_t i = 0; i < entries_.size();) {
    const Entry& first = entries_[i];
    TlsDemand demand;
    for (; i < entries_.size() && entries_[i].range == first.range; ++i)
      if (entries_[i].action == RuleAction::allow && first.action != RuleAction::deny)
        demand.add(tls_of(entries_[i].rule));
    tell(demand, first.range.to_string());
  }
  for (size_t i = 0; i < classes_.size(); ++i) {
    TlsDemand demand;
    if (classes_[i].deny == kNoRule)
      for (const uint32_t rule : classes_[i].tls) demand.add(tls_of(rule));
    tell(demand, class_word(static_cast<AddressClass>(i)));
  }
  return out;
}

Verdict AddressRules::decide(const IpAddress& address, uint16_t port) const {
  const Unwrapped wrapped = unwrap(address, local_);
  if (wrapped.count == 0) return decide_one(address, port);

  std::optional<Verdict> out;
  TlsDemand tls;
  const auto also = [&](const IpAddress& form) {
    const Verdict verdict = decide_one(form, port);
    const auto stricter = [](const Verdict& a, const Verdict& b) {
      return std::tuple(a.allowed, a.can_be_opened, a.address_class) <
             std::tuple(b.allowed, b.can_be_opened, b.address_class);
    };
    tls.add(verdict.tls);
    const std::string_view shadow = out && !out->shadow_rule.empty() ? out->shadow_rule : verdict.shadow_rule;
    if (!out || stricter(verdict, *out)) out = verdict;
    out->shadow_rule = out->allowed ? shadow : std::string_view();
  };
  if (wrapped.outer_counts) also(address);
  for (const IpAddress& inner : wrapped.addresses()) also(inner);
  out->tls = out->allowed ? tls : TlsDemand();
  return *out;
}

Verdict AddressRules::decide_one(const IpAddress& form, uint16_t port) const {
  const AddressClass address_class = classify_outer(form, local_);
  const std::string_view default_rule = kDefaultRules[static_cast<size_t>(address_class)];
  Verdict out{.allowed = false, .can_be_opened = false, .address_class = address_class, .rule = default_rule};
  if (is_own_port(address_class, port)) {
    out.rule = kOwnPort;
    return out;
  }
  if (never_opened(address_class)) return out;

  out.can_be_opened = true;
  Match match{.allowed = address_class == global, .rule = default_rule};
  Match shadow{.length = -2};
  match_ranges(form, address_class, match, shadow);
  match_class(address_class, match, shadow);
  out.allowed = match.allowed;
  out.denied_by_policy = !match.allowed && match.length >= 0;
  out.rule = match.rule;
  if (match.allowed && shadow.length >= match.length) out.shadow_rule = shadow.rule;
  if (match.allowed) out.tls = match.tls;
  return out;
}

bool AddressRules::is_own_port(AddressClass address_class, uint16_t port) const {
  // 0.0.0.0 and :: reach this machine, too.
  const bool local = address_class == loopback || address_class == self || address_class == unspecified;
  return local && std::ranges::binary_search(own_ports_, port);
}

void AddressRules::match_class(AddressClass address_class, Match& match, Match& shadow) const {
  const ClassRules& rules = classes_[static_cast<size_t>(address_class)];
  if (rules.shadow != kNoRule && shadow.length < 0) shadow = {.length = 0, .rule = rules_[rules.shadow].id};
  const bool open = match.length < 0 || (match.length == 0 && match.allowed);
  if (open && rules.deny != kNoRule) {
    match = {.length = 0, .allowed = false, .rule = rules_[rules.deny].id};
  } else if (match.length < 0 && rules.allow != kNoRule) {
    match = {.length = 0, .allowed = true, .rule = rules_[rules.allow].id};
  }
  if (match.length == 0 && match.allowed)
    for (const uint32_t rule : rules.tls) match.tls.add(tls_of(rule));
}

void AddressRules::match_ranges(const IpAddress& form, AddressClass address_class, Match& match, Match& shadow) const {
  for (const Length& length : lengths_) {
    if (length.family != form.family()) continue;
    const IpAddress network = masked(form, length.length);
    const auto entries = std::span(entries_).subspan(length.begin, length.end - length.begin);
    auto entry = std::ranges::lower_bound(entries, network, {}, [](const Entry& e) { return e.range.network; });
    for (; entry != entries.end() && entry->range.network == network; ++entry) {
      const bool allow = entry->action == RuleAction::allow;
      if (allow && address_class == metadata && !entry->range.is_one_address()) continue;
      Match& target = entry->action == RuleAction::shadow ? shadow : match;
      if (target.length < 0) target = {.length = length.length, .allowed = allow, .rule = rules_[entry->rule].id};
      if (allow && match.allowed) match.tls.add(tls_of(entry->rule));
    }
    if (match.length >= 0) return;  // deny stands before allow, so the first of this length decides
  }
}

std::string refusal_text(std::string_view host, const Verdict& verdict) {
  const std::string_view word = class_word(verdict.address_class);
  const bool vowel = std::string_view("aeiou").find(word[0]) != std::string_view::npos;
  const std::string_view remedy = verdict.denied_by_policy ? " of an EgressPolicy"
                                  : verdict.can_be_opened  ? "; an EgressPolicy can open it"
                                                           : "";
  return fmt::format("destination {} is {} {} address: refused by rule {}{}", printable(host), vowel ? "an" : "a", word,
                     verdict.rule, remedy);
}

std::string refusal_text(std::string_view host, const TlsDemand& demand) {
  if (!demand.contradicted_by.empty())
    return fmt::format("destination {} cannot be reached: {}", printable(host), contradiction_text(demand));
  return fmt::format(
      "destination {} is reached {}{} only: refused by rule {} of an EgressPolicy", printable(host),
      demand.wish == TlsWish::forbidden ? "in the clear" : "by TLS",
      demand.certificate_name.empty() ? "" : fmt::format(" with a certificate for {}", demand.certificate_name),
      demand.rule);
}

std::string refusal_rule(const Verdict& verdict) {
  return fmt::format("{},{}", class_word(verdict.address_class), verdict.rule);
}

}  // namespace sluice
