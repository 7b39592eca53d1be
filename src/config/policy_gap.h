// What stands in the configuration, may be an EgressPolicy, and could not be understood: nobody knows what it would
// have refused. Whoever decides by policies must refuse what such a one may be for (decision 0015).
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "config/diagnostics.h"
#include "config/node.h"

namespace sluice {

struct PolicyGap {
  struct Target {
    std::string kind;
    std::string name;
    bool operator==(const Target&) const = default;
  };

  std::string subject;  // for clients: "EgressPolicy gloo-system/deny (line 7) is not in force"; no path of a file
  std::string word;     // the same in short, for rule_of(): "gloo-system/deny"
  std::string why;      // for operators: the error with its file and line

  // An object with an error: its key; where a version of it is in force, there is no gap. Else empty.
  ObjectKey key;
  // It says something else than another document for its key, which is in force.
  bool second_copy = false;
  // A whole file that cannot be parsed: its path; where an earlier content of it is in force, there is no gap.
  std::string broken_file;

  std::string file;             // where it stands
  std::string ns;               // "": it may be for any namespace
  std::string name;             // of what seems to be an object, "" where it cannot be read
  std::vector<Target> targets;  // of the namespace; none: it may be for anything there

  bool operator==(const PolicyGap&) const = default;
};

// What the document would be for, as far as it can be read; nothing when it is certainly no EgressPolicy. Only ns, name
// and targets are filled in. `flattened_kind` is what a document in Gloo's flattened form looks like, else "".
std::optional<PolicyGap> policy_sketch(const Node& document, std::string_view flattened_kind);

// For %RESPONSE_CODE_DETAILS%: "gloo-system/deny". A log is split at spaces, so those of the word are "_" here.
std::string rule_of(const PolicyGap& gap);

// A file, or a folder, whose bytes are not known or cannot be parsed.
PolicyGap gap_of_file(const std::string& path, uint32_t line, std::string why);
// Whether it has a list of rules that allow or deny.
bool has_policy_rules(const Node& document);
// Whether a document has a word anywhere that no EgressPolicy is without, or such rules.
bool mentions_policy(const Node& document);
// Whether a file that cannot be parsed may hold an EgressPolicy.
bool may_hold_policy(std::string_view path, std::string_view bytes);

}  // namespace sluice
