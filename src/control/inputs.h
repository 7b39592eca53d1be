// What compiled units depend on: of each thing that somebody asked for, when it changed last. A unit holds what it
// asked for, so that telling whether it is still true costs a look at each, and no lookup.
//
// Belongs to the control thread.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <vector>

#include "config/diagnostics.h"

namespace sluice {

using RunNumber = uint64_t;  // of a translation

struct Input {
  RunNumber changed_at = 0;
};
using InputPtr = std::shared_ptr<const Input>;

class Inputs {
 public:
  enum class What : uint8_t {
    object,     // as it is in force, that it is rejected, or that it is not there
    rules,      // EgressPolicies for that object, and what stands for one and is not in force; of a namespace, of all
    gateway,    // all that a Gateway says to its virtual hosts
    addresses,  // of this machine, and its open ports
    names,      // which objects of a kind there are
    file,       // what it says
  };

  // For a unit that is compiled with it now.
  InputPtr of(What what, const ObjectKey& key = {});
  // Whether some unit holds it.
  bool is_held(What what, const ObjectKey& key) const;
  // Before anything is compiled in that run.
  void note_change(What what, const ObjectKey& key, RunNumber run);
  // Drops what no unit holds.
  void forget_unused();
  size_t size() const { return inputs_.size(); }

 private:
  std::map<std::pair<What, ObjectKey>, std::shared_ptr<Input>> inputs_;
};

}  // namespace sluice
