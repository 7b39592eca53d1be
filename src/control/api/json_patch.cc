#include "control/api/json_patch.h"

#include <algorithm>
#include <optional>

#include "base/strings.h"

namespace sluice {
namespace {

using Pointer = std::vector<std::string>;

Result<Pointer> parse_pointer(std::string_view text) {
  Pointer pointer;
  if (text.empty()) return pointer;
  if (text.front() != '/')
    return invalid(fmt::format("\"{}\" is no JSON pointer: it must begin with /", printable(text, 80)));
  for (const auto part : split(text.substr(1), '/')) {
    if (pointer.size() == kJsonPointerDepthMax) return invalid("the pointer is too deep");
    std::string token;
    for (size_t i = 0; i < part.size(); ++i) {
      if (part[i] != '~') {
        token += part[i];
        continue;
      }
      ++i;
      if (i == part.size() || (part[i] != '0' && part[i] != '1'))
        return invalid(fmt::format("\"{}\" is no JSON pointer: ~ must be followed by 0 or 1", printable(text, 80)));
      token += part[i] == '0' ? '~' : '/';
    }
    pointer.push_back(std::move(token));
  }
  return pointer;
}

// RFC 6901 4: digits without leading zeros. `end` is the largest index allowed.
std::optional<size_t> parse_index(std::string_view token, size_t end) {
  if (token.empty() || (token.size() > 1 && token.front() == '0')) return std::nullopt;
  const auto index = parse_decimal(token);
  if (!index || *index > end) return std::nullopt;
  return static_cast<size_t>(*index);
}

std::unexpected<Error> no_such_place() {
  return fail(ErrorKind::invalid, "there is no such place in the object");
}

Result<Node*> step(Node& node, std::string_view token) {
  if (Node::List* list = node.list()) {
    const auto index = list->empty() ? std::nullopt : parse_index(token, list->size() - 1);
    if (!index) return no_such_place();
    return &(*list)[*index];
  }
  Node* found = node.find(token);
  if (!found) return no_such_place();
  return found;
}

Result<Node*> find(Node& root, std::span<const std::string> pointer) {
  Node* at = &root;
  for (const std::string& token : pointer) at = TRY(step(*at, token));
  return at;
}

// Numbers are equal when their values are (RFC 6902 4.6), whatever their spelling.
std::optional<double> number(const Node& node) {
  if (const auto* value = node.integer()) return static_cast<double>(*value);
  if (const auto* value = node.big_integer()) return static_cast<double>(*value);
  if (const auto* value = node.real()) return *value;
  return std::nullopt;
}

bool json_equal(const Node& a, const Node& b) {
  if (a.list() && b.list()) return std::ranges::equal(*a.list(), *b.list(), json_equal);
  if (a.map() && b.map()) {
    return a.map()->size() == b.map()->size() && std::ranges::all_of(*a.map(), [&b](const NodeMember& entry) {
             const Node* other = b.find(entry.key);
             return other && json_equal(entry.value, *other);
           });
  }
  if (a == b) return true;
  if ((a.integer() && b.integer()) || (a.big_integer() && b.big_integer())) return false;
  const auto x = number(a);
  return x && x == number(b);
}

struct Extent {
  size_t values = 1;
  size_t levels = 1;

  void include(const Extent& child) {
    values += child.values;
    levels = std::max(levels, child.levels + 1);
  }
};

size_t size_of(const Node& container) {
  return container.list() ? container.list()->size() : container.map() ? container.map()->size() : 0;
}

Extent extent_of(const Node& node) {
  Extent extent;
  if (node.list())
    for (const Node& element : *node.list()) extent.include(extent_of(element));
  if (node.map())
    for (const NodeMember& entry : *node.map()) extent.include(extent_of(entry.value));
  return extent;
}

class Patcher {
 public:
  explicit Patcher(const Node& document) : document_(document) {}

  Status apply(const Node& operation);
  Node take() { return std::move(document_); }

 private:
  Status add(const Pointer& path, Node value);
  Status remove(const Pointer& path);
  Status move(const Pointer& from, const Pointer& path);
  Status copy(const Pointer& from, const Pointer& path);
  Status replace(const Pointer& path, const Node& value);
  Status work(size_t values) {
    work_ += values;
    if (work_ > kJsonPatchWorkMax)
      return fail(ErrorKind::limit, "the patch is too much work: send it in parts, or as a merge patch");
    return {};
  }
  // What comes to stand at `path` must not make the document too deep.
  Status look_at(const Pointer& path, const Node& value) {
    const Extent extent = extent_of(value);
    if (path.size() + extent.levels > kJsonPointerDepthMax)
      return fail(ErrorKind::invalid, "the object would be too deep");
    return work(extent.values);
  }

