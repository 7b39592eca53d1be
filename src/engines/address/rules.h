// The address rules of EgressPolicies: may this address be connected to, and which rule says so?
//
//   every form of the address (itself, and what is wrapped in it) must be allowed:
//     own port on a local address          -> denied by own-port, whatever a policy says
//     unspecified, multicast               -> denied, never opened
//     the matching rule of longest prefix  -> its action; a class word has length 0; deny beats allow at equal length
//     no match                             -> default/<class>: only `global` is allowed
//   metadata is opened only by its own word or by a range of exactly one address.
//
// A rule that allows may say, too, how the destination is to be spoken to (TlsDemand): of all rules of the length that
// decides, and for every form of the address.
//
// What check_address() takes, entry by entry, and what stays within kEntriesMax, compile() takes, too.
//
// Immutable after compile(); a decision allocates nothing. Any thread may decide.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "engines/address/classify.h"

namespace sluice {

enum class RuleAction : uint8_t { allow, deny, shadow };

// What a rule says of TLS with the destinations that it allows.
enum class TlsWish : uint8_t { none, required, forbidden };

struct AddressRule {
  std::string name;
  RuleAction action = RuleAction::deny;
  std::vector<std::string> addresses;  // class words, ranges, addresses
  TlsWish tls = TlsWish::none;         // of one that allows
  std::string certificate_name = {};   // with `required`: whom the certificate must be for; empty: the destination
};

// What several rules together say of TLS. Views are the AddressRules'.
struct TlsDemand {
  TlsWish wish = TlsWish::none;
  std::string_view certificate_name;
  std::string_view rule;             // that says so, `<policy name>/<rule name>`
  std::string_view contradicted_by;  // another, so that nothing fits both; empty: none

  // Whoever says nothing agrees with all; `required` and a name together are the name.
  void add(const TlsDemand& other);
};

struct AddressPolicy {
  std::string name;  // as it shall stand in rule ids: `<policy name>/<rule name>`
  std::vector<AddressRule> rules;
};

struct Verdict {
  bool allowed = false;
  // A policy can change this verdict; false for own-port, unspecified and multicast.
  bool can_be_opened = true;
  // A rule of a policy denies it, not the default of its class.
  bool denied_by_policy = false;
  AddressClass address_class = AddressClass::reserved;
  // `<policy>/<rule>`, `default/<class>` or `own-port`. Valid as long as the AddressRules.
  std::string_view rule;
  // The shadow rule that would have denied what was allowed; empty when there is none. Log it and count it.
  std::string_view shadow_rule;
  // Of what is allowed.
  TlsDemand tls;
};

// What is wrong with one entry of a rule's `addresses`, and what to write instead.
Status check_address(std::string_view text, RuleAction action);

class AddressRules {
 public:
  static constexpr size_t kEntriesMax = 16384;  // ranges of one policy; class words cost nothing

  // Without policies: the defaults of every class.
  AddressRules() : AddressRules(LocalAddresses{}, {}) {}

  // The policies are joined; their order does not matter. `own_ports` are the ports of listeners, admin and API.
  // An error names the policy, the rule, the wrong value and what to write instead.
  static Result<AddressRules> compile(const std::vector<AddressPolicy>& policies, LocalAddresses local,
                                      std::vector<uint16_t> own_ports);

  Verdict decide(const IpAddress& address, uint16_t port) const;

  const LocalAddresses& local() const { return local_; }
  // Whether any rule has a say in TLS.
  bool says_of_tls() const { return says_of_tls_; }
  // Of rules that stand at the same addresses and leave no way to them: "rules a/x and b/y of EgressPolicies contradict
  // each other about TLS for 10.0.0.0/8".
  std::vector<std::string> contradictions() const;

 private:
  // Of a policy.
  struct Rule {
    std::string id;
    TlsWish tls;
    std::string certificate_name;
  };
  struct Entry {
    Cidr range;
    RuleAction action;
    uint32_t rule;  // index into rules_
  };
  // The entries of one prefix length and family, as a span of entries_ sorted by network, then action: deny first.
  struct Length {
    AddressFamily family;
    uint8_t length;
    uint32_t begin;
    uint32_t end;
  };
  struct Match {
    int length = -1;  // -1: only the class's default
    bool allowed = false;
    std::string_view rule;
    TlsDemand tls = {};
  };

  AddressRules(LocalAddresses local, std::vector<uint16_t> own_ports);
  Status add(const AddressPolicy& policy, const AddressRule& rule, size_t entries_max);
  Status add_address(const AddressRule& rule, std::string_view text, uint32_t id, size_t entries_max);
  void sort_entries();
  TlsDemand tls_of(uint32_t rule) const;

  Verdict decide_one(const IpAddress& form, uint16_t port) const;
  bool is_own_port(AddressClass address_class, uint16_t port) const;
  void match_class(AddressClass address_class, Match& match, Match& shadow) const;
  void match_ranges(const IpAddress& form, AddressClass address_class, Match& match, Match& shadow) const;

  static constexpr uint32_t kNoRule = ~uint32_t{0};
  struct ClassRules {
    uint32_t allow = kNoRule;
    uint32_t deny = kNoRule;
    uint32_t shadow = kNoRule;
    std::vector<uint32_t> tls;  // those that allow and say something of it
  };

  LocalAddresses local_;
  std::vector<uint16_t> own_ports_;  // sorted
  std::vector<Rule> rules_;
  bool says_of_tls_ = false;
  std::array<ClassRules, kAddressClasses> classes_;
  std::vector<Entry> entries_;
  std::vector<Length> lengths_;  // longest first
};

// "destination tenant-1.mypaas.test is a loopback address: refused by rule default/loopback; an EgressPolicy can open
// it". Names the destination as the client did, never the address it has.
std::string refusal_text(std::string_view host, const Verdict& verdict);
// "loopback,default/loopback", for %RESPONSE_CODE_DETAILS%.
std::string refusal_rule(const Verdict& verdict);
// Of one that may be reached, but not in the way that is asked for: "destination tenant-1.mypaas.test is reached by TLS
// only: refused by rule lab/backends of an EgressPolicy".
std::string refusal_text(std::string_view host, const TlsDemand& demand);

}  // namespace sluice
