// Who serves when VirtualServices of one Gateway claim the same domain, and what their statuses say of it.
//
// Gloo rejects all of them (gloo-core 3.2). What serves goes on serving (design.md 2): a domain stays with the service
// that served it before, else the oldest gets it, else the first by name. A service that gets not all of its domains
// is served by its last good version, as long as nobody else has one of that version's domains by now.
#pragma once

#include <functional>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "config/load.h"

namespace sluice {

struct DomainChoice {
  std::vector<ConfigObjectPtr> serving;  // in the order given; of some their last good version
  std::map<ObjectKey, std::vector<std::string>> errors;
  std::string gateway_error;  // "" without a conflict between services
};

// All are VirtualServices. `last_good` gives the version of an object that was served last, null when there is none.
DomainChoice choose_by_domain(std::span<const ConfigObjectPtr> services,
                              const std::function<ConfigObjectPtr(const ObjectKey&)>& last_good);

// "ns.name" of each but `without`: ten and how many more. Each of many that clash is told of all the others, so the
// messages would grow with the square of their number.
std::string some_names(std::span<const ConfigObjectPtr> objects, std::string_view separator,
                       const ConfigObject* without = nullptr);

}  // namespace sluice
