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

// When an object came into being, as well as one can tell: what it says itself, else when its file was written.
WallTime creation_of(const ConfigObject& object, WallTime now) {
  if (const auto said = parse_iso(object.metadata.creation_timestamp)) return *said;
  struct stat info{};
  if (object.file.empty() || ::stat(object.file.c_str(), &info) != 0) return now;
  return WallTime(Seconds(info.st_mtim.tv_sec) + Nanos(info.st_mtim.tv_nsec));
}

bool is_among(const std::string& text, const std::vector<std::string>& texts) {
  return std::ranges::find(texts, text) != texts.end();
}

std::vector<ConfigFile> files_to_load(std::vector<ScannedFile>& scanned, const KnownFiles& known) {
  std::vector<ConfigFile> files;
  files.reserve(scanned.size());
  for (ScannedFile& file : scanned)
    files.push_back({.path = file.path,
                     .bytes = std::move(file.bytes),
                     .size = file.size,
                     .unread = !file.problem.empty(),
                     .parsed = known.parsed(file.path, file.hash)});
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
    followed_ = folders.paths;
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
  const bool moved = scan.moved;
  if (loaded_once_ && !unsettled_ && !moved && known_.are(scan)) return std::exchange(untold_, false);
  load(std::move(scan), now);
  unsettled_ = moved;
  untold_ = false;
  return true;
}

// A file that is moved from a name that was not looked at yet to one that was is seen at neither, and what comes into a
// folder before that is watched nobody tells: what changes while we read is read again.
FolderScan ConfigFolder::scan_settled() {
  FolderScan scan;
  if (watch_) watch_->drain();
  for (int i = 0; i < kScansMax; ++i) {
    follow();
    const FolderScan before = std::exchange(scan, scan_files());
    const bool is_watched = watch_ && watched_all_;
    const bool changed =
        is_watched ? watch_->drain() || scan.folders != followed_ : i == 0 || before.files != scan.files;
    if (!changed && !scan.moved) return scan;
  }
  scan.moved = true;
  return scan;
}

// Not the bytes of what did not change; all bytes where not all can be taken, as what is left out may hold anything.
FolderScan ConfigFolder::scan_files() const {
  FolderScan scan = scan_folders(paths_, [this](const std::string& path) { return known_.read_before(path); });
  uint64_t bytes = 0;
  for (const ScannedFile& file : scan.files) bytes += file.size;
  return bytes > kConfigBytesMax ? scan_folders(paths_) : std::move(scan);
}

// Whether something stays in force, or closed, since it may be where nobody looked.
bool ConfigFolder::load(FolderScan scan, WallTime now) {
  loaded_once_ = true;
  tell_missing(scan);
  const std::vector<ConfigFile> files = files_to_load(scan.files, known_);
  NotInForce::Found found{.config = load_config(files, option_fields_, patches_), .unseen = {}, .unknown = {}};
  diagnostics_ = std::move(found.config.diagnostics);
  patches_ = std::move(found.config.patches);
  known_.take(scan, found.config, diagnostics_);
  found.unknown = known_.unknown(files);
  not_in_force_.note_kept(found, diagnostics_);
  const ObjectStore::Batch batch(store_);  // who is told of new objects must know the new gaps, too
  take_in(found, now);
  // After the good ones have been taken in: what has a version in force decides by that.
  not_in_force_.note_rest(found);
  return found.unknown.was_asked();
}

void ConfigFolder::tell_missing(const FolderScan& scan) const {
  for (const std::string& path : scan.gone)
    if (!is_among(path, known_.gone()))
      log::warn("config", "the path is gone; what it held stays in force until it is back", {{"path", path}});
  for (const std::string& path : scan.unlisted)
    if (!is_among(path, known_.unlisted()))
      log::warn("config", "the folder cannot be listed; what it held stays in force until it can", {{"path", path}});
}

