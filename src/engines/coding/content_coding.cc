#include "engines/coding/content_coding.h"

#include <fmt/format.h>

#include "base/strings.h"

namespace sluice::coding {

Result<std::vector<Coding>> parse_content_encoding(std::string_view value) {
  std::vector<Coding> codings;
  for (const std::string_view part : split(value, ',')) {
    const std::string_view name = trim(part);
    if (name.empty() || equals_ignoring_case(name, "identity"))
      continue;  // RFC 9110 5.6.1: empty elements count as none
    if (equals_ignoring_case(name, "gzip") || equals_ignoring_case(name, "x-gzip")) {
      codings.push_back(Coding::gzip);
    } else if (equals_ignoring_case(name, "deflate")) {
      codings.push_back(Coding::deflate);
    } else if (equals_ignoring_case(name, "br")) {
      codings.push_back(Coding::brotli);
    } else {
      return fail(ErrorKind::unsupported,
                  fmt::format("content coding `{}` is not supported; gzip, deflate and br are", printable(name, 40)),
                  Side::upstream);
    }
    if (codings.size() > kCodingsMax) {
      return fail(ErrorKind::unsupported, fmt::format("more than {} content codings, one upon the other", kCodingsMax),
                  Side::upstream);
    }
  }
  return codings;
}

}  // namespace sluice::coding
