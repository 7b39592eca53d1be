#include "control/store/config_folder.h"

#include <sys/stat.h>

#include <algorithm>
#include <set>
#include <utility>

#include "base/log.h"
#include "base/strings.h"
#include "control/store/document_text.h"
#include "control/store/file_write.h"

namespace sluice {
namespace {

constexpr size_t kFileNameMax = 255;  // of Linux' file systems
constexpr int kScansMax = 4;
constexpr std::string_view kLeftOut = "beyond the limits";
constexpr std::string_view kMoved = "files were moved while they were read";

// When an object came into being, as well as one can tell: what it says itself, else when its file was written.
WallTime creation_of(const ConfigObject& object, WallTime now) {
  if (const auto said = parse_iso(object.metadata.creation_timestamp)) return *said;
  struct stat info{};
  if (object.file.empty() || ::stat(object.file.c_str(), &info) != 0) return now;
  return WallTime(Seconds(info.st_mtim.tv_sec) + Nanos(info.st_mtim.tv_nsec));
}

bool is_below(std::string_view path, std::string_view root) {
  return path == root || (path.starts_with(root) && path.substr(root.size()).starts_with('/'));
}

bool is_among(const std::string& text, const std::vector<std::string>& texts) {
  return std::ranges::find(texts, text) != texts.end();
}

bool is_below_any(std::string_view path, const std::vector<std::string>& roots) {
  return std::ranges::any_of(roots, [path](const std::string& root) { return is_below(path, root); });
}

// A file that cannot be read is to the loader like one that cannot be parsed: it must not lose its objects.
std::vector<ConfigFile> files_to_load(std::vector<ScannedFile>& scanned) {
  std::vector<ConfigFile> files;
  for (ScannedFile& file : scanned)
    if (file.problem.empty()) files.push_back({file.path, std::move(file.bytes), file.size});
  return files;
}

}  // namespace

Result<std::unique_ptr<ConfigFolder>> ConfigFolder::open(ObjectStore& store, std::vector<std::string> paths,
                                                         std::span<const OptionField> option_fields) {
  for (std::string& path : paths) {
    while (path.size() > 1 && path.ends_with('/')) path.pop_back();
    if (!exists(path)) return fail(ErrorKind::not_found, fmt::format("config path {} is not there", path));
    remove_leftovers(is_folder(path) ? path : parent_of(path));
  }
  for (const std::string& folder : config_folders(paths).paths) remove_leftovers(folder);
  std::unique_ptr<ConfigFolder> made(new ConfigFolder(store, std::move(paths), option_fields));
  made->follow();
  return made;
}

void ConfigFolder::follow() {
  std::vector<std::string> problems;
  if (!watch_) {
    if (auto watch = FolderWatch::create())
      watch_.emplace(std::move(*watch));
    else
      problems.push_back(watch.error().message);
  }
  if (watch_) {
    const ConfigFolders folders = config_folders(paths_);
    std::vector<std::string> names = paths_;
    names.insert(names.end(), folders.links.begin(), folders.links.end());
    problems = watch_->follow(folders.paths, names);
    watched_all_ = folders.complete && problems.empty();
  }
  for (const std::string& problem : problems)
    if (!is_among(problem, watch_problems_)) log::warn("config", problem);
  watch_problems_ = std::move(problems);
}

void ConfigFolder::on_readable(SteadyTime now) {
  if (!watch_ || !watch_->drain()) return;
  if (!first_event_) first_event_ = now;
  reload_at_ = std::min(now + kQuietFor, *first_event_ + kWaitMax);
}

bool ConfigFolder::reload(WallTime now) {
  reload_at_.reset();
  first_event_.reset();
  FolderScan scan = scan_settled();
  if (loaded_once_ && !unsettled_ && is_known(scan)) return std::exchange(untold_, false);
  load(std::move(scan), now);
  untold_ = false;
  return true;
}

// A file that is moved from a name that was not looked at yet to one that was is seen at neither: what changes while we
// read is read again.
FolderScan ConfigFolder::scan_settled() {
  FolderScan scan;
  for (int i = 0; i < kScansMax; ++i) {
    follow();
    if (watch_ && i == 0) watch_->drain();
    const FolderScan before = std::exchange(scan, scan_folders(paths_));
    const bool changed = watch_ && watched_all_ ? watch_->drain() : i == 0 || before.files != scan.files;
    if (!changed && !scan.moved) return scan;
  }
  scan.moved = true;
  return scan;
}

bool ConfigFolder::is_known(const FolderScan& scan) const {
  return scan.gone == gone_ && scan.unlisted == unlisted_ && scan.problems == problems_ &&
         scan.files.size() == files_.size() && std::ranges::all_of(scan.files, [this](const ScannedFile& file) {
           const auto known = files_.find(file.path);
           return known != files_.end() && known->second.hash == file.hash;
         });
}

void ConfigFolder::load(FolderScan scan, WallTime now) {
  loaded_once_ = true;
  tell_missing(scan);
  gone_ = scan.gone;
  unlisted_ = scan.unlisted;
  left_out_ = scan.left_out;
  problems_ = scan.problems;
  unread_ = !unlisted_.empty() ||
            std::ranges::any_of(scan.files, [](const ScannedFile& file) { return !file.problem.empty(); });

  const std::vector<ConfigFile> files = files_to_load(scan.files);
  Found found{.config = load_config(files, option_fields_), .keys = {}, .unknown = {}};
  for (const ConfigObjectPtr& object : found.config.objects) found.keys.insert(object->key);
  diagnostics_ = std::move(found.config.diagnostics);
  for (const std::string& path : gone_)
    diagnostics_.add({.file = path, .message = "is not there; what it held stays in force until it is back"});
  for (const std::string& problem : problems_) diagnostics_.add({.message = problem});
  note_files(scan.files, found.config);
  found.unknown = unknown_of(files, scan);
  note_kept(found);
  note_rejected(found.config);
  const ObjectStore::Batch batch(store_);  // who is told of new objects must know the new gaps, too
  take_in(found, now);
  // After the good ones have been taken in: what has a version in force decides by that.
  note_withheld(found);
  note_gaps(found, scan);
  unsettled_ = scan.moved && found.unknown.was_asked();
}

// What nobody has seen or understood. A path that is gone is none of it: what is moved there is not there.
Unknown ConfigFolder::unknown_of(std::span<const ConfigFile> files, const FolderScan& scan) const {
  Unknown unknown;
  for (const ConfigFile& file : files) {
    const KnownFile& known = files_.at(file.path);
    const std::string& why = known.broken.empty() ? known.nameless : known.broken;
    if (why.empty()) continue;
    if (file.size > file.bytes.size())
      unknown.add_unseen(why);
    else
      unknown.add_text(file.path, file.bytes, why);
  }
  for (const ScannedFile& file : scan.files)
    if (!file.problem.empty()) unknown.add_unseen(fmt::format("{}: {}", file.path, file.problem));
  for (const std::string& path : unlisted_) unknown.add_unseen(fmt::format("{} cannot be listed", path));
  for (const std::string& why : left_out_) unknown.add_unseen(why);
  if (scan.moved) unknown.add_unseen(std::string(kMoved));
  return unknown;
}

void ConfigFolder::tell_missing(const FolderScan& scan) const {
  for (const std::string& path : scan.gone)
    if (!is_among(path, gone_))
      log::warn("config", "the path is gone; what it held stays in force until it is back", {{"path", path}});
  for (const std::string& path : scan.unlisted)
    if (!is_among(path, unlisted_))
      log::warn("config", "the folder cannot be listed; what it held stays in force until it can", {{"path", path}});
}

void ConfigFolder::note_files(const std::vector<ScannedFile>& scanned, const LoadedConfig& loaded) {
  const std::map<std::string, KnownFile> before = std::exchange(files_, {});
  for (const ScannedFile& file : scanned) {
    const auto known = before.find(file.path);
    const bool was_good = known != before.end() && known->second.was_good;
    files_[file.path] = {.hash = file.hash, .broken = file.problem, .was_good = was_good};
    if (!file.problem.empty()) diagnostics_.add({.file = file.path, .message = file.problem});
  }
  for (const std::string& path : loaded.broken_files) files_[path].broken = "cannot be read";
  for (const auto& [path, why] : loaded.files_with_nameless) files_[path].nameless = why;
  for (const Diagnostic& one : diagnostics_.all()) {
    const auto file = files_.find(one.file);
    if (file != files_.end() && !file->second.broken.empty()) file->second.broken = one.to_string();
  }
  for (auto& [path, file] : files_) file.was_good |= file.broken.empty();
  note_documents(loaded);
}

void ConfigFolder::note_documents(const LoadedConfig& loaded) {
  for (const ConfigObjectPtr& object : loaded.objects)
    files_[object->file].documents.push_back({object->key, object->begin, object->end, object->flattened});
}

// What is in force and in no document that could be read, and has not gone for sure.
void ConfigFolder::note_kept(Found& found) {
  kept_.clear();
  for (const StoredObject* object : store_.list()) {
    if (found.keys.contains(object->key) && !holds_its_place(*object)) continue;
    const std::string& home = home_of(*object);
    if (const std::string_view why = unknown_in(home); !why.empty())
      kept_.emplace(object->key, why);
    else if (const std::string_view elsewhere = found.unknown.may_hold(object->key.name); !elsewhere.empty())
      kept_.emplace(object->key,
                    fmt::format("it is not in {} any more, and may be in what cannot be read: {}", home, elsewhere));
  }
}

void ConfigFolder::note_rejected(const LoadedConfig& loaded) {
  rejected_.clear();
  for (const ConfigObjectPtr& object : loaded.objects)
    if (object->rejected) rejected_[object->key];
  for (const Diagnostic& one : diagnostics_.all()) {
    const auto found = rejected_.find(one.object);
    if (found == rejected_.end() || one.severity != Severity::error) continue;
    if (!found->second.empty()) found->second += "\n";
    found->second += one.to_string();
  }
  for (const auto& [key, why] : kept_)
    if (const std::string& home = home_of(*store_.find(key)); files_.contains(home) || !is_unread(home))
      rejected_.emplace(key, why);
}

void ConfigFolder::note_withheld(Found& found) {
  LoadedConfig& loaded = found.config;
  keep_unknown(std::exchange(surplus_, std::move(loaded.surplus)), surplus_, found);
  std::erase_if(loaded.objects, [](const ConfigObjectPtr& object) { return !object->rejected; });
  for (ConfigObjectPtr& guess : loaded.guesses) {
    const KnownFile& file = files_[guess->file];
    if (file.broken.empty() || !file.was_good) loaded.objects.push_back(std::move(guess));
  }
  keep_unknown(std::exchange(bad_objects_, std::move(loaded.objects)), bad_objects_, found);
}

void ConfigFolder::note_gaps(Found& found, const FolderScan& scan) {
  const std::vector<PolicyGap> before = std::exchange(gaps_, std::move(found.config.gaps));
  for (const ScannedFile& file : scan.files)
    if (!file.problem.empty()) gaps_.push_back(gap_of_file(file.path, 0, file.problem));
  std::erase_if(gaps_, [this](const PolicyGap& gap) { return is_closed_by(gap); });
  for (const PolicyGap& gap : before) {
    const bool known = std::ranges::any_of(gaps_, [&gap](const PolicyGap& now) {
      return gap.name.empty() ? now.file == gap.file && now.name.empty() : now.ns == gap.ns && now.name == gap.name;
    });
    if (!known && may_still_be(gap, found.unknown)) gaps_.push_back(gap);
  }
  // Folders whose files are unknown; all that is known of them is what came from there before.
  for (const std::string& path : unlisted_) {
    const auto objects = store_.list();
    const bool known =
        std::ranges::any_of(objects, [&](const StoredObject* object) { return is_below(home_of(*object), path); });
    if (!known) gaps_.push_back(gap_of_file(path, 0, path + " cannot be listed"));
  }
  for (const std::string& why : left_out_) {
    gaps_.push_back(gap_of_file(std::string(kLeftOut), 0, why));
    gaps_.back().subject = "there are more files or folders than are read, and one may hold an EgressPolicy";
  }
}

// Whether what was in force before stays so, and no gap is left.
bool ConfigFolder::is_closed_by(const PolicyGap& gap) const {
  if (!gap.broken_file.empty()) {
    const auto file = files_.find(gap.broken_file);
    return file != files_.end() && file->second.was_good;
  }
  if (!gap.key.name.empty()) return store_.find(gap.key) != nullptr;
  // A slip in the kind or version of one that stays in force as it was in this file, or anywhere. A name that cannot be
  // read may be any.
  const StoredObject* in_force = store_.find({"EgressPolicy", gap.ns, gap.name});
  return in_force && (home_of(*in_force) == gap.file || kept_.contains(in_force->key));
}

// Whether what closed before may stand, not mended, in what nobody can read or understand now.
bool ConfigFolder::may_still_be(const PolicyGap& gap, Unknown& unknown) const {
  if (store_.find(gap.key)) return false;
  if (is_unread(gap.file)) return true;
  if (!gap.name.empty()) return !unknown.may_hold(gap.name).empty();
  // What can be read, listed or counted now was mended.
  if (gap.file == kLeftOut || files_.contains(gap.file) || is_folder(gap.file)) return false;
  return !unknown.may_hold_policy().empty();
}

// Documents that are not seen any more and may be in files nobody can read or understand now, as they were read last.
void ConfigFolder::keep_unknown(std::vector<ConfigObjectPtr> before, std::vector<ConfigObjectPtr>& now,
                                Found& found) const {
  for (ConfigObjectPtr& object : before) {
    const bool known = std::ranges::any_of(now, [&](const auto& one) { return one->key == object->key; });
    if (known) continue;
    const bool may_be_elsewhere =
        !found.keys.contains(object->key) && !found.unknown.may_hold(object->key.name).empty();
    if (is_unread(object->file) || may_be_elsewhere) now.push_back(std::move(object));
  }
}

std::vector<ConfigObjectPtr> ConfigFolder::withheld() const {
  std::vector<ConfigObjectPtr> out = surplus_;
  for (const ConfigObjectPtr& object : bad_objects_)
    if (!store_.find(object->key)) out.push_back(object);
  return out;
}

void ConfigFolder::take_in(const Found& found, WallTime now) {
  for (const ConfigObjectPtr& object : found.config.objects) {
    // A second copy does not come into force because the file of the first cannot be read for a moment.
    const StoredObject* in_force = store_.find(object->key);
    const bool is_copy = in_force && home_of(*in_force) != object->file && holds_its_place(*in_force);
    if (is_copy || (object->rejected && !in_force)) continue;
    if (object->rejected) {
      homes_[object->key] = object->file;
    } else {
      homes_.erase(object->key);
      store_.put(object, creation_of(*object, now));
    }
  }
  for (const StoredObject* object : store_.list())
    if (!found.keys.contains(object->key) && !kept_.contains(object->key)) forget(ObjectKey(object->key));
}

void ConfigFolder::forget(const ObjectKey& key) {
  homes_.erase(key);
  kept_.erase(key);
  store_.erase(key);
}

const std::string& ConfigFolder::home_of(const StoredObject& object) const {
  const auto home = homes_.find(object.key);
  return home == homes_.end() ? object.config->file : home->second;
}

// Whether the object may still stand in its file, before any copy in another one. A path that is gone does not count,
// as it does for is_unread(): a copy that is read now, where the path is not, is the object as it was moved.
bool ConfigFolder::holds_its_place(const StoredObject& object) const {
  const std::string& home = home_of(object);
  const auto file = files_.find(home);
  if (file != files_.end()) return !file->second.broken.empty();
  return is_below_any(home, unlisted_);
}

// Whether the bytes of the file are not known now: it may hold what it held before.
bool ConfigFolder::is_unread(const std::string& path) const {
  const auto file = files_.find(path);
  if (file != files_.end()) return !file->second.broken.empty();
  return is_below_any(path, unlisted_) || is_below_any(path, gone_);
}

// Why an object of the file that is in no document of it may be there all the same: the file cannot be read, or has a
// document of which nobody knows what object it is. "" where it is gone.
std::string_view ConfigFolder::unknown_in(const std::string& path) const {
  const auto file = files_.find(path);
  if (file == files_.end()) return is_unread(path) ? "it is not there for now" : "";
  return file->second.broken.empty() ? file->second.nameless : file->second.broken;
}

std::optional<ConfigFolder::Place> ConfigFolder::find(const ObjectKey& key) const {
  for (const auto& [path, file] : files_) {
    for (size_t i = 0; i < file.documents.size(); ++i)
      if (file.documents[i].key == key) return Place{path, i};
  }
  return std::nullopt;
}

// The file for an object that stands in none.
Result<std::string> ConfigFolder::path_for(const ObjectKey& key) const {
  for (const std::string& path : paths_) {
    if (!is_folder(path)) continue;
    std::string name = fmt::format("{}.{}.{}.yaml", to_lower(key.kind), key.ns, key.name);
    if (name.size() > kFileNameMax) name = fmt::format("{}.{}.yaml", to_lower(key.kind), uid_of(key.to_string()));
    return fmt::format("{}/{}", path, name);
  }
  return fail(ErrorKind::denied,
              "no config folder is there to put it in: name a folder with --config, or make it again");
}

Result<std::string> ConfigFolder::read_unchanged(const std::string& path) const {
  const KnownFile& known = files_.at(path);
  if (!known.broken.empty())
    return fail(ErrorKind::conflict, fmt::format("its file cannot be read as it is, mend it first: {}", known.broken));
  auto text = read_file(path, kConfigFileBytesMax);
  if (!text && text.error().kind != ErrorKind::not_found && text.error().kind != ErrorKind::limit) return text;
  if (!text || content_hash(*text) != known.hash)
    return fail(ErrorKind::conflict,
                fmt::format("{} was changed on disk in the meantime; get the object again and retry", path));
  return text;
}

std::unexpected<Error> ConfigFolder::cannot_change(const StoredObject& object) const {
  const std::string& path = home_of(object);
  if (files_.contains(path) && !unknown_in(path).empty())
    return fail(ErrorKind::conflict,
                fmt::format("its file cannot be read as it is, mend it first: {}", unknown_in(path)));
  if (const auto kept = kept_.find(object.key); kept != kept_.end() && !is_unread(path))
    return fail(ErrorKind::conflict, kept->second + ": mend that first");
  if (is_below_any(path, unlisted_))
    return fail(ErrorKind::conflict, fmt::format("the folder of {} cannot be listed for now: mend that first", path));
  return fail(ErrorKind::conflict, fmt::format("{} is gone for now: bring it back first", path));
}

Status ConfigFolder::put(ConfigObjectPtr object, WallTime now) {
  // Where it stands in a file that cannot be read now, a second file for it would be one too many.
  if (const StoredObject* there = store_.find(object->key); there && is_unread(home_of(*there)))
    return cannot_change(*there);
  Node body = object->node;
  normalize(body);
  if (const auto place = find(object->key)) {
    // What is in force, and the writer has seen, is not what stands there: somebody's edit would be lost.
    if (const auto rejected = rejected_.find(object->key); rejected != rejected_.end())
      return fail(ErrorKind::conflict, fmt::format("{} has an edit of it that is not in force, mend it first: {}",
                                                   place->path, rejected->second));
    const std::string text = TRY(read_unchanged(place->path));
    const KnownDocument& document = files_.at(place->path).documents[place->document];
    const std::string changed = TRY(text_with_document(text, document.begin, document.end, body, document.flattened));
    return write(place->path, changed, true, now);
  }
  if (const StoredObject* there = store_.find(object->key); there && kept_.contains(object->key))
    return cannot_change(*there);
  // A file of that name may hold other objects, or an older and now broken one.
  const std::string path = TRY(path_for(object->key));
  const bool known = files_.contains(path);
  const std::string text = known ? TRY(read_unchanged(path)) : std::string();
  const std::string changed = TRY(text_with_new_document(text, body));
  return write(path, changed, known, now);
}

// Each file is written once, however many of its objects go.
Status ConfigFolder::erase_all(std::span<const ObjectKey> keys) {
  std::set<ObjectKey> wanted(keys.begin(), keys.end());
  for (const ObjectKey& key : wanted)
    if (const StoredObject* there = store_.find(key); there && is_unread(home_of(*there))) return cannot_change(*there);
  std::map<std::string, std::set<ObjectKey>> by_file;
  for (const auto& [path, file] : files_) {
    for (const KnownDocument& document : file.documents)
      if (auto found = wanted.extract(document.key)) by_file[path].insert(std::move(found));
  }
  for (const ObjectKey& key : wanted)
    if (const StoredObject* there = store_.find(key); there && kept_.contains(key)) return cannot_change(*there);
  if (!wanted.empty()) return fail(ErrorKind::not_found, fmt::format("{} is in no file", wanted.begin()->to_string()));
  const ObjectStore::Batch batch(store_);
  for (const auto& [path, of_file] : by_file) TRY(erase_in(path, of_file));
  return {};
}

Status ConfigFolder::erase_in(const std::string& path, const std::set<ObjectKey>& keys) {
  if (!files_.contains(path)) return fail(ErrorKind::conflict, fmt::format("{} is gone", path));
  const std::string text = TRY(read_unchanged(path));
  const KnownFile& file = files_.at(path);
  std::vector<DocumentSpan> gone;
  for (const KnownDocument& document : file.documents)
    if (keys.contains(document.key)) gone.push_back({document.begin, document.end});
  const auto changed = TRY(text_without_documents(text, gone));
  if (changed)
    TRY(replace_file(path, *changed, file.hash));
  else
    TRY(remove_file(path, file.hash));
  for (const ObjectKey& key : keys) forget(key);  // before another copy is found: that is another object
  take_in_written(path, changed, wall_now());
  return {};
}

Status ConfigFolder::write(const std::string& path, const std::string& text, bool exists, WallTime now) {
  if (text.size() > kConfigFileBytesMax)
    return fail(ErrorKind::denied,
                fmt::format("{} would be over {} bytes: put the object into another file", path, kConfigFileBytesMax));
  TRY(replace_file(path, text, exists ? std::optional(files_.at(path).hash) : std::nullopt));
  take_in_written(path, text, now);
  return {};
}

// Takes in what the file says now (no text: it was removed): its objects stand at other bytes and lines.
void ConfigFolder::take_in_written(const std::string& path, const std::optional<std::string>& text, WallTime now) {
  // With errors anywhere, only all files together say what counts: one may be the second copy of an object, or be left
  // out since all are too large.
  const bool alone = diagnostics_.errors() == 0;
  if (text)
    files_[path] = {.hash = content_hash(*text), .was_good = true};
  else
    files_.erase(path);
  if (!alone) {
    FolderScan scan = scan_folders(paths_);
    untold_ = untold_ || !is_known(scan);
    scan.moved = true;  // perhaps: nobody has looked, the events are for the next reload
    return load(std::move(scan), now);
  }
  std::vector<ConfigFile> files;
  if (text) files.push_back({.path = path, .bytes = *text});
  const LoadedConfig loaded = load_config(files, option_fields_);
  note_documents(loaded);

  Diagnostics others;
  for (const Diagnostic& one : diagnostics_.all())
    if (one.file != path) others.add(one);
  others.append(loaded.diagnostics);
  diagnostics_ = std::move(others);

  const ObjectStore::Batch batch(store_);
  for (const ConfigObjectPtr& object : loaded.objects)
    if (!object->rejected) {
      homes_.erase(object->key);
      store_.put(object, now);
    }
}

}  // namespace sluice
