// What stands in the configuration and could not be read or understood. An object that is not seen any more has gone
// only when nothing of this may hold it: it may have been moved there.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <unordered_set>
#include <vector>

namespace sluice {

class Unknown {
 public:
  struct Part {
    std::string path;      // of a file or folder, "" for what has none
    std::string why;       // for messages
    bool changed = false;  // since the last time
  };

  // A file that could not be parsed, or has a document of which nobody knows what object it is. `bytes` must live as
  // long.
  void add_text(Part part, std::string_view bytes);
  // Files that nobody has seen: anything may be in them.
  void add_unseen(Part part);

  // Looks for all names at once: each text is gone over once. A name counts where it stands as a word.
  void look_for(const std::unordered_set<std::string_view>& names);
  // Where something of this name, one of those looked for, may be; null when it is nowhere.
  const Part* holder_of(std::string_view name);
  // Where an EgressPolicy whose name nobody knows may be, or may have come to since the last time.
  const Part* holder_of_policy() { return policy_holder(/*changed_only=*/false); }
  const Part* new_holder_of_policy() { return policy_holder(/*changed_only=*/true); }

  // Whether anything was held.
  bool was_asked() const { return was_asked_; }

 private:
  struct Text {
    Part part;
    std::string_view bytes;
    std::optional<bool> may_hold_policy = {};  // once it was asked
  };
  const Part* said(const Part* part);
  const Part* policy_holder(bool changed_only);

  std::vector<Text> texts_;
  std::vector<Part> unseen_;
  std::unordered_map<std::string_view, size_t> found_;  // name to text
  bool was_asked_ = false;
};

}  // namespace sluice
