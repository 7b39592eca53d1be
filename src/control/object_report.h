// What is said of an object: its status.
#pragma once

#include <map>
#include <string>
#include <utility>
#include <vector>

#include "config/diagnostics.h"

namespace sluice {

enum class ObjectState : uint8_t { accepted, warning, rejected };

// Why an object is or is not in force: what its status says.
struct ObjectReport {
  std::vector<std::string> errors;   // it could never be in force as it is
  std::vector<std::string> clashes;  // nor now, but for other objects as they are: it may be stored all the same
  std::vector<std::string> warnings;

  // A text that is there already is not added again: an object may serve on several Gateways.
  void error(std::string text);
  void clash(std::string text);
  void warning(std::string text);

  bool empty() const { return errors.empty() && clashes.empty() && warnings.empty(); }
  ObjectState state() const;
  // Gloo's text (gloo-core 1.3); empty when accepted.
  std::string reason() const;
  // Errors and clashes.
  std::vector<std::string> all_errors() const;

  bool operator==(const ObjectReport&) const = default;
};
using ObjectReports = std::map<ObjectKey, ObjectReport>;

// A text of a report that is about one field begins with its path: "spec.virtualHost...: unknown operator %X%". Path
// ("" for none) and the rest.
std::pair<std::string, std::string> path_and_message(const std::string& text);

// A text that is there already is not added again.
void add_once(std::vector<std::string>& texts, std::string text);

}  // namespace sluice
