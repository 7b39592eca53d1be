// A header is found once it is whole and not before, has its length, and what is written of it says the same.
#include <cstdlib>
#include <string>

#include "net/proxy_protocol.h"

using namespace sluice;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  const auto read = read_proxy_header(bytes);
  if (!read) return 0;
  if (!*read) {
    if (size >= ProxyHeader::kBytesMax || proxy_header_wants(bytes) == 0) std::abort();
    return 0;
  }
  const ProxyHeader& header = **read;
  if (header.length > size) std::abort();
  // As whoever takes no byte too many of version 2 reads it.
  size_t at = 0;
  while (at < header.length) {
    const auto part = read_proxy_header(bytes.substr(0, at));
    if (!part || *part) std::abort();
    at += proxy_header_wants(bytes.substr(0, at));
  }
  if (header.version == 2 && at != header.length) std::abort();
  if (!header.proxied) return 0;
  for (const ProxyProtocol version : {ProxyProtocol::v1, ProxyProtocol::v2}) {
    const std::string said = write_proxy_header(version, header.proxied);
    const auto again = read_proxy_header(said);
    if (!again || !*again || (*again)->length != said.size()) std::abort();
    if (write_proxy_header(version, (*again)->proxied) != said) std::abort();
  }
  return 0;
}
