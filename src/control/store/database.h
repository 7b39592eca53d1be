// Where objects are kept for good. A write returns when it would survive a power cut, and the store has been changed
// by then.
#pragma once

#include <span>

#include "base/result.h"
#include "base/time.h"
#include "config/load.h"

namespace sluice {

class Database {
 public:
  virtual ~Database() = default;

  // Adds the object, or puts it in place of the one with its key. The object is a good one.
  // Errors: `conflict` somebody else changed it on disk, `denied` it cannot be written there and why, `limit` the disk
  // is full, `io`. After an error nothing has changed.
  virtual Status put(ConfigObjectPtr object, WallTime now) = 0;
  // Of several, those before the one that cannot be erased may be gone.
  virtual Status erase_all(std::span<const ObjectKey> keys) = 0;
  Status erase(const ObjectKey& key) { return erase_all(std::span(&key, 1)); }
};

}  // namespace sluice
