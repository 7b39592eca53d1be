// The config folder: files into the store, and writes of the API back into files.
//
// The unit is the object. What is in force changes only to versions that read well: a file that cannot be parsed keeps
// all its objects as they were, an object with an error keeps its last good version, also where the error is in its
// kind or name, and when a whole configured path is gone, or a folder cannot be listed, everything stays until it is
// back. An object that is no longer there is gone, unless it may stand in what cannot be read or understood: then it
// stays until that is mended.
//
// A write replaces the bytes of its own document and no other; comments and other documents stay. The file must be as
// it was read (else `conflict`), and the new bytes are parsed before they are put in place: a write that would change
// anything else is refused, and so is one over an edit that has errors and is not in force. Objects that stand in no
// file go to `<kind>.<namespace>.<name>.yaml` in the first folder.
//
// Belongs to the control thread. Wait for fd() to be readable, call on_readable(); at reload_at(), and again and again
// while incomplete(), call reload().
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <vector>

#include "base/time.h"
#include "config/load.h"
#include "control/store/database.h"
#include "control/store/folder_scan.h"
#include "control/store/folder_watch.h"
#include "control/store/known_files.h"
#include "control/store/not_in_force.h"
#include "control/store/object_store.h"

namespace sluice {

class ConfigFolder final : public Database {
 public:
  // Changes are read when nothing more happened for kQuietFor, and after kWaitMax at the latest.
  static constexpr Nanos kQuietFor = 30ms;
  static constexpr Nanos kWaitMax = 1s;
  static constexpr Nanos kRetryFirst = 1s;
  static constexpr Nanos kRetryMax = 8s;

  // Checks that the paths are there, removes what writers that crashed left behind, and begins to watch. Reads nothing
  // yet: call reload(). Store and option fields must outlive it.
  static Result<std::unique_ptr<ConfigFolder>> open(ObjectStore& store, std::vector<std::string> paths,
                                                    std::span<const OptionField> option_fields);

  // Reads all files and brings the store up to date, in one batch. False when no file has changed since the last time
  // but by our own writes.
  bool reload(WallTime now);

  int fd() const { return watch_ ? watch_->fd() : -1; }  // -1: changes are not noticed; reload() tries to again
  void on_readable(SteadyTime now);
  std::optional<SteadyTime> reload_at() const { return reload_at_; }
  // Something could not be listed, read or watched: nobody tells when it can be.
  bool incomplete() const { return unsettled_ || !watch_ || !watched_all_ || known_.incomplete(); }

  // Everything that is wrong with the files as they were read last, warnings too.
  const Diagnostics& diagnostics() const { return diagnostics_; }
  // Why the version that stands in a file is not in force: objects with errors, and those of files that cannot be
  // parsed; those that stand nowhere and stay all the same. Where the store has the object, its last good version
  // stays.
  const std::map<ObjectKey, std::string>& rejected() const { return not_in_force_.rejected(); }
  // Documents that stand in the files and are in force in no version: those with errors that never were good, and
  // second ones for an object. By what they say as far as it could be read.
  std::vector<ConfigObjectPtr> withheld() const { return not_in_force_.withheld(); }
  // What may be an EgressPolicy and is in force in no version.
  const std::vector<PolicyGap>& gaps() const { return not_in_force_.gaps(); }
  // Files that cannot be read or parsed, and paths that are not there or cannot be listed; a sentence each.
  std::vector<std::string> unread() const { return known_.problems(); }
  size_t files() const { return known_.all().size(); }

  Status put(ConfigObjectPtr object, WallTime now) override;
  Status erase_all(std::span<const ObjectKey> keys) override;

 private:
  ConfigFolder(ObjectStore& store, std::vector<std::string> paths, std::span<const OptionField> option_fields)
      : store_(store), paths_(std::move(paths)), option_fields_(option_fields) {}

  void follow();
  FolderScan scan_settled();
  FolderScan scan_files() const;
  bool load(FolderScan scan, WallTime now);
  void tell_missing(const FolderScan& scan) const;
  void take_in(const NotInForce::Found& found, WallTime now);
  void forget(const ObjectKey& key);

  Result<std::string> path_for(const ObjectKey& key) const;
  Result<std::string> read_unchanged(const std::string& path) const;
  Status can_change(const ObjectKey& key) const;
  struct Written {
    std::string path;
    std::optional<std::string> text;  // nothing: it was removed
  };
  Result<Written> erase_in(const std::string& path, const std::set<ObjectKey>& keys);
  Status write(const std::string& path, const std::string& text, bool exists, std::string_view kind, WallTime now);
  void take_in_written(std::span<const Written> written, WallTime now);

  ObjectStore& store_;
  std::vector<std::string> paths_;
  std::span<const OptionField> option_fields_;
  std::optional<FolderWatch> watch_;
  std::vector<std::string> followed_;  // folders
  std::optional<SteadyTime> reload_at_;
  std::optional<SteadyTime> first_event_;
  bool loaded_once_ = false;
  bool untold_ = false;     // a write took in what others changed, too
  bool unsettled_ = false;  // files were moved while they were read: there may be more to see
  bool watched_all_ = false;
  std::vector<std::string> watch_problems_;

  KustomizePatches patches_;
  KnownFiles known_;
  NotInForce not_in_force_{store_, known_};
  Diagnostics diagnostics_;
};

}  // namespace sluice
