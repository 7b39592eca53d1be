// A VirtualService compiled for one Gateway: what it serves, what is said of it, and what it was made from. It is made
// again when one of these changed; snapshots share the virtual host until then.
#pragma once

#include <algorithm>
#include <map>
#include <memory>
#include <vector>

#include "config/load.h"
#include "control/inputs.h"
#include "control/object_report.h"
#include "forward/dynamic_upstream.h"
#include "forward/static_upstream.h"
#include "pipeline/filter.h"
#include "route/route_table.h"

namespace sluice {

// What was referred to, as it was then.
struct Referred {
  std::map<ObjectKey, ConfigObjectPtr> objects;
  std::map<std::string, FileData> files;  // by path

  void merge(Referred other) {
    objects.merge(other.objects);
    files.merge(other.files);
  }
};

// What happens to dynamic destinations of one place.
struct PlaceRules {
  std::shared_ptr<const std::string> place;
  EgressNow::Standing standing;

  friend bool operator==(const PlaceRules& a, const PlaceRules& b) {
    return *a.place == *b.place && a.standing.guard == b.standing.guard && a.standing.refusal == b.standing.refusal;
  }
};

struct HostUnit {
  uint64_t hash = 0;  // of the VirtualService
  RunNumber run = 0;  // in which it was compiled
  std::vector<InputPtr> inputs;

  VirtualHostPtr host;  // null: it has errors
  ObjectReport report;
  // Upstreams that its routes lead to and that are not there: how the texts go on depends on how many there are.
  struct Missing {
    size_t warning;  // of the report
    ObjectKey upstream;
    bool rejected;
  };
  std::vector<Missing> missing;
  Referred referred;                                                                    // by its headers and filters
  Preparations preparations;                                                            // of its filters
  using ClusterUse = std::pair<const ObjectKey, std::shared_ptr<const StaticCluster>>;  // by Upstream
  std::vector<ClusterUse> clusters;                                                     // each once
  bool is_dynamic = false;
  std::shared_ptr<const PlaceRules> rules;  // where it has dynamic destinations
  std::string closed;                       // why those are refused; "" when they are not

  bool is_still_true(const ConfigObject& service) const {
    return hash == service.hash &&
           std::ranges::all_of(inputs, [this](const InputPtr& input) { return input->changed_at <= run; });
  }
};
using HostUnitPtr = std::shared_ptr<const HostUnit>;

// What is kept of a VirtualService on one Gateway.
struct HostSlot {
  HostUnitPtr newest;
  HostUnitPtr last_good;  // while the newest cannot serve
  RunNumber last_good_of = 0;
  ConfigObjectPtr service;  // the version that was met last
  bool is_noted = false;    // as the one that was served last
  RunNumber seen = 0;       // the last run that had it
};

}  // namespace sluice
