#include "control/store/not_in_force.h"

#include <fmt/format.h>

#include <algorithm>
#include <optional>
#include <unordered_set>
#include <utility>

namespace sluice {
namespace {

constexpr size_t kKeptGapsMax = 100;
constexpr std::string_view kElsewhere = "beyond the limits";  // where no path can be named

bool is_policy(const ObjectKey& key) {
  return key.kind == "EgressPolicy";
}

// The words by which a document would be found where it was moved to.
std::vector<std::string_view> words_of(const ConfigObject& object) {
  if (!object.guessed) return {object.key.name};
  std::vector<std::string_view> words;
  if (const auto* service = object.as<kinds::VirtualService>(); service && service->virtual_host)
    for (std::string_view domain : service->virtual_host->domains) {
      if (domain.starts_with("*.")) domain.remove_prefix(2);
      words.push_back(domain.substr(0, domain.find(':')));
    }
  return words;
}

}  // namespace

// Policies for nothing: their namespaces have no Gateway and no VirtualService. By file and name.
class NotInForce::Idle {
 public:
  explicit Idle(const LoadedConfig& config) {
    std::set<std::string_view> used;
    for (const ConfigObjectPtr& object : config.objects)
      if (object->key.kind == "Gateway" || object->key.kind == "VirtualService") used.insert(object->key.ns);
    for (const ConfigObjectPtr& object : config.objects)
      if (is_policy(object->key) && !used.contains(object->key.ns))
        policies_.try_emplace({object->file, object->key.name}, object.get());
  }
  const ConfigObject* find(const std::string& file, const std::string& name) const {
    const auto found = policies_.find({file, name});
    return found == policies_.end() ? nullptr : found->second;
  }

