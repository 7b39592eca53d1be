// However the bytes are cut, the same is found in them; and what is found fits into them.
#include <cstdlib>
#include <string>

#include "net/client_hello.h"

using namespace sluice;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  const auto at_once = read_client_hello(bytes);
  ClientHelloReader reader;
  bool whole = false, broken = false;
  for (size_t at = 0; at < size && !whole && !broken;) {
    const size_t step = std::min<size_t>(1 + data[at] % 7, size - at);
    const auto fed = reader.feed(bytes.substr(at, step));
    at += step;
    broken = !fed;
    whole = fed && *fed;
  }
  if (broken != !at_once.has_value()) std::abort();
  if (broken) return 0;
  if (whole != at_once->has_value()) std::abort();
  if (!whole) return 0;
  if (reader.hello() != **at_once) std::abort();
  const ClientHello& hello = reader.hello();
  if (hello.server_name.size() + 2 * hello.cipher_suites.size() + 2 * hello.versions.size() > size + 2) std::abort();
  return 0;
}
