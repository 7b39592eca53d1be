// Which rule of google.api.http a request's method and path fit. A literal segment goes before "*", that before "**",
// and a search that fails goes back. Made once, then read by any thread.
//
// A search looks at each node of the tree once at most, and behind a "**" once a segment of the path.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "engines/transcoding/path_template.h"

namespace sluice::transcoding {

class RuleTree {
 public:
  static constexpr size_t kAmbiguous = SIZE_MAX;

  // `method` "*" fits all. False: one that fits the same requests is there; then both fit none, as in Envoy.
  bool add(std::string_view method, const PathTemplate& path, size_t rule);

  struct Found {
    size_t rule = 0;
    std::vector<std::string_view> segments;  // of the path, without its verb
  };
  // A path without its query. Slashes at its end do not count.
  std::optional<Found> find(std::string_view method, std::string_view path) const;

 private:
  struct Node {
    std::map<std::string, std::unique_ptr<Node>, std::less<>> children;  // "*" and "**" are not among them
    std::unique_ptr<Node> any;
    std::unique_ptr<Node> any_length;
    std::map<std::string, size_t, std::less<>> rules;  // by "METHOD:verb"
  };
  using Segments = std::span<const std::string_view>;
  struct Wanted {
    std::string key;
    std::string key_of_any_method;
  };

  static const size_t* rule_of(const Node& node, const Wanted& wanted);
  static const size_t* find(const Node& node, Segments rest, const Wanted& wanted);

  Node root_;
  std::set<std::string, std::less<>> verbs_;
};

}  // namespace sluice::transcoding
