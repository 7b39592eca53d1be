// All objects that are translated, as they were at the last run.
#pragma once

#include <map>
#include <ranges>
#include <span>
#include <string>
#include <vector>

#include "config/load.h"

namespace sluice {

class World {
 public:
  struct Change {
    ObjectKey key;
    ConfigObjectPtr before;  // null: there was none
    ConfigObjectPtr after;
    // Where one says what the other said, it only stands elsewhere.
    bool says_the_same() const { return before && after && before->hash == after->hash; }
  };

  // What is another than before. Rejected objects are those of which no version is in force; keys of theirs may repeat.
  // Costs a look at each object when they come in the order of their keys.
  std::vector<Change> update(std::span<const ConfigObjectPtr> objects);

  const std::map<ObjectKey, ConfigObjectPtr>& in_force() const { return in_force_; }
  // Those of a kind, in the order of their keys: a view, good until the next change.
  auto all(std::string_view kind) const {
    const auto first = in_force_.lower_bound({std::string(kind), "", ""});
    const auto last = in_force_.lower_bound({std::string(kind) + '\0', "", ""});
    return std::views::values(std::ranges::subrange(first, last));
  }
  const std::vector<ConfigObjectPtr>& rejected() const { return rejected_; }
  const ConfigObject* rejected_at(const ObjectKey& key) const;

  // With one object in place of another, or as another, as long as this lives.
  class Supposing {
   public:
    Supposing(World& world, ConfigObjectPtr object);
    Supposing(const Supposing&) = delete;
    Supposing& operator=(const Supposing&) = delete;
    ~Supposing();

   private:
    World& world_;
    ObjectKey key_;
    ConfigObjectPtr before_;
  };

 private:
  void update_rejected(std::vector<ConfigObjectPtr> rejected, std::vector<Change>& changes);

  std::map<ObjectKey, ConfigObjectPtr> in_force_;
  std::vector<ConfigObjectPtr> rejected_;
  std::map<ObjectKey, ConfigObjectPtr> rejected_at_;  // the first of each key
};

}  // namespace sluice
