// Finds the route for a request: first the virtual host by authority, then its first route that matches.
//
// Domains (reference gloo-core.md 3.2): compared without case and with any port; exact, then the longest suffix
// wildcard
// ("*.a.test"), then the longest prefix wildcard ("a.*"), then "*". A wildcard never stands for nothing.
// Immutable: any thread. Finding allocates nothing.
#pragma once

#include <cstdint>
#include <memory>
#include <ranges>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "route/path_index.h"
#include "route/route_entry.h"

namespace sluice {

// Nothing fits, or it would take too long to say which: the request is refused.
struct RouteSearch {
  const RouteEntry* route = nullptr;
  bool too_costly = false;
};

// Shared by all tables that have it: a host that did not change is made once.
struct VirtualHostEntry {
  // So many matchers are compared in less time than the index needs.
  static constexpr size_t kIndexedFrom = 16;

  std::string name;                                       // "gloo-system_httpbin"
  std::vector<std::string> domains;                       // as written
  std::vector<std::unique_ptr<const RouteEntry>> routes;  // in order
  bool changes_responses = false;                         // whether any route changes response headers
  PathIndex by_path;                                      // of the routes; empty where all are asked

  void add(std::unique_ptr<const RouteEntry> route);
  // To be called once all routes are there.
  void index();
  // Its first route that matches.
  RouteSearch find(Request& request) const;
};
using VirtualHostPtr = std::shared_ptr<const VirtualHostEntry>;

// Texts without case, found by a hash of bytes that are lower-cased on the way.
class DomainMap {
 public:
  void reserve(size_t domains);
  // false when the domain is there already. The text must outlive the map.
  bool add(std::string_view domain, uint32_t value);
  static constexpr uint32_t kNone = UINT32_MAX;
  uint32_t find(std::string_view text) const;
  bool empty() const { return count_ == 0; }
  size_t longest() const { return longest_; }

 private:
  struct Slot {
    uint64_t hash = 0;
    uint32_t value = kNone;
    std::string_view domain;
  };
  void resize(size_t slots);

  std::vector<Slot> slots_;  // a power of two; open addressing
  size_t count_ = 0;
  size_t longest_ = 0;
};

class RouteTable {
 public:
  // An error when two hosts share a domain (the translation has told their owners before).
  // Costs a pass over the domains, whatever routes there are.
  static Result<std::unique_ptr<const RouteTable>> create(std::vector<VirtualHostPtr> hosts);

  const VirtualHostEntry* find_host(std::string_view authority) const;
  // The route for the request's authority, path and headers.
  RouteSearch find(Request& request) const;

  auto hosts() const {
    return std::views::transform(std::span(hosts_),
                                 [](const VirtualHostPtr& host) -> const VirtualHostEntry& { return *host; });
  }
  // Whether any route changes response headers.
  bool changes_responses() const { return changes_responses_; }

 private:
  // Wildcards of one kind; the lengths in use, longest first.
  struct Wildcards {
    DomainMap domains;
    std::vector<size_t> lengths;
    bool add(std::string_view part, uint32_t host);
  };
  RouteTable() = default;
  bool add_domain(std::string_view domain, uint32_t host);
  uint32_t host_index(std::string_view authority) const;

  std::vector<VirtualHostPtr> hosts_;
  DomainMap exact_;
  Wildcards suffixes_;
  Wildcards prefixes_;
  uint32_t any_ = DomainMap::kNone;
  bool changes_responses_ = false;
};

}  // namespace sluice
