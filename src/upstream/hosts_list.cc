#include "upstream/hosts_list.h"

#include <fmt/format.h>

#include "base/strings.h"

namespace sluice {

Result<HostsList> HostsList::split(std::string_view text) {
  HostsList out;
  for (bool more = true; more;) {
    const size_t comma = text.find(',');
    const std::string_view host = trim(text.substr(0, comma));
    more = comma != std::string_view::npos;
    if (more) text.remove_prefix(comma + 1);
    if (host.empty()) return invalid("an empty host in the list of hosts");
    if (out.count_ == kHostsMax) return fail(ErrorKind::limit, fmt::format("more than {} hosts", kHostsMax));
    out.hosts_[out.count_++] = host;
  }
  return out;
}

}  // namespace sluice
