// What is wrong with the configuration: all of it at once, each with its place and what to do.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <tuple>
#include <vector>

#include "config/node.h"

namespace sluice {

// What makes an object unique.
struct ObjectKey {
  std::string kind;
  std::string ns;
  std::string name;

  friend auto operator<=>(const ObjectKey&, const ObjectKey&) = default;
  // "VirtualService gloo-system/httpbin"; "" when there is no kind.
  std::string to_string() const;
};

enum class Severity : uint8_t { error, warning, note };

struct Diagnostic {
  Severity severity = Severity::error;
  std::string file;
  Place place;
  ObjectKey object;
  std::string path;  // "spec.virtualHost.routes[0].options.timeout"; "" when it is about the whole
  std::string message;
  std::string suggestion;  // a nearby spelling; "" for none

  // file:line: kind ns/name: path: message; did you mean "x"?   Parts that are not known are left out.
  std::string to_string() const;
  // The message with its suggestion, without the place: for API answers and statuses.
  std::string sentence() const;
};

// Keeps the first `kept_max` in order and counts the rest; of notes fewer, so that they cannot push out what matters.
class Diagnostics {
 public:
  static constexpr size_t kNotesMax = 100;

  explicit Diagnostics(size_t kept_max = 1000) : kept_max_(kept_max) {}

  void add(Diagnostic diagnostic);
  void append(const Diagnostics& more);
  // By line within each file, files in the order they came.
  void sort_by_line();

  std::span<const Diagnostic> all() const { return kept_; }
  bool empty() const { return errors_ + warnings_ == 0; }  // notes do not count
  size_t errors() const { return errors_; }                // also those that were not kept
  size_t warnings() const { return warnings_; }
  bool full() const { return kept_.size() >= kept_max_; }

  // A line each, and how many more there are.
  std::string to_string() const;

 private:
  size_t kept_max_;
  size_t errors_ = 0;
  size_t warnings_ = 0;
  size_t notes_ = 0;
  size_t notes_kept_ = 0;
  std::vector<Diagnostic> kept_;
};

}  // namespace sluice
