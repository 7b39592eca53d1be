// The list of kinds: names for people and the API, and how each is read and described.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <variant>

#include "config/bind.h"
#include "config/kinds/egress_policy.h"
#include "config/kinds/gateway.h"
#include "config/kinds/metadata.h"
#include "config/kinds/proxy_settings.h"
#include "config/kinds/secret.h"
#include "config/kinds/upstream.h"
#include "config/kinds/virtual_service.h"

namespace sluice::kinds {

using Spec = std::variant<std::monostate, Gateway, VirtualService, Upstream, Secret, ConfigMap, EgressPolicy,
                          ProxySettings, MatchableHttpGateway, MatchableTcpGateway>;

struct KindInfo {
  std::string_view kind;     // "VirtualService"
  std::string_view group;    // "gateway.solo.io"; "" for Kubernetes' own
  std::string_view version;  // "v1"
  std::string_view plural;   // "virtualservices"
  std::string_view singular;
  std::span<const std::string_view> short_names;
  bool supported = true;  // false: known, and refused with "not supported yet"
  bool has_spec = true;   // false: Secret and ConfigMap, whose fields stand at the top

  void (*read)(const Node& spec, Reader& reader, Spec& out) = nullptr;
  Schema (*describe)(std::span<const OptionField> option_fields) = nullptr;

  std::string api_version() const;  // "gateway.solo.io/v1", "v1"
};

// All known kinds, those not supported yet among them.
std::span<const KindInfo> all_kinds();
// By "Kind" and apiVersion; nullptr when there is none.
const KindInfo* find_kind(std::string_view api_version, std::string_view kind);
// By "Kind" alone; nullptr when there is none.
const KindInfo* kind_named(std::string_view kind);
// The "Kind" that is spelt nearly so, to suggest it or to take the word for a slip; "" when none is near.
std::string_view nearest_kind(std::string_view kind);
// By plural, singular, short name or kind in any case, as one types it to kubectl or `sluice get`.
const KindInfo* find_resource(std::string_view word);

}  // namespace sluice::kinds
