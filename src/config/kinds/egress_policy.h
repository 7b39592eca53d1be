// EgressPolicy (sluice.dev/v1alpha1): which addresses dynamic destinations may reach, and whether by TLS (design.md 2,
// "Own kinds"; decision 0104).
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "config/bind.h"
#include "engines/address/rules.h"

namespace sluice::kinds {

// An object of the same namespace that a policy is about.
struct TargetRef {
  std::string group;
  std::string kind;
  std::string name;
};
void bind(Fields& f, TargetRef& ref);

enum class EgressAction : uint8_t { allow, deny, shadow };
std::span<const EnumName> enum_names(EgressAction);

struct EgressMatch {
  std::vector<std::string> addresses;  // each one that AddressRules takes; at least one
};
void bind(Fields& f, EgressMatch& match);

struct EgressRule {
  std::string name;  // unique in the policy
  EgressAction action = EgressAction::deny;
  EgressMatch match;
  // `upstreamTls`, of one that allows: `required`, `forbidden`, or `{verify: name}`, which is required, too.
  TlsWish upstream_tls = TlsWish::none;
  std::string certificate_name;  // lower case; empty: the destination's own
};
void bind(Fields& f, EgressRule& rule);

struct EgressPolicy {
  std::vector<TargetRef> target_refs;  // at least one
  std::vector<EgressRule> rules;
};
void bind(Fields& f, EgressPolicy& policy);

}  // namespace sluice::kinds