 private:
  std::map<std::pair<std::string, std::string>, const ConfigObject*> policies_;
};

const std::string& NotInForce::home_of(const StoredObject& object) const {
  const auto home = homes_.find(object.key);
  return home == homes_.end() ? object.config->file : home->second;
}

void NotInForce::forget(const ObjectKey& key) {
  homes_.erase(key);
  kept_.erase(key);
}

const std::string* NotInForce::why_kept(const ObjectKey& key) const {
  const auto found = kept_.find(key);
  return found == kept_.end() ? nullptr : &found->second;
}

void NotInForce::note_kept(Found& found, const Diagnostics& diagnostics) {
  std::vector<const StoredObject*> to_look_at;  // what is in no document, or may be in another as well
  const bool any_holds_its_place = files_.any_holds_its_place();
  for (const StoredObject* object : store_.list()) {
    const bool is_seen = found.config.index.contains(object->key);
    if (!is_seen) found.unseen.push_back(object->key);
    if (!is_seen || (any_holds_its_place && files_.holds_its_place(home_of(*object)))) to_look_at.push_back(object);
  }
  look_for_names(found);
  const Idle idle(found.config);
  kept_.clear();
  rejected_.clear();
  for (const StoredObject* object : to_look_at) note_kept(*object, found, idle);
  for (const ConfigObjectPtr& object : found.config.objects)
    if (object->rejected) rejected_[object->key].clear();
  for (const Diagnostic& one : diagnostics.all()) {
    const auto bad = rejected_.find(one.object);
    if (bad == rejected_.end() || one.severity != Severity::error || kept_.contains(one.object)) continue;
    if (!bad->second.empty()) bad->second += "\n";
    bad->second += one.to_string();
  }
}

void NotInForce::note_kept(const StoredObject& object, Found& found, const Idle& idle) {
  std::string why = why_it_stays(object, found, idle);
  if (why.empty()) return;
  const std::string& home = home_of(object);
  // All of a path that is away, or of a folder that cannot be listed, is told once, by the path.
  if (files_.find(home) || !files_.is_unread(home)) rejected_.emplace(object.key, why);
  kept_.emplace(object.key, std::move(why));
}

// Every name that may be asked for, so that each text is gone over once.
void NotInForce::look_for_names(Found& found) const {
  std::unordered_set<std::string_view> names;
  for (const ObjectKey& key : found.unseen) names.insert(key.name);
  for (const PolicyGap& gap : gaps_)
    if (!gap.name.empty()) names.insert(gap.name);
  for (const auto* objects : {&bad_objects_, &surplus_})
    for (const ConfigObjectPtr& object : *objects)
      for (const std::string_view word : words_of(*object)) names.insert(word);
  found.unknown.look_for(names);
}

// "" when it is gone.
std::string NotInForce::why_it_stays(const StoredObject& object, Found& found, const Idle& idle) const {
  const std::string& home = home_of(object);
  if (const std::string_view why = files_.unknown_in(home); !why.empty()) return std::string(why);
  const auto* holder = found.unknown.holder_of(object.key.name);
  // Half a text may have lost its name.
  if (!holder && is_policy(object.key)) holder = found.unknown.holder_of_policy();
  if (holder) return fmt::format("it is not in {} any more, and may be in what cannot be read: {}", home, holder->why);
  if (!is_policy(object.key)) return {};
  // A slip in its namespace: nobody moves a policy to where it is for nothing.
  if (const ConfigObject* other = idle.find(home, object.key.name))
    return fmt::format("{} has {} instead, in a namespace without a Gateway or VirtualService that it could be for",
                       home, other->key.to_string());
  return {};
}

void NotInForce::note_rest(Found& found) {
  LoadedConfig& loaded = found.config;
  keep_documents(std::exchange(surplus_, std::move(loaded.surplus)), surplus_, found);
  std::erase_if(loaded.objects, [](const ConfigObjectPtr& object) { return !object->rejected; });
  for (ConfigObjectPtr& guess : loaded.guesses) {
    const KnownFile& file = *files_.find(guess->file);
    if (file.broken.empty() || !file.was_good) loaded.objects.push_back(std::move(guess));
  }
  keep_documents(std::exchange(bad_objects_, std::move(loaded.objects)), bad_objects_, found);
  note_gaps(found);
  settled_once_ |= !files_.moved();
}

// Documents that are not seen any more and may be in files nobody can read or understand now, as they were read last.
void NotInForce::keep_documents(std::vector<ConfigObjectPtr> before, std::vector<ConfigObjectPtr>& now,
                                Found& found) const {
  std::set<std::pair<ObjectKey, std::string>> seen;
  for (const ConfigObjectPtr& object : now) seen.emplace(object->key, object->file);
  for (ConfigObjectPtr& object : before) {
    if (seen.contains({object->key, object->file})) continue;
    const bool is_unread = files_.is_unread(object->file);
    const bool may_be_elsewhere =
        !found.config.index.contains(object->key) && std::ranges::any_of(words_of(*object), [&](std::string_view word) {
          return found.unknown.holder_of(word) != nullptr;
        });
    if (is_unread || may_be_elsewhere) now.push_back(std::move(object));
  }
}

std::vector<ConfigObjectPtr> NotInForce::withheld() const {
  std::vector<ConfigObjectPtr> out = surplus_;
  for (const ConfigObjectPtr& object : bad_objects_)
    if (!store_.find(object->key)) out.push_back(object);
  return out;
}

// ---- Gaps ----

void NotInForce::note_gaps(Found& found) {
  std::vector<PolicyGap> before = std::exchange(gaps_, std::move(found.config.gaps));
  for (const auto& [path, file] : files_.all()) {
    // What is being written anew was not there: nothing that closed can be in it but what is kept by its name.
    const bool is_coming = file.being_written && file.is_new && settled_once_;
    if (!file.is_seen() && !is_coming &&
        std::ranges::none_of(gaps_, [&](const PolicyGap& gap) { return gap.file == path; }))
      gaps_.push_back(gap_of_file(path, 0, file.broken));
  }
  drop_closed_gaps();
  keep_gaps(std::move(before), found.unknown);
  add_gaps_of_unseen();
}

// Where what was in force before stays so.
void NotInForce::drop_closed_gaps() {
  std::map<std::string, size_t> lost;  // policies, by file
  for (const auto& [key, why] : kept_)
    if (is_policy(key)) ++lost[home_of(*store_.find(key))];
  const auto take_one = [&lost](const std::string& file) {
    const auto left = lost.find(file);
    if (left == lost.end() || left->second == 0) return false;
    --left->second;
    return true;
  };
  std::erase_if(gaps_, [&](const PolicyGap& gap) {
    if (gap.second_copy) return false;
    if (!gap.broken_file.empty()) {
      const KnownFile* file = files_.find(gap.broken_file);
      return file && file->was_good;
    }
    if (!gap.key.name.empty()) return store_.find(gap.key) != nullptr;
    // A slip in the kind or version of one that stays in force as it was, without a document.
    if (!kept_.contains({"EgressPolicy", gap.ns, gap.name})) return false;
    take_one(gap.file);
    return true;
  });
  // A file that lost as many policies as it has documents of which nobody can tell the name: these are those.
  std::erase_if(gaps_, [&](const PolicyGap& gap) {
    return !gap.second_copy && gap.broken_file.empty() && gap.key.name.empty() && take_one(gap.file);
  });
}

// What closed before goes on to close while it may stand, not mended, in what nobody can read or understand now.
void NotInForce::keep_gaps(std::vector<PolicyGap> before, Unknown& unknown) {
  std::set<std::pair<std::string, std::string>> names;
  std::set<std::string> files;
  size_t kept = 0;
  const auto note = [&](const PolicyGap& gap) {
    gap.name.empty() ? void(files.insert(gap.file)) : void(names.emplace(gap.ns, gap.name));
  };
  for (const PolicyGap& gap : gaps_) note(gap);
  for (PolicyGap& gap : before) {
    const bool is_known = gap.name.empty() ? files.contains(gap.file) : names.contains({gap.ns, gap.name});
    if (is_known || (!gap.second_copy && store_.find({"EgressPolicy", gap.ns, gap.name}))) continue;
    if (!files_.is_unread(gap.file)) {
      if (gap.file == kElsewhere) continue;
      const auto* holder = gap.name.empty() ? unknown.new_holder_of_policy() : unknown.holder_of(gap.name);
      if (!holder) continue;
      if (!holder->path.empty()) gap.file = holder->path;
      if (gap.name.empty() && files.contains(gap.file)) continue;  // moved as it was
    }
    note(gap);
    if (++kept == kKeptGapsMax) {  // one for all that may be there
      gap = gap_of_file(gap.file, 0, fmt::format("more than {} EgressPolicies may be in what cannot be read", kept));
      gaps_.push_back(std::move(gap));
      return;
    }
    gaps_.push_back(std::move(gap));
  }
}

// Folders whose files are unknown, of which all that is known is what came from there before; and what has no path.
void NotInForce::add_gaps_of_unseen() {
  std::set<std::string> homes;
  if (!files_.unlisted().empty())
    for (const StoredObject* object : store_.list()) homes.insert(home_of(*object));
  for (const std::string& path : files_.unlisted()) {
    const auto first = homes.lower_bound(path + "/");
    const bool is_known = homes.contains(path) || (first != homes.end() && first->starts_with(path + "/"));
    if (!is_known) gaps_.push_back(gap_of_file(path, 0, path + " cannot be listed"));
  }
  for (const std::string& why : files_.left_out()) {
    gaps_.push_back(gap_of_file(std::string(kElsewhere), 0, why));
    gaps_.back().subject = "there are more files or folders than are read, and one may hold an EgressPolicy";
  }
  if (files_.moved() && !settled_once_) {
    gaps_.push_back(gap_of_file(std::string(kElsewhere), 0, "files were moved while they were read"));
    gaps_.back().subject = "files were moved while they were read, and one may hold an EgressPolicy";
  }
}

}  // namespace sluice