void ConfigFolder::take_in(const NotInForce::Found& found, WallTime now) {
  for (const ConfigObjectPtr& object : found.config.objects) {
    // A second copy does not come into force because the file of the first cannot be read for a moment.
    const StoredObject* in_force = store_.find(object->key);
    const std::string home = in_force ? not_in_force_.home_of(*in_force) : "";
    const bool is_copy = in_force && home != object->file && known_.holds_its_place(home);
    if (is_copy || (object->rejected && !in_force)) continue;
    if (object->rejected) {
      not_in_force_.set_home(object->key, object->file);
    } else {
      not_in_force_.forget(object->key);
      if (!in_force || in_force->config != object) store_.put(object, creation_of(*object, now));
    }
  }
  for (const ObjectKey& key : found.unseen)
    if (!not_in_force_.why_kept(key)) forget(key);
}

void ConfigFolder::forget(const ObjectKey& key) {
  not_in_force_.forget(key);
  store_.erase(key);
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
  const KnownFile& known = *known_.find(path);
  if (!known.broken.empty())
    return fail(ErrorKind::conflict, fmt::format("its file cannot be read as it is, mend it first: {}", known.broken));
  auto text = read_file(path, kConfigFileBytesMax);
  if (!text && text.error().kind != ErrorKind::not_found && text.error().kind != ErrorKind::limit) return text;
  if (!text || content_hash(*text) != known.hash)
    return fail(ErrorKind::conflict,
                fmt::format("{} was changed on disk in the meantime; get the object again and retry", path));
  return text;
}

// Not what stands in a file that cannot be read now, where a second file for it would be one too many, nor what stays
// since it may be there.
Status ConfigFolder::can_change(const ObjectKey& key) const {
  const StoredObject* object = store_.find(key);
  if (!object) return {};
  const std::string& home = not_in_force_.home_of(*object);
  const std::string* kept = not_in_force_.why_kept(key);
  const bool is_unread = known_.is_unread(home);
  if ((kept || is_unread) && known_.find(home) && !known_.unknown_in(home).empty())
    return fail(ErrorKind::conflict,
                fmt::format("its file cannot be read as it is, mend it first: {}", known_.unknown_in(home)));
  if (known_.is_unlisted(home))
    return fail(ErrorKind::conflict, fmt::format("the folder of {} cannot be listed for now: mend that first", home));
  if (is_unread) return fail(ErrorKind::conflict, fmt::format("{} is gone for now: bring it back first", home));
  if (!kept) return {};
  return fail(ErrorKind::conflict, unsettled_ ? *kept + ": retry" : *kept + "; mend it first");
}

Status ConfigFolder::put(ConfigObjectPtr object, WallTime now) {
  TRY(can_change(object->key));
  Node body = object->tree();
  normalize(body);
  if (const auto place = known_.find(object->key)) {
    // What is in force, and the writer has seen, is not what stands there: somebody's edit would be lost.
    if (const auto bad = rejected().find(object->key); bad != rejected().end())
      return fail(ErrorKind::conflict, fmt::format("{} has an edit of it that is not in force, mend it first: {}",
                                                   place->path, bad->second));
    const std::string text = TRY(read_unchanged(place->path));
    const KnownDocument& document = *place->document;
    const std::string changed = TRY(text_with_document(text, document.begin, document.end, body, document.flattened));
    return write(place->path, changed, true, object->key.kind, now);
  }
  // A file of that name may hold other objects, or an older and now broken one.
  const std::string path = TRY(path_for(object->key));
  const bool known = known_.find(path) != nullptr;
  const std::string text = known ? TRY(read_unchanged(path)) : std::string();
  const std::string changed = TRY(text_with_new_document(text, body));
  return write(path, changed, known, object->key.kind, now);
}

