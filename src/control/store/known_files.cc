#include "control/store/known_files.h"

#include "config/foreign.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

namespace sluice {
namespace {

bool is_below(std::string_view path, std::string_view root) {
  return path == root || (path.starts_with(root) && path.substr(root.size()).starts_with('/'));
}

bool is_below_any(std::string_view path, const std::vector<std::string>& roots) {
  return std::ranges::any_of(roots, [path](const std::string& root) { return is_below(path, root); });
}

}  // namespace

void KnownFiles::take(const FolderScan& scan, const LoadedConfig& loaded, Diagnostics& diagnostics) {
  const std::map<std::string, KnownFile> before = std::exchange(files_, {});
  newly_unlisted_ = {scan.unlisted.begin(), scan.unlisted.end()};
  for (const std::string& path : unlisted_) newly_unlisted_.erase(path);
  gone_ = scan.gone;
  unlisted_ = scan.unlisted;
  left_out_ = scan.left_out;
  problems_ = scan.problems;
  moved_ = scan.moved;
  for (const std::string& path : gone_)
    diagnostics.add({.file = path, .message = "is not there; what it held stays in force until it is back"});
  for (const std::string& problem : problems_) diagnostics.add({.message = problem});

  // A file that says what another one said before was moved: it is good for what that one was.
  std::map<std::string_view, bool> was_good;
  for (const auto& [path, file] : before) {
    bool& good = was_good.try_emplace(file.hash, true).first->second;
    good = good && file.was_good;
  }
  for (const ScannedFile& file : scan.files) {
    const auto known = before.find(file.path);
    const bool is_new = known == before.end();
    const auto moved = was_good.find(file.hash);
    files_[file.path] = {.hash = file.hash,
                         .broken = file.problem,
                         .nameless = {},
                         .too_large = file.size > kConfigFileBytesMax,
                         .unreadable = !file.problem.empty(),
                         .being_written = file.being_written,
                         .was_good = moved != was_good.end() ? moved->second : !is_new && known->second.was_good,
                         .is_new = is_new,
                         .changed = is_new || known->second.hash != file.hash,
                         .read_before = file.stamp ? std::optional(ReadBefore{*file.stamp, file.hash}) : std::nullopt,
                         .documents = {}};
    if (!file.problem.empty()) diagnostics.add({.file = file.path, .message = file.problem});
  }
  for (const std::string& path : loaded.broken_files) files_[path].broken = "cannot be read";
  for (const auto& [path, why] : loaded.files_with_nameless) files_[path].nameless = why;
  for (const Diagnostic& one : diagnostics.all()) {
    const auto file = files_.find(one.file);
    if (file != files_.end() && !file->second.broken.empty()) file->second.broken = one.to_string();
  }
  any_broken_ = false;
  for (auto& [path, file] : files_) {
    file.was_good |= file.broken.empty();
    any_broken_ |= !file.broken.empty();
  }
  for (size_t i = 0; i < scan.files.size(); ++i) files_[scan.files[i].path].parsed = loaded.files[i];
  add_documents(loaded);
}

// What it says must be known, and nobody may want to look for names in it, or for patches.
const ReadBefore* KnownFiles::read_before(const std::string& path) const {
  const KnownFile* file = find(path);
  const bool is_plain = file && file->broken.empty() && file->nameless.empty() && file->parsed;
  return is_plain && file->read_before && !is_kustomization_file(path) ? &*file->read_before : nullptr;
}

std::shared_ptr<const ParsedFile> KnownFiles::parsed(const std::string& path, const std::string& hash) const {
  const KnownFile* file = find(path);
  return file && file->hash == hash ? file->parsed : nullptr;
}

bool KnownFiles::are(const FolderScan& scan) const {
  return scan.gone == gone_ && scan.unlisted == unlisted_ && scan.problems == problems_ &&
         scan.files.size() == files_.size() && std::ranges::all_of(scan.files, [this](const ScannedFile& file) {
           const auto known = files_.find(file.path);
           return known != files_.end() && known->second.hash == file.hash;
         });
}

const KnownFile* KnownFiles::find(const std::string& path) const {
  const auto file = files_.find(path);
  return file == files_.end() ? nullptr : &file->second;
}

void KnownFiles::put(const std::string& path, std::string hash) {
  files_[path] = {.hash = std::move(hash), .broken = {}, .nameless = {}, .was_good = true, .documents = {}};
}

void KnownFiles::add_documents(const LoadedConfig& loaded) {
  auto at = files_.end();
  for (const ConfigObjectPtr& object : loaded.objects) {
    if (at == files_.end() || at->first != object->file) at = files_.try_emplace(object->file).first;
    at->second.documents.push_back({object->key, object->begin, object->end, object->flattened});
  }
}

std::optional<KnownFiles::Place> KnownFiles::find(const ObjectKey& key) const {
  for (const auto& [path, file] : files_)
    for (const KnownDocument& document : file.documents)
      if (document.key == key) return Place{path, &document};
  return std::nullopt;
}

bool KnownFiles::is_unread(const std::string& path) const {
  if (const KnownFile* file = find(path)) return !file->broken.empty();
  return is_below_any(path, unlisted_) || is_below_any(path, gone_);
}

bool KnownFiles::holds_its_place(const std::string& path) const {
  if (!any_holds_its_place()) return false;
  if (const KnownFile* file = find(path)) return !file->broken.empty();
  return is_unlisted(path);
}

bool KnownFiles::is_unlisted(const std::string& path) const {
  return is_below_any(path, unlisted_);
}

std::string_view KnownFiles::unknown_in(const std::string& path) const {
  const KnownFile* file = find(path);
  if (!file) return is_unread(path) ? "it is not there for now" : "";
  return file->broken.empty() ? file->nameless : file->broken;
}

Unknown KnownFiles::unknown(std::span<const ConfigFile> files) const {
  Unknown unknown;
  for (const ConfigFile& file : files) {
    const KnownFile& known = files_.at(file.path);
    const std::string& why = known.broken.empty() ? known.nameless : known.broken;
    if (!why.empty() && known.is_seen()) unknown.add_text({file.path, why, known.changed}, file.bytes);
  }
  for (const auto& [path, file] : files_)
    if (!file.is_seen()) unknown.add_unseen({path, file.broken, file.changed});
  for (const std::string& path : unlisted_)
    unknown.add_unseen({path, fmt::format("{} cannot be listed", path), newly_unlisted_.contains(path)});
  for (const std::string& why : left_out_) unknown.add_unseen({"", why, true});
  if (moved_) unknown.add_unseen({"", "files were moved while they were read", true});
  return unknown;
}

std::vector<std::string> KnownFiles::problems() const {
  std::vector<std::string> out = problems_;
  for (const std::string& path : gone_)
    out.push_back(fmt::format("{} is not there; what it held stays in force until it is back", path));
  for (const auto& [path, file] : files_)
    if (!file.broken.empty()) out.push_back(file.broken);
  return out;
}

bool KnownFiles::incomplete() const {
  return !unlisted_.empty() || std::ranges::any_of(files_, [](const auto& file) { return file.second.unreadable; });
}

}  // namespace sluice