  Node document_;
  size_t copied_ = 0;
  size_t work_ = 0;
};

Status Patcher::add(const Pointer& path, Node value) {
  TRY(look_at(path, value));
  if (path.empty()) {
    document_ = std::move(value);
    return {};
  }
  Node* parent = TRY(find(document_, std::span(path).first(path.size() - 1)));
  if (Node::List* list = parent->list()) {
    const auto index = path.back() == "-" ? std::optional(list->size()) : parse_index(path.back(), list->size());
    if (!index)
      return fail(ErrorKind::invalid, fmt::format("\"{}\" is no index of this list", printable(path.back(), 40)));
    TRY(work(list->size() - *index));
    list->insert(list->begin() + static_cast<ptrdiff_t>(*index), std::move(value));
    return {};
  }
  if (!parent->map()) return no_such_place();
  parent->set(path.back(), std::move(value));
  return {};
}

Status Patcher::remove(const Pointer& path) {
  if (path.empty()) return fail(ErrorKind::invalid, "the whole object cannot be removed");
  Node* parent = TRY(find(document_, std::span(path).first(path.size() - 1)));
  TRY(step(*parent, path.back()));
  TRY(work(size_of(*parent)));  // those behind it move up
  if (Node::List* list = parent->list()) {
    list->erase(list->begin() + static_cast<ptrdiff_t>(*parse_index(path.back(), list->size())));
  } else {
    parent->erase(path.back());
  }
  return {};
}

Status Patcher::move(const Pointer& from, const Pointer& path) {
  // RFC 6902 4.4: a place cannot be moved into one of its own children.
  if (from.size() < path.size() && std::equal(from.begin(), from.end(), path.begin()))
    return fail(ErrorKind::invalid, "a place cannot be moved into itself");
  Node* source = TRY(find(document_, from));
  if (from == path) return {};
  Node value = std::move(*source);
  TRY(remove(from));
  return add(path, std::move(value));
}

// A small patch could copy a place into itself again and again, or a large text many times. Bytes are counted, since
// one value may be large.
Status Patcher::copy(const Pointer& from, const Pointer& path) {
  const Node* source = TRY(find(document_, from));
  copied_ += memory_of(*source);
  if (copied_ > kJsonPatchCopiedMax)
    return fail(ErrorKind::limit, fmt::format("the patch copies more than {} bytes", kJsonPatchCopiedMax));
  return add(path, *source);
}

Status Patcher::replace(const Pointer& path, const Node& value) {
  TRY(look_at(path, value));
  *TRY(find(document_, path)) = value;
  return {};
}

Status Patcher::apply(const Node& operation) {
  const auto op = operation.text_at({"op"});
  const Node* path_text = operation.find("path");
  if (!path_text || !path_text->text()) return invalid("\"path\" must be text");
  const Pointer path = TRY(parse_pointer(*path_text->text()));
  if (op == "remove") return remove(path);
  if (op == "move" || op == "copy") {
    const Node* from_text = operation.find("from");
    if (!from_text || !from_text->text()) return invalid("\"from\" must be text");
    const Pointer from = TRY(parse_pointer(*from_text->text()));
    return op == "move" ? move(from, path) : copy(from, path);
  }
  const Node* value = operation.find("value");
  if (!value && (op == "add" || op == "replace" || op == "test")) return invalid("\"value\" is missing");
  if (op == "add") return add(path, *value);
  if (op == "replace") return replace(path, *value);
  if (op == "test") {
    const Node* there = TRY(find(document_, path));
    if (!json_equal(*there, *value)) return fail(ErrorKind::conflict, "the test does not hold");
    return {};
  }
  return invalid(
      fmt::format("\"{}\" is no operation: expected add, remove, replace, move, copy or test", printable(op, 40)));
}

}  // namespace

Result<Node> json_patch(const Node& document, const Node& patch) {
  if (!patch.list()) return invalid("a JSON patch is a list of operations");
  if (patch.list()->size() > kJsonPatchOperationsMax)
    return invalid(fmt::format("more than {} operations", kJsonPatchOperationsMax));
  Patcher patcher(document);
  size_t index = 0;
  for (const Node& operation : *patch.list()) {
    if (auto done = patcher.apply(operation); !done)
      return std::unexpected(std::move(done).error().in(fmt::format("operation {} ({} {})", index,
                                                                    printable(operation.text_at({"op"}), 20),
                                                                    printable(operation.text_at({"path"}), 80))));
    ++index;
  }
  return patcher.take();
}

}  // namespace sluice
