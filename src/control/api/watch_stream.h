// A watch: a stream of events, one JSON object a line, pulled by the connection that carries it.
//
//   {"type":"ADDED","object":{...}}
//
// The stream keeps a place in the list of objects and one in the store's history and nothing else, so that a reader
// that is slow holds no memory: when the history has moved past it, it gets an ERROR event with 410 and the stream
// ends, as Kubernetes does it. So does one that asks for changes that are forgotten already.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/time.h"
#include "control/api/representation.h"
#include "control/api/selector.h"
#include "control/store/object_store.h"

namespace sluice {

// Which objects of a kind a list or a watch is about.
struct Selection {
  std::string ns;  // "" all
  LabelSelector labels;
  FieldSelector fields;

  bool matches(const View& view) const;
};

struct WatchOptions {
  const Kind* kind = nullptr;
  Selection selection;
  Representation as;
  bool bookmarks = false;
  bool list_first = false;          // all objects there are, as ADDED
  bool initial_events_end = false;  // the client asked for a bookmark behind those
  std::vector<View> initial;        // the same for a quiet kind, whose objects are in no store
  uint64_t version = 0;             // then everything after this
  SteadyTime ends_at{};
};

class WatchStream {
 public:
  static constexpr Nanos kBookmarkInterval = 60s;

  // The store must outlive the stream.
  static std::unique_ptr<WatchStream> create(ObjectStore& store, WatchOptions options, SteadyTime now);
  // For kinds that never change here (Namespace, Event): bookmarks and the end only.
  static std::unique_ptr<WatchStream> create_quiet(ObjectStore& store, WatchOptions options, SteadyTime now);

  enum class State : uint8_t { open, ended };

  // Appends events that are ready until `out` has `bytes_max` or more. Nothing appended and `open`: wait for the call
  // of on_ready() or for wake_at(), whichever is first.
  State pull(std::string& out, size_t bytes_max, WallTime now, SteadyTime steady_now);

  // `ready` is called from within a change of the store when pull() may have more; it must not destroy the stream.
  void on_ready(std::function<void()> ready) { ready_ = std::move(ready); }
  SteadyTime wake_at() const;

  // Called when the stream goes; the server counts the watches that are open.
  void on_end(std::function<void()> end) { end_ = std::move(end); }
  ~WatchStream();
  WatchStream(const WatchStream&) = delete;
  WatchStream& operator=(const WatchStream&) = delete;

 private:
  WatchStream(ObjectStore& store, WatchOptions options, SteadyTime now, bool quiet);
  bool pull_initial(std::string& out, WallTime now);
  bool pull_listed(std::string& out, WallTime now);
  bool is_still_to_be_listed(const ObjectKey& key) const;
  bool pull_change(std::string& out, WallTime now);
  void append_change(std::string& out, const Change& change, WallTime now);
  void append_event(std::string& out, std::string_view type, const View& view, WallTime now);
  void append_bookmark(std::string& out, bool initial_events_end);
  void append_error(std::string& out, const Failure& failure);

  ObjectStore& store_;
  WatchOptions options_;
  bool quiet_;
  size_t initial_sent_ = 0;
  std::optional<ObjectKey> listed_;      // the last of the first list, as far as it has come
  std::optional<uint64_t> next_change_;  // nothing: forgotten already
  bool first_event_ = true;
  bool ended_ = false;
  SteadyTime next_bookmark_;
  ObjectStore::Subscription subscription_;
  std::function<void()> ready_;
  std::function<void()> end_;
};

}  // namespace sluice
