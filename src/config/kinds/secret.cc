#include "config/kinds/secret.h"

#include <fmt/format.h>
#include <algorithm>

#include "base/encoding.h"
#include "base/strings.h"
#include "config/documents.h"

namespace sluice::kinds {
namespace {

constexpr size_t kBytesMax = 1 << 20;  // as Kubernetes

void ignore_object_fields(Fields& f) {
  f.ignored("apiVersion", "v1");
  f.ignored("kind", "Kind of the object.");
  f.ignored("metadata", "Name, namespace, labels.");
  f.ignored("status", "Kept by an API server.");
  f.without_effect("immutable", "the object can be changed all the same");
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

constexpr std::string_view kRedacted = "[redacted]";

void redact_values(Node* values) {
  if (!values || !values->map()) return;
  for (NodeMember& member : *values->map()) member.value = Node(kRedacted);
}

// The members of a JWK that are not for everybody: the key of an HMAC, and what makes a key a private one (RFC 7518 6).
constexpr std::string_view kPrivateMembers[] = {"k", "d", "p", "q", "dp", "dq", "qi"};

// Every key that has one of the others has `d`, too.
bool has_private_member(const Node& key) {
  return !key.text_at({"k"}).empty() || !key.text_at({"d"}).empty();
}

bool is_private_jwk_or_set(const Node& json) {
  if (has_private_member(json)) return true;
  const Node* keys = json.find("keys");
  return keys && keys->list() && std::ranges::any_of(*keys->list(), has_private_member);
}

void redact_keys(Node& node);

bool holds_private_key(std::string_view text) {
  if (text.contains("-----BEGIN") && text.contains("PRIVATE KEY")) return true;
  const size_t begin = text.find_first_not_of(" \t\r\n");
  if (begin == std::string_view::npos || (text[begin] != '{' && text[begin] != '[')) return false;
  auto json = parse_json(text);
  if (!json) return text.contains("\"k\"") || text.contains("\"d\"");  // it may be a key with a slip in it
  if (is_private_jwk_or_set(*json)) return true;
  const Node before = *json;  // kubectl's copy of an object holds a key in a text in its text
  redact_keys(*json);
  return *json != before;
}

void redact_keys(Node& node) {
  if (const std::string* text = node.text()) {
    if (holds_private_key(*text)) node = Node(kRedacted);
  } else if (Node::List* list = node.list()) {
    for (Node& item : *list) redact_keys(item);
  } else if (Node::Map* map = node.map()) {
    const bool is_jwk = node.find("kty") != nullptr;
    for (NodeMember& member : *map)
      if (is_jwk && std::ranges::find(kPrivateMembers, member.key) != std::end(kPrivateMembers))
        member.value = Node(kRedacted);
      else
        redact_keys(member.value);
  }
}

void redact_secret(Node& secret) {
  redact_values(secret.find("data"));
  redact_values(secret.find("stringData"));
  if (Node* metadata = secret.find("metadata"))
    if (Node* annotations = metadata->find("annotations"))
      if (Node* applied = annotations->find("kubectl.kubernetes.io/last-applied-configuration"))
        *applied = Node(kRedacted);
}

std::string value_of(const Secret& secret, const std::string& key) {
  const auto found = secret.data.find(key);
  return found == secret.data.end() ? std::string() : found->second;
}

// Names as YAML of protobuf may have them.
std::string text_of(const Node& message, std::string_view name, std::string_view other_spelling) {
  const std::string_view text = message.text_at({name});
  return std::string(text.empty() ? message.text_at({other_spelling}) : text);
}

std::optional<TlsSecret> older_tls_secret(const std::string& yaml) {
  const auto documents = parse_documents(yaml);
  if (!documents || documents->size() != 1 || !documents->front().node.map()) return std::nullopt;
  const Node& message = documents->front().node;
  return TlsSecret{.certificates = text_of(message, "certChain", "cert_chain"),
                   .private_key = text_of(message, "privateKey", "private_key"),
                   .root_ca = text_of(message, "rootCa", "root_ca"),
                   .ocsp_staple = base64_decode(text_of(message, "ocspStaple", "ocsp_staple")).value_or("")};
}

}  // namespace

std::optional<TlsSecret> tls_secret(const Secret& secret, const std::map<std::string, std::string>& annotations) {
  if (secret.type == "kubernetes.io/tls")
    return TlsSecret{.certificates = value_of(secret, "tls.crt"),
                     .private_key = value_of(secret, "tls.key"),
                     .root_ca = value_of(secret, "ca.crt"),
                     .ocsp_staple = value_of(secret, "tls.ocsp-staple")};
  const auto kind = annotations.find("resource_kind");
  const auto message = secret.data.find("tls");
  if (kind == annotations.end() || kind->second != "*v1.Secret" || message == secret.data.end()) return std::nullopt;
  return older_tls_secret(message->second);
}

void bind(Fields& f, Secret& s) {
  std::map<std::string, std::string> text;
  ignore_object_fields(f);
  f.optional("type", s.type, "What the Secret is for; those that an sslConfig names are `kubernetes.io/tls`.");
  f.optional(
      "data", s.data,
      "Values in base64. Of `kubernetes.io/tls`: `tls.crt` (the certificate and those of its issuers) and `tls.key`, "
      "both in PEM; `ca.crt`, by which the other side's certificate is verified; `tls.ocsp-staple`.");
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
  Node out = object;
  if (object.text_at({"kind"}) == "Secret") redact_secret(out);
  redact_keys(out);
  return out;
}

}  // namespace sluice::kinds