// Each file is written once, however many of its objects go, and all are taken in at the end, also when one fails.
Status ConfigFolder::erase_all(std::span<const ObjectKey> keys) {
  std::set<ObjectKey> wanted(keys.begin(), keys.end());
  for (const ObjectKey& key : wanted) TRY(can_change(key));
  std::map<std::string, std::set<ObjectKey>> by_file;
  for (const auto& [path, file] : known_.all()) {
    for (const KnownDocument& document : file.documents)
      if (auto found = wanted.extract(document.key)) by_file[path].insert(std::move(found));
  }
  if (!wanted.empty()) return fail(ErrorKind::not_found, fmt::format("{} is in no file", wanted.begin()->to_string()));
  const ObjectStore::Batch batch(store_);
  std::vector<Written> written;
  Status done;
  for (const auto& [path, of_file] : by_file) {
    auto erased = erase_in(path, of_file);
    if (!erased) {
      done = std::unexpected(std::move(erased).error());
      break;
    }
    written.push_back(std::move(*erased));
  }
  take_in_written(written, wall_now());
  return done;
}

Result<ConfigFolder::Written> ConfigFolder::erase_in(const std::string& path, const std::set<ObjectKey>& keys) {
  const std::string text = TRY(read_unchanged(path));
  const KnownFile& file = *known_.find(path);
  std::vector<DocumentSpan> gone;
  for (const KnownDocument& document : file.documents)
    if (keys.contains(document.key)) gone.push_back({document.begin, document.end});
  auto changed = TRY(text_without_documents(text, gone));
  if (changed)
    TRY(replace_file(path, *changed, file.hash));
  else
    TRY(remove_file(path, file.hash));
  for (const ObjectKey& key : keys) forget(key);  // before another copy is found: that is another object
  return Written{path, std::move(changed)};
}

Status ConfigFolder::write(const std::string& path, const std::string& text, bool exists, std::string_view kind,
                           WallTime now) {
  if (text.size() > kConfigFileBytesMax)
    return fail(ErrorKind::denied,
                fmt::format("{} would be over {} bytes: put the object into another file", path, kConfigFileBytesMax));
  const unsigned mode = kind == "Secret" ? 0600 : 0644;
  TRY(replace_file(path, text, exists ? std::optional(known_.find(path)->hash) : std::nullopt, mode));
  const Written written{path, text};
  take_in_written(std::span(&written, 1), now);
  return {};
}

// Takes in what the files say now: their objects stand at other bytes and lines.
void ConfigFolder::take_in_written(std::span<const Written> written, WallTime now) {
  if (written.empty()) return;
  // With errors anywhere, only all files together say what counts: one may be the second copy of an object, or be left
  // out since all are too large.
  const bool alone = diagnostics_.errors() == 0;
  std::vector<ConfigFile> files;
  std::set<std::string_view> paths;
  for (const auto& [path, text] : written) {
    paths.insert(path);
    if (text) {
      known_.put(path, content_hash(*text));
      files.push_back({.path = path, .bytes = *text});
    } else {
      known_.erase(path);
    }
  }
  if (!alone) {
    FolderScan scan = scan_files();
    untold_ = untold_ || !known_.are(scan);
    scan.moved = true;  // perhaps: nobody has looked, the events are for the next reload
    unsettled_ = load(std::move(scan), now);
    return;
  }
  const LoadedConfig loaded = load_config(files, option_fields_);
  known_.add_documents(loaded);
  for (size_t i = 0; i < files.size(); ++i) known_.put_parsed(files[i].path, loaded.files[i]);

  Diagnostics others;
  for (const Diagnostic& one : diagnostics_.all())
    if (!paths.contains(one.file)) others.add(one);
  others.append(loaded.diagnostics);
  diagnostics_ = std::move(others);

  const ObjectStore::Batch batch(store_);
  for (const ConfigObjectPtr& object : loaded.objects) {
    if (object->rejected) continue;
    not_in_force_.forget(object->key);
    store_.put(object, now);
  }
}

}  // namespace sluice
