#include "control/domain_conflicts.h"

#include <algorithm>
#include <optional>
#include <set>

#include "base/strings.h"
#include "route/route_table.h"

namespace sluice {
namespace {

using kinds::VirtualService;

// Lower case, as the route table compares them.
std::vector<std::string> domains_of(const ConfigObject& service) {
  std::vector<std::string> out;
  if (const auto& host = service.as<VirtualService>()->virtual_host)
    for (const std::string& domain : host->domains) out.push_back(to_lower(domain));
  return out;
}

bool has_domain(const ConfigObject& service, const std::string& domain) {
  const std::vector<std::string> domains = domains_of(service);
  return std::ranges::find(domains, domain) != domains.end();
}

std::string short_name(const ConfigObject& object) {
  return object.key.ns + "." + object.key.name;
}

// Two of them, or one with itself.
bool shares_a_domain(std::span<const ConfigObjectPtr> services) {
  DomainMap claimed;
  claimed.reserve(services.size());
  for (const ConfigObjectPtr& service : services)
    if (const auto& host = service->as<VirtualService>()->virtual_host)
      for (const std::string& domain : host->domains)
        if (!claimed.add(domain, 0)) return true;
  return false;
}

// --- what is told -----------------------------------------------------------------------------------------------

using Owners = std::map<std::string, std::vector<ConfigObjectPtr>>;  // by domain; one that says it twice is there twice

// The first of Gloo's two looks: domains as they are written, so that none is not the same as "*".
void tell_as_written(std::span<const ConfigObjectPtr> services, DomainChoice& out) {
  Owners by_domain;
  for (const ConfigObjectPtr& service : services) {
    const auto& host = service->as<VirtualService>()->virtual_host;
    if (host && host->domains_absent)
      by_domain[""].push_back(service);
    else
      for (const std::string& domain : domains_of(*service)) by_domain[domain].push_back(service);
  }
  std::vector<std::string> shared;
  for (const auto& [domain, owners] : by_domain) {
    if (owners.size() < 2) continue;
    shared.push_back(domain.empty() ? "EMPTY_DOMAIN" : domain);
    const std::set<ConfigObjectPtr> distinct(owners.begin(), owners.end());
    for (const ConfigObjectPtr& owner : distinct) {
      const std::string others = distinct.size() == 1 ? short_name(*owner) : some_names(owners, " ", owner.get());
      out.errors[owner->key].push_back(
          domain.empty() ? fmt::format("domain conflict: other virtual services that belong to the same Gateway as "
                                       "this one don't specify a domain (and thus default to '*'): [{}]",
                                       others)
                         : fmt::format("domain conflict: the [{}] domain is present in other virtual services that "
                                       "belong to the same Gateway as this one: [{}]",
                                       domain, others));
    }
  }
  if (!shared.empty())
    out.gateway_error = fmt::format(
        "domain conflict: the following domains are present in more than one of the virtual services associated with "
        "this gateway: [{}]",
        join(shared, " "));
}

// The second: domains as they are served. True when there is a conflict.
bool tell_as_served(std::span<const ConfigObjectPtr> services, DomainChoice& out) {
  Owners by_domain;
  for (const ConfigObjectPtr& service : services)
    for (const std::string& domain : domains_of(*service)) by_domain[domain].push_back(service);
  bool any = false;
  for (const auto& [domain, owners] : by_domain) {
    if (owners.size() < 2) continue;
    any = true;
    for (const ConfigObjectPtr& owner : std::set<ConfigObjectPtr>(owners.begin(), owners.end()))
      out.errors[owner->key].push_back(fmt::format(
          "VirtualHost Error: DomainsNotUniqueError. Reason: domain {} is shared by the following virtual hosts: [{}]",
          domain, some_names(owners, " ")));
  }
  return any;
}

// --- who serves -------------------------------------------------------------------------------------------------

class Choosing {
 public:
  Choosing(std::span<const ConfigObjectPtr> services, const std::function<ConfigObjectPtr(const ObjectKey&)>& last_good)
      : services_(services), last_good_(last_good) {
    for (const ConfigObjectPtr& service : services_)
      if (const ConfigObjectPtr last = last_good_(service->key))
        for (const std::string& domain : domains_of(*last)) incumbents_.emplace(domain, service);
  }

  std::vector<ConfigObjectPtr> choose() {
    std::vector<ConfigObjectPtr> by_age(services_.begin(), services_.end());
    std::ranges::sort(by_age, {}, [](const ConfigObjectPtr& service) {
      const std::string& created = service->metadata.creation_timestamp;
      return std::tuple(created.empty(), created, service->key);
    });
    std::map<ObjectKey, ConfigObjectPtr> serving;
    for (const ConfigObjectPtr& service : by_age)
      if (claim(*service)) serving[service->key] = service;
    for (const ConfigObjectPtr& service : by_age) {
      if (serving.contains(service->key)) continue;
      if (const ConfigObjectPtr last = last_good_(service->key); last && claim(*last)) serving[service->key] = last;
    }
    std::vector<ConfigObjectPtr> out;
    for (const ConfigObjectPtr& service : services_)
      if (const auto found = serving.find(service->key); found != serving.end()) out.push_back(found->second);
    return out;
  }

 private:
  // All of its domains or none.
  bool claim(const ConfigObject& version) {
    const std::vector<std::string> domains = domains_of(version);
    const std::set<std::string> distinct(domains.begin(), domains.end());
    if (distinct.size() != domains.size()) return false;
    for (const std::string& domain : distinct) {
      if (claimed_.contains(domain)) return false;
      const auto incumbent = incumbents_.find(domain);
      if (incumbent == incumbents_.end() || incumbent->second->key == version.key) continue;
      if (has_domain(*incumbent->second, domain)) return false;  // served it, and still wants it
    }
    claimed_.insert(distinct.begin(), distinct.end());
    return true;
  }

  std::span<const ConfigObjectPtr> services_;
  const std::function<ConfigObjectPtr(const ObjectKey&)>& last_good_;
  std::map<std::string, ConfigObjectPtr> incumbents_;  // by domain: the present version of who served it
  std::set<std::string> claimed_;
};

}  // namespace

std::string some_names(std::span<const ConfigObjectPtr> objects, std::string_view separator,
                       const ConfigObject* without) {
  constexpr size_t kShownMax = 10;
  std::vector<std::string> shown;
  size_t more = 0;
  for (const ConfigObjectPtr& object : objects) {
    if (object.get() == without) continue;
    if (shown.size() < kShownMax)
      shown.push_back(short_name(*object));
    else
      ++more;
  }
  if (more > 0) shown.push_back(fmt::format("and {} more", more));
  return join(shown, separator);
}

DomainChoice choose_by_domain(std::span<const ConfigObjectPtr> services,
                              const std::function<ConfigObjectPtr(const ObjectKey&)>& last_good) {
  DomainChoice out;
  if (!shares_a_domain(services)) {  // nearly always
    out.serving.assign(services.begin(), services.end());
    return out;
  }
  tell_as_written(services, out);
  if (tell_as_served(services, out))
    out.serving = Choosing(services, last_good).choose();
  else
    out.serving.assign(services.begin(), services.end());
  return out;
}

}  // namespace sluice
