// The fields of a message's head: names in lower case, in the order they came.
//
// Names and values are views: into the connection's buffer, into the exchange's arena, or to constants. Whoever adds a
// field must see to it that its bytes live as long as the exchange (Arena::copy). Well-known names carry a number, so
// that finding them compares one byte a field.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string_view>
#include <utility>
#include <vector>

#include "base/arena.h"
#include "base/enum_set.h"

namespace sluice {

enum class Known : uint8_t {
  other,
  accept_encoding,
  accept_ranges,
  authorization,
  connection,
  content_encoding,
  content_length,
  content_range,
  content_type,
  cookie,
  date,
  etag,
  expect,
  host,
  http2_settings,
  keep_alive,
  location,
  origin,
  proxy_authenticate,
  proxy_authorization,
  proxy_connection,
  server,
  te,
  trailer,
  transfer_encoding,
  upgrade,
  user_agent,
  via,
  www_authenticate,
  x_envoy_expected_rq_timeout_ms,
  x_envoy_original_path,
  x_envoy_upstream_service_time,
  x_forwarded_for,
  x_forwarded_host,
  x_forwarded_proto,
  x_request_id,
  count,
};

using KnownSet = EnumSet<Known, static_cast<size_t>(Known::count)>;

// The number of a lower-case name; `other` when it has none.
Known known_header(std::string_view lower_name);
std::string_view header_name(Known known);

struct HeaderField {
  std::string_view name;
  std::string_view value;
  Known known = Known::other;
};

class Headers {
 public:
  explicit Headers(Arena& arena) : arena_(&arena) {}

  size_t size() const { return size_; }
  HeaderField* begin() { return fields_; }
  HeaderField* end() { return fields_ + size_; }
  const HeaderField* begin() const { return fields_; }
  const HeaderField* end() const { return fields_ + size_; }

  // The first value of that name; nothing when it is missing. Names must be lower-case.
  std::optional<std::string_view> get(Known known) const { return may_have(known) ? find(known) : std::nullopt; }
  std::optional<std::string_view> get(std::string_view lower_name) const;
  bool has(Known known) const { return get(known).has_value(); }
  // All values of that name, joined with ",", as matchers and logs see repeated fields. In the arena when there are
  // several.
  std::optional<std::string_view> joined(std::string_view lower_name) const;
  std::optional<std::string_view> joined(Known known) const;
  size_t count(Known known) const;

  // Behind the others. The views are kept, not copied.
  void add(std::string_view lower_name, std::string_view value);
  void add(Known known, std::string_view value);
  // In place of every field of that name; at the place of the first, else behind the others.
  void set(std::string_view lower_name, std::string_view value);
  void set(Known known, std::string_view value);
  size_t remove(std::string_view lower_name);
  size_t remove(Known known);
  template <class Condition>
  size_t remove_if(Condition&& condition) {
    HeaderField* at = begin();
    while (at != end() && !condition(std::as_const(*at))) ++at;
    if (at == end()) return 0;
    HeaderField* kept = at;
    for (++at; at != end(); ++at)
      if (!condition(std::as_const(*at))) *kept++ = *at;
    const auto removed = static_cast<size_t>(end() - kept);
    size_ -= removed;
    return removed;
  }
  // The names of all fields that were ever added: most that are asked for are in no message, and that is seen without
  // looking at its fields. Some may have been removed again.
  const KnownSet& seen() const { return seen_; }
  void clear() {
    size_ = 0;
    seen_ = {};
  }
  // Copies every name and value into the arena: what they pointed into may go.
  void own_bytes();

  Arena& arena() const { return *arena_; }
  // As add(), for parsers that know the number already.
  void push(const HeaderField& field) {
    if (size_ == capacity_) [[unlikely]]
      grow();
    fields_[size_++] = field;
    seen_.add(field.known);
  }

 private:
  bool may_have(Known known) const { return seen_.has(known); }
  std::optional<std::string_view> find(Known known) const;
  void grow();

  Arena* arena_;
  HeaderField* fields_ = nullptr;
  size_t size_ = 0;
  size_t capacity_ = 0;
  KnownSet seen_;
};

// As remove() and set(), for names that must mean one thing to whoever reads them: also takes away what differs only by
// "_" for "-" (base/header_names.h).
size_t remove_alike(Headers& headers, std::string_view lower_name);
void set_alone(Headers& headers, std::string_view lower_name, std::string_view value);

// The fields without those of such names, however they spell "-". `fields` may be null; a new list lies in the arena.
const Headers* without(const Headers* fields, std::span<const std::string_view> lower_names, Arena& arena);

// RFC 9110 5.6.2 and 5.5.
bool valid_header_name(std::string_view name);
bool valid_header_value(std::string_view value);

// Calls `token(std::string_view)` for each element of a comma list, white space cut, empty ones left out.
template <class Function>
void for_each_token(std::string_view list, Function&& token) {
  while (!list.empty()) {
    const size_t comma = list.find(',');
    std::string_view part = list.substr(0, comma);
    while (!part.empty() && (part.front() == ' ' || part.front() == '\t')) part.remove_prefix(1);
    while (!part.empty() && (part.back() == ' ' || part.back() == '\t')) part.remove_suffix(1);
    if (!part.empty()) token(part);
    if (comma == std::string_view::npos) return;
    list.remove_prefix(comma + 1);
  }
}

}  // namespace sluice
