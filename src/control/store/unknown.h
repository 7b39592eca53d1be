// What stands in the configuration and could not be read or understood. An object that is not seen any more has gone
// only when nothing of this may hold it: it may have been moved there.
#pragma once

#include <string>
#include <string_view>
#include <unordered_set>
#include <vector>

namespace sluice {

class Unknown {
 public:
  // A file that could not be parsed, or has a document of which nobody knows what object it is. `bytes` must live as
  // long; `path` and `why` are for messages.
  void add_text(std::string_view path, std::string_view bytes, std::string why);
  // Files that nobody has seen: anything may be in them.
  void add_unseen(std::string why);

  // Why an object of this name may be there; "" when it is not. A name counts where it stands as a word.
  std::string_view may_hold(std::string_view name);
  // Likewise for an EgressPolicy whose name nobody knows.
  std::string_view may_hold_policy();
  // Whether one of the two said why.
  bool was_asked() const { return was_asked_; }

 private:
  std::string_view said(std::string_view why);

  struct Text {
    std::string_view path;
    std::string_view bytes;
    std::string why;
    std::unordered_set<std::string_view> words = {};  // made when they are asked for
  };
  std::vector<Text> texts_;
  std::vector<std::string> unseen_;
  bool was_asked_ = false;
};

}  // namespace sluice
