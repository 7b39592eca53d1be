#include "net/client_hello.h"

#include <algorithm>
#include <optional>
#include <set>

#include "base/strings.h"

namespace sluice {
namespace {

constexpr size_t kRecordHeader = 5;
constexpr size_t kRecordMax = 1 << 14;  // RFC 8446 5.1
constexpr size_t kMessageHeader = 4;
constexpr uint8_t kHandshake = 22, kClientHello = 1;
constexpr uint16_t kServerName = 0, kAlpn = 16, kSupportedVersions = 43;
constexpr size_t kNameMax = 253;  // RFC 1035 2.3.4, as text

std::unexpected<Error> no_hello(std::string_view why) {
  return fail(ErrorKind::invalid, "no TLS ClientHello: " + std::string(why), Side::downstream);
}

// Takes numbers and vectors (RFC 8446 3.4) off the front; once something is missing, all that follows is empty.
class Cursor {
 public:
  explicit Cursor(std::string_view bytes) : rest_(bytes) {}
  bool broken() const { return broken_; }
  bool done() const { return rest_.empty(); }
  std::string_view bytes(size_t count) {
    if (count > rest_.size()) broken_ = true;
    const std::string_view out = rest_.substr(0, broken_ ? 0 : count);
    rest_.remove_prefix(broken_ ? rest_.size() : count);
    return out;
  }
  size_t number(size_t bytes_long) {
    size_t out = 0;
    for (const char c : bytes(bytes_long)) out = out << 8 | static_cast<uint8_t>(c);
    return out;
  }
  std::string_view vector(size_t length_bytes) { return bytes(number(length_bytes)); }

