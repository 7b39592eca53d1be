// What a TLS client says first, read without speaking TLS: for whoever chooses by the name it asks for.
//
//   records (RFC 8446 5.1)           a handshake message may be cut over as many as the client likes
//     type 22 | 3 x | length | bytes
//   handshake message (4)            type 1 | length (3) | ClientHello (4.1.2)
//
// Nothing here is believed: who goes on by what it says must have TLS itself say the same, or pass all of it on.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace sluice {

struct ClientHello {
  std::string server_name;              // lower case; empty: none
  std::vector<std::string> alpn;        // as they came
  std::vector<uint16_t> cipher_suites;  // with GREASE (RFC 8701), if any
  std::vector<uint16_t> versions;       // supported_versions, or else the one version of the older kind
  friend bool operator==(const ClientHello&, const ClientHello&) = default;
};

// The name that a server_name extension asks for (RFC 6066 3), as it is compared: lower case, without the dot at its
// end; empty: none. An Error where it is no list of names, or the name is none that a host can have.
Result<std::string> read_server_name(std::string_view extension);

class ClientHelloReader {
 public:
  static constexpr size_t kBytesMax = 64U << 10;  // of all records together

  // The next bytes, however they are cut. True: hello() is whole, and what comes behind it is not looked at. An Error
  // says in which way it is no ClientHello; then nothing more may be fed.
  Result<bool> feed(std::string_view bytes);
  const ClientHello& hello() const { return hello_; }

 private:
  Status take_record_header();
  Result<bool> take_payload(std::string_view& bytes);

  std::string header_;      // of the record that comes, not whole yet
  size_t record_left_ = 0;  // of its payload
  std::string message_;     // the handshake message, as far as it has come
  size_t fed_ = 0;
  ClientHello hello_;
};

// The same at once: nothing while the bytes may be the beginning of one.
Result<std::optional<ClientHello>> read_client_hello(std::string_view bytes);

}  // namespace sluice
