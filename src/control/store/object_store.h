// The objects in force, by kind, namespace and name, and the last changes for those who watch.
//
// The store knows nothing of files or HTTP: a ConfigFolder fills it, the API reads it, translation subscribes to it.
// Every change gets the next resourceVersion. Versions start from the clock at start, so they never go back over a
// restart (as long as there were fewer than a million changes a second). Views are immutable and shared: a list, the
// history and a watcher may hold one while the object changes.
//
// Belongs to the control thread.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/time.h"
#include "config/frozen_node.h"
#include "config/load.h"
#include "control/store/object.h"

namespace sluice {

class View;

// One version of an object. Of its trees only the document is kept, in few bytes: a Node of each would take most of the
// memory that a large configuration takes.
struct StoredObject : std::enable_shared_from_this<StoredObject> {
  ObjectKey key;
  ConfigObjectPtr config;  // the last good version, with its typed spec
  FrozenNode status;       // null until somebody set it
  std::string uid;
  WallTime created{};
  int64_t generation = 1;
  uint64_t version = 0;

  // The document as a tree in its normal form (see normalize()).
  Node body() const;
  // What the API shows. The object must be one of a store.
  View view() const;
};

// What the API shows of something, made when somebody looks. Views of one version hold the same.
class View {
 public:
  View() = default;
  explicit View(StoredObject object) : object_(std::make_shared<const StoredObject>(std::move(object))) {}
  explicit View(std::shared_ptr<const StoredObject> object) : object_(std::move(object)) {}
  explicit View(Node made) : made_(std::make_shared<const Node>(std::move(made))) {}  // of what is in no store

  Node tree() const;
  explicit operator bool() const { return object_ || made_; }
  const std::shared_ptr<const StoredObject>& object() const { return object_; }

 private:
  std::shared_ptr<const StoredObject> object_;
  std::shared_ptr<const Node> made_;
};

enum class ChangeType : uint8_t { added, modified, deleted };

struct Change {
  ChangeType type = ChangeType::added;
  uint64_t version = 0;
  ObjectKey key;
  View now;     // of a deleted object: its last view, with the version of the deletion
  View before;  // none when it was added
};

class ObjectStore {
 public:
  // At most this many changes, and this many bytes of them, are kept for watchers.
  static constexpr size_t kHistoryMax = 2000;
  static constexpr size_t kHistoryBytesMax = size_t{16} << 20;

  // `start` is the wall clock; in tests a fixed time.
  explicit ObjectStore(WallTime start);

  const StoredObject* find(const ObjectKey& key) const;
  // Of one kind ("" all), of one namespace ("" all), sorted by kind, namespace and name. Valid until the next change.
  std::vector<const StoredObject*> list(std::string_view kind = {}, std::string_view ns = {}) const;
  // The first such object behind `after`, or of all; nullptr behind the last. For those who go through them in parts.
  const StoredObject* next(std::string_view kind, std::string_view ns, const std::optional<ObjectKey>& after) const;
  size_t size() const { return objects_.size(); }

  // What put() would do to the object that is there now, without doing it: for dryRun.
  struct Preview {
    StoredObject object;
    bool changed = true;  // false: the body is the same
  };
  Preview preview(ConfigObjectPtr config, WallTime now) const;

  // Adds or changes. `created` counts only for an object that is new. When the body is the same, no watcher is told.
  // The object must be a good one.
  const StoredObject& put(ConfigObjectPtr config, WallTime created);
  void erase(const ObjectKey& key);
  // Does not count up the generation. Nothing happens when there is no such object or the status is the same.
  void set_status(const ObjectKey& key, const Node& status);

  WallTime started() const { return started_; }
  // Of the last change to anything.
  uint64_t version() const { return version_; }

  // The first kept change after `version`, as an index for change_at(); nothing when changes after it were forgotten.
  // Indexes count on for ever.
  std::optional<uint64_t> changes_after(uint64_t version) const;
  const Change* change_at(uint64_t index) const;  // null: not there yet, or forgotten
  uint64_t first_change() const { return forgotten_; }
  uint64_t end_of_changes() const { return forgotten_ + history_.size(); }

  // Calls `changed` after each batch of changes until the subscription goes. It may change the store and subscribe or
  // unsubscribe; it must not destroy the store. Subscriptions must not outlive the store.
  class Subscription {
   public:
    Subscription() = default;
    Subscription(ObjectStore& store, uint64_t id) : store_(&store), id_(id) {}
    Subscription(Subscription&& other) noexcept : store_(std::exchange(other.store_, nullptr)), id_(other.id_) {}
    Subscription& operator=(Subscription&& other) noexcept;
    ~Subscription() { cancel(); }
    void cancel();

   private:
    ObjectStore* store_ = nullptr;
    uint64_t id_ = 0;
  };
  [[nodiscard]] Subscription subscribe(std::function<void()> changed);

  // While one lives, changes are collected; subscribers are told once when the last one goes.
  class Batch {
   public:
    explicit Batch(ObjectStore& store) : store_(store) { ++store_.batches_; }
    Batch(const Batch&) = delete;
    Batch& operator=(const Batch&) = delete;
    ~Batch() {
      if (--store_.batches_ == 0) store_.tell();
    }

   private:
    ObjectStore& store_;
  };

 private:
  void record(ChangeType type, std::shared_ptr<const StoredObject> now, std::shared_ptr<const StoredObject> before);
  void tell();

  using Objects = std::map<ObjectKey, std::shared_ptr<const StoredObject>>;
  Objects objects_;
  ObjectKeyMap<Objects::iterator> index_;
  WallTime started_;
  uint64_t version_;
  struct Kept {
    Change change;
    size_t bytes = 0;
  };
  std::deque<Kept> history_;
  uint64_t forgotten_ = 0;          // changes that left the history
  uint64_t forgotten_version_ = 0;  // the version of the last of these
  size_t history_bytes_ = 0;
  std::map<uint64_t, std::function<void()>> subscribers_;
  uint64_t next_subscriber_ = 1;
  int batches_ = 0;
  bool changed_ = false;
  bool telling_ = false;
};

// An identifier in the form of a UUID, the same for the same text.
std::string uid_of(std::string_view text);

}  // namespace sluice
