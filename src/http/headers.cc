#include "http/headers.h"

#include <algorithm>
#include <array>
#include <cstring>

#include "base/header_names.h"

namespace sluice {
namespace {

constexpr std::array<std::string_view, static_cast<size_t>(Known::count)> kNames = {
    "",
    "accept-encoding",
    "accept-ranges",
    "authorization",
    "connection",
    "content-encoding",
    "content-length",
    "content-range",
    "content-type",
    "cookie",
    "date",
    "etag",
    "expect",
    "host",
    "http2-settings",
    "keep-alive",
    "location",
    "origin",
    "proxy-authenticate",
    "proxy-authorization",
    "proxy-connection",
    "server",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "user-agent",
    "via",
    "www-authenticate",
    "x-envoy-expected-rq-timeout-ms",
    "x-envoy-original-path",
    "x-envoy-upstream-service-time",
    "x-forwarded-for",
    "x-forwarded-host",
    "x-forwarded-proto",
    "x-request-id",
};

// A perfect hash would save little: length, first and last byte tell nearly all names apart.
constexpr unsigned hash(std::string_view name) {
  return (static_cast<unsigned>(name.size()) * 7 + static_cast<unsigned char>(name.front()) * 3 +
          static_cast<unsigned char>(name.back()) * 11) &
         127;
}

struct Table {
  std::array<std::array<uint8_t, 4>, 128> slots{};
  constexpr Table() {
    for (size_t i = 1; i < kNames.size(); ++i) {
      auto& slot = slots[hash(kNames[i])];
      size_t at = 0;
      while (slot[at] != 0) ++at;  // more than four in a slot does not compile
      slot[at] = static_cast<uint8_t>(i);
    }
  }
};
constexpr Table kTable;

constexpr std::array<bool, 256> token_bytes() {
  std::array<bool, 256> out{};
  for (int c = 0; c < 256; ++c)
    out[static_cast<size_t>(c)] =
        (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
        (c != 0 && std::string_view("!#$%&'*+-.^_`|~").find(static_cast<char>(c)) != std::string_view::npos);
  return out;
}
constexpr auto kTokenBytes = token_bytes();

}  // namespace

Known known_header(std::string_view lower_name) {
  if (lower_name.empty()) return Known::other;
  for (const uint8_t candidate : kTable.slots[hash(lower_name)]) {
    if (candidate == 0) break;
    if (kNames[candidate] == lower_name) return static_cast<Known>(candidate);
  }
  return Known::other;
}

std::string_view header_name(Known known) {
  return kNames[static_cast<size_t>(known)];
}

std::optional<std::string_view> Headers::find(Known known) const {
  for (const HeaderField& field : *this)
    if (field.known == known) return field.value;
  return std::nullopt;
}

std::optional<std::string_view> Headers::get(std::string_view lower_name) const {
  if (const Known known = known_header(lower_name); known != Known::other) return get(known);
  for (const HeaderField& field : *this)
    if (field.known == Known::other && field.name == lower_name) return field.value;
  return std::nullopt;
}

std::optional<std::string_view> Headers::joined(std::string_view lower_name) const {
  std::optional<std::string_view> out;
  for (const HeaderField& field : *this)
    if (field.name == lower_name) out = out ? arena_->concat(*out, std::string_view(","), field.value) : field.value;
  return out;
}

std::optional<std::string_view> Headers::joined(Known known) const {
  return may_have(known) ? joined(header_name(known)) : std::nullopt;
}

size_t Headers::count(Known known) const {
  if (!may_have(known)) return 0;
  size_t n = 0;
  for (const HeaderField& field : *this) n += field.known == known;
  return n;
}

void Headers::grow() {
  const size_t capacity = capacity_ ? capacity_ * 2 : 24;
  auto* fields = static_cast<HeaderField*>(arena_->allocate(capacity * sizeof(HeaderField), alignof(HeaderField)));
  if (size_) std::memcpy(static_cast<void*>(fields), fields_, size_ * sizeof(HeaderField));
  fields_ = fields;
  capacity_ = capacity;
}

void Headers::add(std::string_view lower_name, std::string_view value) {
  push({lower_name, value, known_header(lower_name)});
}

void Headers::add(Known known, std::string_view value) {
  push({header_name(known), value, known});
}

void Headers::set(std::string_view lower_name, std::string_view value) {
  bool placed = false;
  remove_if([&](const HeaderField& field) {
    if (field.name != lower_name) return false;
    if (std::exchange(placed, true)) return true;
    const_cast<HeaderField&>(field).value = value;
    return false;
  });
  if (!placed) add(lower_name, value);
}

void Headers::set(Known known, std::string_view value) {
  if (!may_have(known)) return add(known, value);
  HeaderField* const first = std::ranges::find(begin(), end(), known, &HeaderField::known);
  if (first == end()) return add(known, value);
  first->value = value;
  remove_if([&](const HeaderField& field) { return field.known == known && &field != first; });
}

void Headers::own_bytes() {
  for (HeaderField& field : *this) {
    field.name = arena_->copy(field.name);
    field.value = arena_->copy(field.value);
  }
}

size_t Headers::remove(std::string_view lower_name) {
  return remove_if([&](const HeaderField& field) { return field.name == lower_name; });
}

size_t Headers::remove(Known known) {
  if (!may_have(known)) return 0;
  return remove_if([&](const HeaderField& field) { return field.known == known; });
}

size_t remove_alike(Headers& headers, std::string_view lower_name) {
  return headers.remove_if([&](const HeaderField& field) { return same_header(field.name, lower_name); });
}

void set_alone(Headers& headers, std::string_view lower_name, std::string_view value) {
  headers.remove_if(
      [&](const HeaderField& field) { return field.name != lower_name && same_header(field.name, lower_name); });
  headers.set(lower_name, value);
}

const Headers* without(const Headers* fields, std::span<const std::string_view> lower_names, Arena& arena) {
  if (!fields || lower_names.empty()) return fields;
  auto* left = arena.make<Headers>(arena);
  for (const HeaderField& field : *fields)
    if (std::ranges::none_of(lower_names, [&](std::string_view name) { return same_header(name, field.name); }))
      left->push(field);
  return left;
}

bool valid_header_name(std::string_view name) {
  if (name.empty()) return false;
  for (const char c : name)
    if (!kTokenBytes[static_cast<unsigned char>(c)]) return false;
  return true;
}

bool valid_header_value(std::string_view value) {
  for (const char c : value) {
    const auto byte = static_cast<unsigned char>(c);
    if ((byte < 0x20 && byte != '\t') || byte == 0x7F) return false;
  }
  return true;
}

}  // namespace sluice
