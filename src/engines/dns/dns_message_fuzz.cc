#include "base/check.h"
#include "engines/dns/message.h"

// Bytes from a server; the first says which question they answer. What is accepted keeps its promises.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace sluice::dns;
  if (size == 0) return 0;
  const RecordType type = data[0] & 1 ? RecordType::aaaa : RecordType::a;
  const auto answer = parse_answer({data + 1, size - 1}, "a.test", type, 7);
  if (!answer) return 0;
  CHECK(answer->addresses.size() <= kAddressesMax);
  for (const auto& address : answer->addresses) CHECK(address.is_v4() == (type == RecordType::a));
  CHECK(answer->ttl.count() >= 0 && answer->ttl.count() <= 0x7FFFFFFF);
  CHECK(!answer->truncated || answer->addresses.empty());
  CHECK(!answer->endless || answer->addresses.empty());
  return 0;
}