 private:
  std::string_view rest_;
  bool broken_ = false;
};

// Nothing where the bytes are not pairs.
std::optional<std::vector<uint16_t>> pairs(std::string_view bytes) {
  if (bytes.empty() || bytes.size() % 2 != 0) return std::nullopt;
  std::vector<uint16_t> out;
  for (Cursor at(bytes); !at.done();) out.push_back(static_cast<uint16_t>(at.number(2)));
  return out;
}

// Underscores are met in the world; what could end a name early for somebody else, or begin something else in a log, is
// not.
bool is_name(std::string_view name) {
  if (name.empty() || name.size() > kNameMax) return false;
  return std::ranges::all_of(
      name, [](char c) { return ascii_alpha(c) || ascii_digit(c) || c == '-' || c == '.' || c == '_'; });
}

// RFC 7301 3.1: none is empty.
Status read_alpn(std::string_view extension, ClientHello& hello) {
  Cursor at(extension);
  Cursor names(at.vector(2));
  if (at.broken() || !at.done() || names.done()) return no_hello("the ALPN extension is broken");
  while (!names.done()) {
    const std::string_view name = names.vector(1);
    if (names.broken() || name.empty()) return no_hello("the ALPN extension is broken");
    hello.alpn.emplace_back(name);
  }
  return {};
}

Status read_versions(std::string_view extension, ClientHello& hello) {
  Cursor at(extension);
  auto versions = pairs(at.vector(1));
  if (at.broken() || !at.done() || !versions) return no_hello("the supported_versions extension is broken");
  hello.versions = *std::move(versions);
  return {};
}

Status read_extension(size_t type, std::string_view extension, ClientHello& hello) {
  switch (type) {
    case kServerName: hello.server_name = TRY(read_server_name(extension)); return {};
    case kAlpn: return read_alpn(extension, hello);
    case kSupportedVersions: return read_versions(extension, hello);
    default: return {};
  }
}

Status read_extensions(std::string_view bytes, ClientHello& hello) {
  std::set<size_t> seen;
  for (Cursor at(bytes); !at.done();) {
    const size_t type = at.number(2);
    const std::string_view extension = at.vector(2);
    if (at.broken()) return no_hello("its extensions are broken");
    // RFC 8446 4.2: each once. Two names would be two answers to who is meant.
    if (!seen.insert(type).second) return no_hello("an extension is there twice");
    TRY(read_extension(type, extension, hello));
  }
  return {};
}

Result<ClientHello> read_body(std::string_view body) {
  ClientHello hello;
  Cursor at(body);
  const auto version = static_cast<uint16_t>(at.number(2));
  at.bytes(32);  // random
  if (at.vector(1).size() > 32) return no_hello("its session id is too long");
  auto suites = pairs(at.vector(2));
  const std::string_view compression = at.vector(1);
  if (at.broken() || !suites || compression.empty()) return no_hello("it is broken");
  hello.cipher_suites = *std::move(suites);
  // TLS 1.2 has clients without any (RFC 5246 7.4.1.2).
  const std::string_view extensions = at.done() ? std::string_view() : at.vector(2);
  if (at.broken() || !at.done()) return no_hello("its extensions are broken");
  TRY(read_extensions(extensions, hello));
  if (hello.versions.empty()) hello.versions.push_back(version);
  return hello;
}

}  // namespace

Result<std::string> read_server_name(std::string_view extension) {
  Cursor at(extension);
  Cursor names(at.vector(2));
  if (at.broken() || !at.done() || names.done()) return no_hello("the server_name extension is broken");
  std::string out;
  while (!names.done()) {
    const size_t type = names.number(1);
    std::string_view name = names.vector(2);
    if (names.broken()) return no_hello("the server_name extension is broken");
    if (type != 0) continue;
    if (!out.empty()) return no_hello("there are two server names");
    if (name.ends_with('.')) name.remove_suffix(1);
    if (!is_name(name)) return no_hello("the server name is no name");
    out = to_lower(name);
  }
  return out;
}

Status ClientHelloReader::take_record_header() {
  Cursor at(header_);
  if (at.number(1) != kHandshake) return no_hello("it begins with something else");
  if (at.number(1) != 3) return no_hello("its version is unknown");
  at.number(1);
  record_left_ = at.number(2);
  // RFC 8446 5.1: no empty fragments of handshakes; they would be a way to send for ever.
  if (record_left_ == 0 || record_left_ > kRecordMax) return no_hello("a record has no possible length");
  header_.clear();
  return {};
}

Result<bool> ClientHelloReader::take_payload(std::string_view& bytes) {
  const size_t taken = std::min(record_left_, bytes.size());
  message_.append(bytes.substr(0, taken));
  bytes.remove_prefix(taken);
  record_left_ -= taken;
  if (message_.empty()) return false;
  Cursor at(message_);
  if (at.number(1) != kClientHello) return no_hello("it begins with another message");
  if (message_.size() < kMessageHeader) return false;
  const size_t length = at.number(3);
  if (length > kBytesMax) return no_hello("it is too long");
  if (message_.size() < kMessageHeader + length) return false;
  hello_ = TRY(read_body(at.bytes(length)));
  return true;
}

Result<bool> ClientHelloReader::feed(std::string_view bytes) {
  while (!bytes.empty()) {
    if (record_left_ == 0) {
      // The first byte tells most of those that speak something else.
      if (header_.empty() && bytes[0] != kHandshake) return no_hello("it begins with something else");
      const size_t taken = std::min(kRecordHeader - header_.size(), bytes.size());
      header_.append(bytes.substr(0, taken));
      bytes.remove_prefix(taken);
      fed_ += taken;
      if (header_.size() < kRecordHeader) break;
      TRY(take_record_header());
    }
    const size_t before = bytes.size();
    const bool whole = TRY(take_payload(bytes));
    fed_ += before - bytes.size();
    if (whole) return true;
    if (fed_ >= kBytesMax) return no_hello("it is too long");
  }
  return false;
}

Result<std::optional<ClientHello>> read_client_hello(std::string_view bytes) {
  ClientHelloReader reader;
  if (TRY(reader.feed(bytes))) return reader.hello();
  return std::nullopt;
}

}  // namespace sluice
