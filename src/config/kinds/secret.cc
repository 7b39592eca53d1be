#include "config/kinds/secret.h"

#include <fmt/format.h>
#include <algorithm>

#include "base/encoding.h"
#include "base/strings.h"

namespace sluice::kinds {
namespace {

constexpr size_t kBytesMax = 1 << 20;  // as Kubernetes

void ignore_object_fields(Fields& f) {
  f.ignored("apiVersion", "v1");
  f.ignored("kind", "Kind of the object.");
  f.ignored("metadata", "Name, namespace, labels.");
  f.ignored("status", "Kept by an API server.");
  f.ignored("immutable", "No effect.");
}

bool is_data_key(std::string_view key) {
  return !key.empty() && key.size() <= 253 && std::ranges::all_of(key, [](char c) {
    return ascii_alpha(c) || ascii_digit(c) || c == '-' || c == '_' || c == '.';
  });
}

void check_keys(Fields& f, std::string_view name, const std::map<std::string, std::string>& data) {
  for (const auto& [key, value] : data)
    if (!is_data_key(key))
      f.error(name, fmt::format("{} is no key: letters, digits, '-', '_' and '.', at most 253 bytes",
                                json_quote(printable(key, 60))));
}

// Base64 as Kubernetes takes it: line breaks inside do no harm.
void decode(Fields& f, std::string_view name, std::map<std::string, std::string>& data) {
  for (auto& [key, value] : data) {
    std::erase_if(value, [](char c) { return c == '\n' || c == '\r'; });
    auto bytes = base64_decode(value);
    if (bytes)
      value = std::move(*bytes);
    else
      f.error(name, fmt::format("the value of {} is not base64", json_quote(printable(key, 60))));
  }
}

size_t bytes_in(const std::map<std::string, std::string>& data) {
  size_t bytes = 0;
  for (const auto& [key, value] : data) bytes += key.size() + value.size();
  return bytes;
}

void redact_values(Node* values) {
  if (!values || !values->map()) return;
  for (NodeMember& member : *values->map()) member.value = Node("[redacted]");
}

}  // namespace

void bind(Fields& f, Secret& s) {
  std::map<std::string, std::string> text;
  ignore_object_fields(f);
  f.optional("type", s.type, "What the Secret is for, such as `kubernetes.io/tls`.");
  f.optional("data", s.data, "Values in base64.");
  f.optional("stringData", text, "Values as text; each goes before the one in `data`.");
  check_keys(f, "data", s.data);
  check_keys(f, "stringData", text);
  decode(f, "data", s.data);
  for (auto& [key, value] : text) s.data[key] = std::move(value);
  f.check(bytes_in(s.data) <= kBytesMax, "data", "holds more than 1 MiB");
}

void bind(Fields& f, ConfigMap& m) {
  ignore_object_fields(f);
  f.optional("data", m.data, "Values as text.");
  f.optional("binaryData", m.binary_data, "Values in base64.");
  check_keys(f, "data", m.data);
  check_keys(f, "binaryData", m.binary_data);
  decode(f, "binaryData", m.binary_data);
  for (const auto& [key, value] : m.binary_data)
    if (m.data.contains(key)) f.error("binaryData", fmt::format("{} is in data too", json_quote(key)));
  f.check(bytes_in(m.data) + bytes_in(m.binary_data) <= kBytesMax, "data", "holds more than 1 MiB");
}

Node redacted(const Node& object) {
  if (object.text_at({"kind"}) != "Secret") return object;
  Node out = object;
  redact_values(out.find("data"));
  redact_values(out.find("stringData"));
  if (Node* metadata = out.find("metadata"))
    if (Node* annotations = metadata->find("annotations"))
      if (Node* applied = annotations->find("kubectl.kubernetes.io/last-applied-configuration"))
        *applied = Node("[redacted]");
  return out;
}

}  // namespace sluice::kinds
