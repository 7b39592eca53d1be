// A database that keeps objects nowhere but in the store, for tests. It can be told to fail.
#pragma once

#include <optional>

#include "control/store/database.h"
#include "control/store/object_store.h"

namespace sluice {

class MemoryDatabase final : public Database {
 public:
  explicit MemoryDatabase(ObjectStore& store) : store_(store) {}

  std::optional<Error> failure;
  int writes = 0;

  Status put(ConfigObjectPtr object, WallTime now) override {
    if (failure) return std::unexpected(*failure);
    ++writes;
    store_.put(std::move(object), now);
    return {};
  }
  Status erase_all(std::span<const ObjectKey> keys) override {
    if (failure) return std::unexpected(*failure);
    ++writes;
    for (const ObjectKey& key : keys) store_.erase(key);
    return {};
  }

 private:
  ObjectStore& store_;
};

}  // namespace sluice
