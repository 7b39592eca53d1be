#include "control/world.h"

#include <algorithm>

namespace sluice {
namespace {

const ObjectKey& key_of_object(const ConfigObjectPtr& object) {
  return object->key;
}

}  // namespace

std::vector<World::Change> World::update(std::span<const ConfigObjectPtr> objects) {
  std::vector<Change> changes;
  std::vector<ConfigObjectPtr> now, rejected;
  now.reserve(objects.size());
  for (const ConfigObjectPtr& object : objects) (object->rejected ? rejected : now).push_back(object);
  if (!std::ranges::is_sorted(now, {}, key_of_object)) std::ranges::sort(now, {}, key_of_object);
  auto there = in_force_.begin();
  for (const ConfigObjectPtr& object : now) {
    if (there != in_force_.end() && there->second == object) {  // nearly always
      ++there;
      continue;
    }
    while (there != in_force_.end() && there->first < object->key) {
      changes.push_back({there->first, std::move(there->second), nullptr});
      there = in_force_.erase(there);
    }
    if (there != in_force_.end() && there->first == object->key) {
      changes.push_back({object->key, std::exchange(there->second, object), object});
      ++there;
    } else {
      changes.push_back({object->key, nullptr, object});
      in_force_.emplace_hint(there, object->key, object);
    }
  }
  for (; there != in_force_.end(); there = in_force_.erase(there))
    changes.push_back({there->first, std::move(there->second), nullptr});
  update_rejected(std::move(rejected), changes);
  return changes;
}

void World::update_rejected(std::vector<ConfigObjectPtr> rejected, std::vector<Change>& changes) {
  std::map<ObjectKey, ConfigObjectPtr> at;
  for (const ConfigObjectPtr& object : rejected) at.emplace(object->key, object);
  for (const auto& [key, object] : rejected_at_)
    if (const auto now = at.find(key); now == at.end() || now->second != object)
      changes.push_back({key, object, now == at.end() ? nullptr : now->second});
  for (const auto& [key, object] : at)
    if (!rejected_at_.contains(key)) changes.push_back({key, nullptr, object});
  rejected_ = std::move(rejected);
  rejected_at_ = std::move(at);
}

const ConfigObject* World::rejected_at(const ObjectKey& key) const {
  const auto found = rejected_at_.find(key);
  return found == rejected_at_.end() ? nullptr : found->second.get();
}

World::Supposing::Supposing(World& world, ConfigObjectPtr object) : world_(world), key_(object->key) {
  before_ = std::exchange(world_.in_force_[key_], std::move(object));
}

World::Supposing::~Supposing() {
  if (before_)
    world_.in_force_[key_] = std::move(before_);
  else
    world_.in_force_.erase(key_);
}

}  // namespace sluice
