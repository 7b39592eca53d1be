#include "control/store/object_store.h"

#include <openssl/sha.h>

#include <array>
#include <utility>

#include "base/check.h"

namespace sluice {
namespace {

// The body with what is derived put into its metadata, in the order in which kubectl users know it.
View make_view(const StoredObject& object) {
  Node view = object.body;
  Node& metadata = view.child("metadata");
  metadata.set("uid", object.uid);
  metadata.set("resourceVersion", fmt::to_string(object.version));
  if (object.key.kind != "Secret" && object.key.kind != "ConfigMap") metadata.set("generation", object.generation);
  metadata.set("creationTimestamp", format_iso_seconds(object.created));
  if (!object.status.is_null()) view.set("status", object.status);
  return std::make_shared<const Node>(std::move(view));
}

View with_version(const View& view, uint64_t version) {
  Node copy = *view;
  copy.child("metadata").set("resourceVersion", fmt::to_string(version));
  return std::make_shared<const Node>(std::move(copy));
}

}  // namespace

ObjectStore::ObjectStore(WallTime start)
    : started_(start),
      version_(static_cast<uint64_t>(std::chrono::floor<std::chrono::microseconds>(start).time_since_epoch().count())),
      forgotten_version_(version_) {}

const StoredObject* ObjectStore::find(const ObjectKey& key) const {
  const auto found = objects_.find(key);
  return found == objects_.end() ? nullptr : &found->second;
}

std::vector<const StoredObject*> ObjectStore::list(std::string_view kind, std::string_view ns) const {
  std::vector<const StoredObject*> found;
  auto at = kind.empty() ? objects_.begin() : objects_.lower_bound(ObjectKey{std::string(kind), std::string(ns), ""});
  for (; at != objects_.end(); ++at) {
    if (!kind.empty() && at->first.kind != kind) break;
    if (ns.empty() || at->first.ns == ns) found.push_back(&at->second);
  }
  return found;
}

const StoredObject* ObjectStore::next(std::string_view kind, std::string_view ns,
                                      const std::optional<ObjectKey>& after) const {
  const auto at = after ? objects_.upper_bound(*after) : objects_.lower_bound({std::string(kind), std::string(ns), ""});
  const bool found = at != objects_.end() && at->first.kind == kind && (ns.empty() || at->first.ns == ns);
  return found ? &at->second : nullptr;
}

StoredObject ObjectStore::preview(ConfigObjectPtr config, WallTime now) const {
  Node body = config->node;
  normalize(body);
  body.child("metadata").set("namespace", config->key.ns);  // a document may leave it out
  StoredObject object;
  if (const StoredObject* there = find(config->key)) {
    object = *there;
    object.config = std::move(config);
    if (object.body == body) return object;
    if (!same_spec(object.body, body)) ++object.generation;
  } else {
    const ObjectKey& key = config->key;
    object.key = key;
    object.created = now;
    object.uid = uid_of(fmt::format("{}/{}/{}/{}", key.kind, key.ns, key.name, now.time_since_epoch().count()));
    object.config = std::move(config);
  }
  object.body = std::move(body);
  object.version = version_;
  object.view = make_view(object);
  return object;
}

const StoredObject& ObjectStore::put(ConfigObjectPtr config, WallTime created) {
  CHECK(config && !config->rejected);
  const ObjectKey key = config->key;
  const auto there = objects_.find(key);
  const View before = there == objects_.end() ? nullptr : there->second.view;
  StoredObject object = preview(std::move(config), created);
  if (before && object.view == before) {
    there->second.config = object.config;  // it may stand elsewhere now
    return there->second;
  }
  const Batch batch(*this);
  object.version = version_ + 1;
  object.view = make_view(object);
  record(before ? ChangeType::modified : ChangeType::added, key, object.view, before);
  return objects_[key] = std::move(object);
}

void ObjectStore::erase(const ObjectKey& key) {
  const auto there = objects_.find(key);
  if (there == objects_.end()) return;
  const Batch batch(*this);
  const View before = there->second.view;
  // The caller's may be part of the object.
  const ObjectKey gone = key;  // NOLINT(performance-unnecessary-copy-initialization)
  objects_.erase(there);
  record(ChangeType::deleted, gone, with_version(before, version_ + 1), before);
}

void ObjectStore::set_status(const ObjectKey& key, Node status) {
  const auto there = objects_.find(key);
  if (there == objects_.end() || there->second.status == status) return;
  const Batch batch(*this);
  StoredObject& object = there->second;
  const View before = object.view;
  object.status = std::move(status);
  object.version = version_ + 1;
  object.view = make_view(object);
  record(ChangeType::modified, there->first, object.view, before);
}

std::optional<uint64_t> ObjectStore::changes_after(uint64_t version) const {
  if (version < forgotten_version_ || version > version_) return std::nullopt;
  const auto first =
      std::ranges::upper_bound(history_, version, {}, [](const Kept& kept) { return kept.change.version; });
  return forgotten_ + static_cast<uint64_t>(first - history_.begin());
}

const Change* ObjectStore::change_at(uint64_t index) const {
  if (index < forgotten_ || index >= end_of_changes()) return nullptr;
  return &history_[index - forgotten_].change;
}

void ObjectStore::record(ChangeType type, const ObjectKey& key, View now, View before) {
  version_ += 1;
  changed_ = true;
  const size_t bytes = memory_of(*now);
  history_.push_back({{type, version_, key, std::move(now), std::move(before)}, bytes});
  history_bytes_ += bytes;
  while (history_.size() > kHistoryMax || (history_bytes_ > kHistoryBytesMax && history_.size() > 1)) {
    history_bytes_ -= history_.front().bytes;
    forgotten_version_ = history_.front().change.version;
    ++forgotten_;
    history_.pop_front();
  }
}

ObjectStore::Subscription ObjectStore::subscribe(std::function<void()> changed) {
  const uint64_t id = next_subscriber_++;
  subscribers_.emplace(id, std::move(changed));
  return Subscription(*this, id);
}

// A subscriber may change the store (set a status): then all are told once more, until nothing changes.
void ObjectStore::tell() {
  if (telling_) return;
  telling_ = true;
  while (std::exchange(changed_, false)) {
    for (uint64_t last = 0;;) {
      const auto next = subscribers_.upper_bound(last);
      if (next == subscribers_.end()) break;
      last = next->first;
      const auto call = next->second;  // it may unsubscribe itself
      call();
    }
  }
  telling_ = false;
}

ObjectStore::Subscription& ObjectStore::Subscription::operator=(Subscription&& other) noexcept {
  if (this == &other) return *this;
  cancel();
  store_ = std::exchange(other.store_, nullptr);
  id_ = other.id_;
  return *this;
}

void ObjectStore::Subscription::cancel() {
  if (ObjectStore* store = std::exchange(store_, nullptr)) store->subscribers_.erase(id_);
}

std::string uid_of(std::string_view text) {
  std::array<unsigned char, SHA256_DIGEST_LENGTH> hash{};
  SHA256(reinterpret_cast<const unsigned char*>(text.data()), text.size(), hash.data());
  hash[6] = static_cast<unsigned char>((hash[6] & 0x0f) | 0x80);  // RFC 9562: version 8, free form
  hash[8] = static_cast<unsigned char>((hash[8] & 0x3f) | 0x80);
  std::string uid;
  for (size_t i = 0; i < 16; ++i) {
    if (i == 4 || i == 6 || i == 8 || i == 10) uid += '-';
    fmt::format_to(std::back_inserter(uid), "{:02x}", hash[i]);
  }
  return uid;
}

}  // namespace sluice
