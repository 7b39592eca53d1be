#include "control/store/object_store.h"

#include <openssl/sha.h>

#include <array>
#include <utility>

#include "base/check.h"

namespace sluice {
namespace {

Node body_of(const ConfigObject& config) {
  Node body = config.tree();
  normalize(body);
  body.child("metadata").set("namespace", config.key.ns);  // a document may leave it out
  return body;
}

// What a change keeps alive.
size_t bytes_of(const StoredObject& object) {
  return sizeof(StoredObject) + object.config->document.bytes() + object.status.bytes();
}

}  // namespace

ObjectStore::ObjectStore(WallTime start)
    : started_(start),
      version_(static_cast<uint64_t>(std::chrono::floor<std::chrono::microseconds>(start).time_since_epoch().count())),
      forgotten_version_(version_) {}

const StoredObject* ObjectStore::find(const ObjectKey& key) const {
  const auto found = index_.find(&key);
  return found == index_.end() ? nullptr : found->second->second.get();
}

std::vector<const StoredObject*> ObjectStore::list(std::string_view kind, std::string_view ns) const {
  std::vector<const StoredObject*> found;
  auto at = kind.empty() ? objects_.begin() : objects_.lower_bound(ObjectKey{std::string(kind), std::string(ns), ""});
  for (; at != objects_.end(); ++at) {
    if (!kind.empty() && at->first.kind != kind) break;
    if (ns.empty() || at->first.ns == ns) found.push_back(at->second.get());
  }
  return found;
}

const StoredObject* ObjectStore::next(std::string_view kind, std::string_view ns,
                                      const std::optional<ObjectKey>& after) const {
  const auto at = after ? objects_.upper_bound(*after) : objects_.lower_bound({std::string(kind), std::string(ns), ""});
  const bool found = at != objects_.end() && at->first.kind == kind && (ns.empty() || at->first.ns == ns);
  return found ? at->second.get() : nullptr;
}

ObjectStore::Preview ObjectStore::preview(ConfigObjectPtr config, WallTime now) const {
  const StoredObject* there = find(config->key);
  if (there && there->config->document == config->document) {
    Preview same{.object = *there, .changed = false};
    same.object.config = std::move(config);
    return same;
  }
  Preview out;
  StoredObject& object = out.object;
  if (there) {
    const Node before = there->body(), body = body_of(*config);
    object = *there;
    out.changed = before != body;
    if (out.changed && !same_spec(before, body)) ++object.generation;
  } else {
    const ObjectKey& key = config->key;
    object.key = key;
    object.created = now;
    object.uid = uid_of(fmt::format("{}/{}/{}/{}", key.kind, key.ns, key.name, now.time_since_epoch().count()));
  }
  object.config = std::move(config);
  if (out.changed) object.version = version_;
  return out;
}

const StoredObject& ObjectStore::put(ConfigObjectPtr config, WallTime created) {
  CHECK(config && !config->rejected);
  Preview preview = this->preview(std::move(config), created);
  auto object = std::make_shared<StoredObject>(std::move(preview.object));
  const auto [at, is_new] = objects_.try_emplace(object->key);
  if (is_new) index_.emplace(&at->first, at);
  std::shared_ptr<const StoredObject>& there = at->second;
  const std::shared_ptr<const StoredObject> before = there;
  if (preview.changed) object->version = version_ + 1;
  there = object;
  if (!preview.changed) return *object;  // it may stand elsewhere now
  const Batch batch(*this);
  record(before ? ChangeType::modified : ChangeType::added, object, before);
  return *object;
}

void ObjectStore::erase(const ObjectKey& key) {
  const auto there = objects_.find(key);
  if (there == objects_.end()) return;
  const Batch batch(*this);
  const std::shared_ptr<const StoredObject> before = there->second;
  index_.erase(&there->first);
  objects_.erase(there);
  auto last = std::make_shared<StoredObject>(*before);
  last->version = version_ + 1;
  record(ChangeType::deleted, std::move(last), before);
}

void ObjectStore::set_status(const ObjectKey& key, const Node& status) {
  const auto there = objects_.find(key);
  if (there == objects_.end()) return;
  FrozenNode frozen(status);
  if (there->second->status == frozen) return;
  const Batch batch(*this);
  auto object = std::make_shared<StoredObject>(*there->second);
  const std::shared_ptr<const StoredObject> before = std::exchange(there->second, object);
  object->status = std::move(frozen);
  object->version = version_ + 1;
  record(ChangeType::modified, object, before);
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

void ObjectStore::record(ChangeType type, std::shared_ptr<const StoredObject> now,
                         std::shared_ptr<const StoredObject> before) {
  version_ += 1;
  changed_ = true;
  const size_t bytes = bytes_of(*now);
  const ObjectKey key = now->key;
  history_.push_back({{type, version_, key, View(std::move(now)), View(std::move(before))}, bytes});
  history_bytes_ += bytes;
  while (history_.size() > kHistoryMax || (history_bytes_ > kHistoryBytesMax && history_.size() > 1)) {
    history_bytes_ -= history_.front().bytes;
    forgotten_version_ = history_.front().change.version;
    ++forgotten_;
    history_.pop_front();
  }
}

// The body with what is derived put into its metadata, in the order in which kubectl users know it.
Node View::tree() const {
  if (made_) return *made_;
  if (!object_) return {};
  Node view = object_->body();
  Node& metadata = view.child("metadata");
  metadata.set("uid", object_->uid);
  metadata.set("resourceVersion", fmt::to_string(object_->version));
  if (object_->key.kind != "Secret" && object_->key.kind != "ConfigMap")
    metadata.set("generation", object_->generation);
  metadata.set("creationTimestamp", format_iso_seconds(object_->created));
  if (Node status = object_->status.thaw(); !status.is_null()) view.set("status", std::move(status));
  return view;
}

Node StoredObject::body() const {
  return body_of(*config);
}

View StoredObject::view() const {
  return View(shared_from_this());
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
