#include "config/frozen_node.h"

#include <cstring>

#include "base/check.h"

namespace sluice {
namespace {

// One byte says what comes: the low half which of these, the high half how long the text is, where it is short.
enum class Tag : uint8_t { null, no, yes, integer, big_integer, real, text, list, map };
constexpr unsigned kLengthAt = 4;
constexpr size_t kLong = 15;  // the length follows

class Writer {
 public:
  void value(const Node& node) {
    place(node.place());
    if (const bool* one = node.boolean()) return tag(*one ? Tag::yes : Tag::no);
    if (const int64_t* one = node.integer()) return tag(Tag::integer), signed_number(*one);
    if (const uint64_t* one = node.big_integer()) return tag(Tag::big_integer), number(*one);
    if (const double* one = node.real()) return tag(Tag::real), raw(one, sizeof *one);
    if (const std::string* one = node.text()) return sized(Tag::text, one->size()), raw(one->data(), one->size());
    if (const Node::List* items = node.list()) {
      sized(Tag::list, items->size());
      for (const Node& item : *items) value(item);
      return;
    }
    const Node::Map* members = node.map();
    if (!members) return tag(Tag::null);
    sized(Tag::map, members->size());
    for (const NodeMember& member : *members) {
      place(member.place);
      number(member.key.size());
      raw(member.key.data(), member.key.size());
      value(member.value);
    }
  }
  std::string take() { return std::move(out_); }

 private:
  void tag(Tag tag) { out_.push_back(static_cast<char>(tag)); }
  void sized(Tag tag, size_t size) {
    out_.push_back(static_cast<char>(static_cast<unsigned>(tag) | std::min(size, kLong) << kLengthAt));
    if (size >= kLong) number(size - kLong);
  }
  // Seven bits a byte, the lowest first.
  void number(uint64_t value) {
    for (; value >= 0x80; value >>= 7) out_.push_back(static_cast<char>(value | 0x80));
    out_.push_back(static_cast<char>(value));
  }
  // Small ones of either sign are short.
  void signed_number(int64_t value) {
    number((static_cast<uint64_t>(value) << 1) ^ static_cast<uint64_t>(value >> 63));
  }
  // Lines as steps from the one before.
  void place(Place place) {
    signed_number(int64_t{place.line} - line_);
    number(place.column);
    line_ = place.line;
  }
  void raw(const void* bytes, size_t size) { out_.append(static_cast<const char*>(bytes), size); }

  std::string out_;
  int64_t line_ = 0;
};

class Reader {
 public:
  explicit Reader(const char* at) : at_(at) {}

  Node value() {
    const Place at = place();
    Node out = content();
    out.set_place(at);
    return out;
  }

 private:
  Node content() {
    const auto byte = static_cast<unsigned char>(*at_++);
    const auto tag = static_cast<Tag>(byte & 0xf);
    size_t size = byte >> kLengthAt;
    if (size == kLong) size += number();
    switch (tag) {
      case Tag::null: return {};
      case Tag::no: return Node(false);
      case Tag::yes: return Node(true);
      case Tag::integer: return Node(signed_number());
      case Tag::big_integer: return Node(number());
      case Tag::real: return real();
      case Tag::text: return Node(text(size));
      case Tag::list: return list(size);
      case Tag::map: return map(size);
    }
    CHECK(false);
  }
  Node real() {
    double value = 0;
    std::memcpy(&value, at_, sizeof value);
    at_ += sizeof value;
    return Node(value);
  }
  Node list(size_t size) {
    Node::List items;
    items.reserve(size);
    for (size_t i = 0; i < size; ++i) items.push_back(value());
    return Node(std::move(items));
  }
  Node map(size_t size) {
    Node::Map members;
    for (size_t i = 0; i < size; ++i) {
      const Place at = place();
      std::string key(text(number()));
      members.push_back({std::move(key), value(), at});
    }
    return Node(std::move(members));
  }
  std::string_view text(size_t size) {
    const std::string_view out(at_, size);
    at_ += size;
    return out;
  }
  uint64_t number() {
    uint64_t out = 0;
    for (unsigned shift = 0;; shift += 7) {
      const auto byte = static_cast<unsigned char>(*at_++);
      out |= uint64_t{byte & 0x7fU} << shift;
      if (byte < 0x80) return out;
    }
  }
  int64_t signed_number() {
    const uint64_t value = number();
    return static_cast<int64_t>(value >> 1) ^ -static_cast<int64_t>(value & 1);
  }
  Place place() {
    line_ += signed_number();
    return {.line = static_cast<uint32_t>(line_), .column = static_cast<uint32_t>(number())};
  }

  const char* at_;  // written by Writer, so that it ends where the tree does
  int64_t line_ = 0;
};

}  // namespace

FrozenNode::FrozenNode(const Node& node) {
  Writer writer;
  writer.value(node);
  const std::string written = writer.take();
  auto bytes = std::make_shared_for_overwrite<char[]>(written.size());
  std::memcpy(bytes.get(), written.data(), written.size());
  bytes_ = std::move(bytes);
  size_ = static_cast<uint32_t>(written.size());
}

Node FrozenNode::thaw() const {
  return bytes_ ? Reader(bytes_.get()).value() : Node();
}

bool operator==(const FrozenNode& a, const FrozenNode& b) {
  return a.size_ == b.size_ && (a.size_ == 0 || std::memcmp(a.bytes_.get(), b.bytes_.get(), a.size_) == 0);
}

}  // namespace sluice
