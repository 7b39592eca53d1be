#include "control/api/watch_stream.h"

#include <algorithm>

namespace sluice {

bool Selection::matches(const View& view) const {
  const auto fits = [this](std::string_view object_ns, std::string_view name) {
    return (ns.empty() || object_ns == ns) && fields.matches(object_ns, name);
  };
  const StoredObject* object = view.object().get();
  if (object && !fits(object->key.ns, object->key.name)) return false;
  if (object && labels.empty()) return true;  // without its tree
  const Node tree = view.tree();
  return fits(tree.text_at({"metadata", "namespace"}), tree.text_at({"metadata", "name"})) &&
         labels.matches(tree.find({"metadata", "labels"}));
}

std::unique_ptr<WatchStream> WatchStream::create(ObjectStore& store, WatchOptions options, SteadyTime now) {
  const auto next = store.changes_after(options.version);
  std::unique_ptr<WatchStream> stream(new WatchStream(store, std::move(options), now, false));
  stream->next_change_ = next;
  return stream;
}

std::unique_ptr<WatchStream> WatchStream::create_quiet(ObjectStore& store, WatchOptions options, SteadyTime now) {
  return std::unique_ptr<WatchStream>(new WatchStream(store, std::move(options), now, true));
}

WatchStream::WatchStream(ObjectStore& store, WatchOptions options, SteadyTime now, bool quiet)
    : store_(store), options_(std::move(options)), quiet_(quiet), next_bookmark_(now + kBookmarkInterval) {
  if (quiet_) return;
  subscription_ = store_.subscribe([this] {
    if (ready_) ready_();
  });
}

WatchStream::~WatchStream() {
  if (end_) end_();
}

WatchStream::State WatchStream::pull(std::string& out, size_t bytes_max, WallTime now, SteadyTime steady_now) {
  while (!ended_ && out.size() < bytes_max) {
    // Changes first: what is listed after them is as it is now.
    if (!pull_change(out, now) && !pull_initial(out, now)) break;
  }
  if (ended_) return State::ended;
  if (out.size() >= bytes_max) return State::open;
  if (options_.bookmarks && steady_now >= std::min(next_bookmark_, options_.ends_at)) {
    append_bookmark(out, false);
    next_bookmark_ = steady_now + kBookmarkInterval;
  }
  ended_ = steady_now >= options_.ends_at;
  return ended_ ? State::ended : State::open;
}

SteadyTime WatchStream::wake_at() const {
  return options_.bookmarks ? std::min(next_bookmark_, options_.ends_at) : options_.ends_at;
}

// Whether there was something to do.
bool WatchStream::pull_initial(std::string& out, WallTime now) {
  if (options_.list_first && pull_listed(out, now)) return true;
  if (initial_sent_ < options_.initial.size()) {
    append_event(out, "ADDED", options_.initial[initial_sent_++], now);
    return true;
  }
  options_.initial.clear();
  options_.initial.shrink_to_fit();
  initial_sent_ = 0;
  if (!std::exchange(options_.initial_events_end, false)) return false;
  append_bookmark(out, true);
  return true;
}

bool WatchStream::pull_listed(std::string& out, WallTime now) {
  const StoredObject* object = store_.next(options_.kind->kind, options_.selection.ns, listed_);
  options_.list_first = object != nullptr;
  if (!object) return false;
  listed_ = object->key;
  if (const View view = object->view(); options_.selection.matches(view)) append_event(out, "ADDED", view, now);
  return true;
}

// Then the list tells of it, and its changes until then are no news.
bool WatchStream::is_still_to_be_listed(const ObjectKey& key) const {
  return options_.list_first && (!listed_ || *listed_ < key);
}

bool WatchStream::pull_change(std::string& out, WallTime now) {
  if (quiet_ || next_change_ == store_.end_of_changes()) return false;
  const Change* change = next_change_ ? store_.change_at(*next_change_) : nullptr;
  if (!change) {
    append_error(out,
                 gone(fmt::format("too old resource version: {} ({})", options_.version, store_.version())).error());
    ended_ = true;
    return true;
  }
  ++*next_change_;
  options_.version = change->version;
  if (change->key.kind == options_.kind->kind && !is_still_to_be_listed(change->key)) append_change(out, *change, now);
  return true;
}

// An object that begins or ceases to match the selection is added to or deleted from what the watcher sees.
void WatchStream::append_change(std::string& out, const Change& change, WallTime now) {
  const bool matched = change.before && options_.selection.matches(change.before);
  const bool matches = change.type != ChangeType::deleted && options_.selection.matches(change.now);
  if (matches) {
    append_event(out, matched ? "MODIFIED" : "ADDED", change.now, now);
  } else if (matched) {
    append_event(out, "DELETED", change.now, now);
  }
}

void WatchStream::append_event(std::string& out, std::string_view type, const View& view, WallTime now) {
  out += fmt::format(R"({{"type":"{}","object":)", type);
  represent_event(out, options_.as, *options_.kind, view, now, std::exchange(first_event_, false));
  out += "}\n";
}

// In the form that was asked for: kubectl reads the version out of a Table's own metadata too.
void WatchStream::append_bookmark(std::string& out, bool initial_events_end) {
  const uint64_t version = quiet_ ? store_.version() : options_.version;
  Node metadata = Node::make_map({{"resourceVersion", fmt::to_string(version)}, {"creationTimestamp", Node()}});
  if (initial_events_end) metadata.set("annotations", Node::make_map({{"k8s.io/initial-events-end", "true"}}));
  Node object = Node::make_map({{"kind", options_.kind->kind}, {"apiVersion", options_.kind->api_version()}});
  if (options_.as.form == Form::metadata) {
    object = Node::make_map({{"kind", "PartialObjectMetadata"}, {"apiVersion", "meta.k8s.io/v1"}});
  } else if (options_.as.form == Form::table) {
    object =
        Node::make_map({{"kind", "Table"}, {"apiVersion", "meta.k8s.io/v1"}, {"columnDefinitions", Node::make_list()}});
    object.set("rows", Node::make_list());
  }
  object.set("metadata", std::move(metadata));
  out += R"({"type":"BOOKMARK","object":)";
  append_json(out, object);
  out += "}\n";
}

void WatchStream::append_error(std::string& out, const Failure& failure) {
  out += R"({"type":"ERROR","object":)";
  append_json(out, status_node(failure));
  out += "}\n";
}

}  // namespace sluice
