#include "base/check.h"
#include "base/strings.h"
#include "engines/address/authority.h"

// What is accepted is canonical: it is accepted again, with the same meaning, and holds nothing that a URI, a header
// or a query could read in another way.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace sluice;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  HostScratch scratch;
  const auto first = parse_authority(text, scratch);
  (void)IpAddress::parse(text);
  (void)Cidr::parse(text);
  (void)Endpoint::parse(text, 53);
  if (!first) {
    CHECK(first.error().kind == ErrorKind::invalid && !first.error().message.empty());
    return 0;
  }
  if (first->unresolvable_name) return 0;
  CHECK(!first->host.empty() && first->host.size() <= kNameBytesMax);
  CHECK(first->host == to_lower(first->host));
  CHECK(first->host.find_first_of("@/\\?#% \r\n\t[]") == std::string_view::npos);

  const bool brackets = first->address && !first->address->is_v4();
  std::string again = brackets ? "[" + std::string(first->host) + "]" : std::string(first->host);
  if (first->port != 0) again += ":" + std::to_string(first->port);
  HostScratch scratch_again;
  const auto second = parse_authority(again, scratch_again);
  CHECK(second && second->host == first->host && second->port == first->port && second->address == first->address);
  return 0;
}
