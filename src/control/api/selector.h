// Label and field selectors, as Kubernetes writes them in a query.
//
//   app=a,tier in (x, y),!old,size>3        metadata.name=default,metadata.namespace!=other
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "config/node.h"

namespace sluice {

class LabelSelector {
 public:
  static constexpr size_t kRequirementsMax = 64;
  static constexpr size_t kValuesMax = 1000;

  static Result<LabelSelector> parse(std::string_view text);

  // `labels` is the map under metadata.labels, or null.
  bool matches(const Node* labels) const;
  bool empty() const { return requirements_.empty(); }

 private:
  enum class Operator : uint8_t { in, not_in, exists, absent, greater, less };
  struct Requirement {
    std::string key;
    Operator op = Operator::exists;
    std::vector<std::string> values;
    bool matches(const Node* labels) const;
  };
  class Parser;
  std::vector<Requirement> requirements_;
};

class FieldSelector {
 public:
  static constexpr size_t kTermsMax = 64;

  static Result<FieldSelector> parse(std::string_view text);

  // "" when all fields are ones that can be selected by (metadata.name, metadata.namespace), else the first that
  // cannot.
  std::string_view unsupported_field() const;
  bool matches(std::string_view ns, std::string_view name) const;
  bool empty() const { return terms_.empty(); }

 private:
  struct Term {
    std::string field;
    std::string value;
    bool equal = true;
  };
  std::vector<Term> terms_;
};

}  // namespace sluice
