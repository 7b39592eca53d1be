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
// Belongs to the control thread. Wait for fd() to be readable, call on_readable(); at reload_at(), and every
// kRetryEvery while incomplete(), call reload().
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
#include "control/store/object_store.h"
#include "control/store/unknown.h"

namespace sluice {

class ConfigFolder final : public Database {
 public:
  // Changes are read when nothing more happened for kQuietFor, and after kWaitMax at the latest.
  static constexpr Nanos kQuietFor = 30ms;
  static constexpr Nanos kWaitMax = 1s;
  static constexpr Nanos kRetryEvery = 1s;

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
  bool incomplete() const { return unread_ || unsettled_ || !watch_ || !watched_all_; }

  // Everything that is wrong with the files as they were read last, warnings too.
  const Diagnostics& diagnostics() const { return diagnostics_; }
  // Why the version that stands in a file is not in force: objects with errors, and those of files that cannot be
  // parsed; those that stand nowhere and stay all the same. Where the store has the object, its last good version
  // stays.
  const std::map<ObjectKey, std::string>& rejected() const { return rejected_; }
  // Documents that stand in the files and are in force in no version: those with errors that never were good, and
  // second ones for an object. By what they say as far as it could be read.
  std::vector<ConfigObjectPtr> withheld() const;
  // What may be an EgressPolicy and is in force in no version.
  const std::vector<PolicyGap>& gaps() const { return gaps_; }
  size_t files() const { return files_.size(); }

  Status put(ConfigObjectPtr object, WallTime now) override;
  Status erase_all(std::span<const ObjectKey> keys) override;

 private:
  struct KnownDocument {
    ObjectKey key;
    size_t begin = 0;
    size_t end = 0;
    bool flattened = false;
  };
  struct KnownFile {
    std::string hash;
    std::string broken;     // why it could not be parsed, "" when it could
    bool was_good = false;  // it could be, now or before: what it held then is in force
    std::string nameless;   // what is wrong with a document that is no object one could tell, "" without one
    std::vector<KnownDocument> documents;
  };
  struct Place {
    std::string path;
    size_t document = 0;  // index into KnownFile::documents
  };

  ConfigFolder(ObjectStore& store, std::vector<std::string> paths, std::span<const OptionField> option_fields)
      : store_(store), paths_(std::move(paths)), option_fields_(option_fields) {}

  void follow();
  FolderScan scan_settled();
  bool is_known(const FolderScan& scan) const;
  void load(FolderScan scan, WallTime now);
  // What one load found.
  struct Found {
    LoadedConfig config;
    std::set<ObjectKey> keys;  // of its objects
    Unknown unknown;
  };
  Unknown unknown_of(std::span<const ConfigFile> files, const FolderScan& scan) const;
  void tell_missing(const FolderScan& scan) const;
  void take_in(const Found& found, WallTime now);
  void note_files(const std::vector<ScannedFile>& scanned, const LoadedConfig& loaded);
  void note_documents(const LoadedConfig& loaded);
  void note_kept(Found& found);
  void note_rejected(const LoadedConfig& loaded);
  void note_withheld(Found& found);
  void note_gaps(Found& found, const FolderScan& scan);
  bool is_closed_by(const PolicyGap& gap) const;
  bool may_still_be(const PolicyGap& gap, Unknown& unknown) const;
  void forget(const ObjectKey& key);
  bool holds_its_place(const StoredObject& object) const;
  const std::string& home_of(const StoredObject& object) const;
  bool is_unread(const std::string& file) const;
  std::string_view unknown_in(const std::string& file) const;
  void keep_unknown(std::vector<ConfigObjectPtr> before, std::vector<ConfigObjectPtr>& now, Found& found) const;

  std::optional<Place> find(const ObjectKey& key) const;
  Result<std::string> path_for(const ObjectKey& key) const;
  Result<std::string> read_unchanged(const std::string& path) const;
  std::unexpected<Error> cannot_change(const StoredObject& object) const;
  Status erase_in(const std::string& path, const std::set<ObjectKey>& keys);
  Status write(const std::string& path, const std::string& text, bool exists, WallTime now);
  void take_in_written(const std::string& path, const std::optional<std::string>& text, WallTime now);

  ObjectStore& store_;
  std::vector<std::string> paths_;
  std::span<const OptionField> option_fields_;
  std::optional<FolderWatch> watch_;
  std::optional<SteadyTime> reload_at_;
  std::optional<SteadyTime> first_event_;
  bool loaded_once_ = false;
  bool untold_ = false;     // a write took in what others changed, too
  bool unread_ = false;     // a file or a folder
  bool unsettled_ = false;  // something stayed since files were moved while they were read
  bool watched_all_ = false;
  std::vector<std::string> watch_problems_;

  std::map<std::string, KnownFile> files_;
  std::vector<std::string> gone_;
  std::vector<std::string> unlisted_;
  std::vector<std::string> left_out_;
  std::vector<std::string> problems_;
  Diagnostics diagnostics_;
  std::map<ObjectKey, std::string> homes_;  // where the rejected document of one in force stands, if not in its file
  std::map<ObjectKey, std::string> kept_;   // in force and in no document, and why
  std::map<ObjectKey, std::string> rejected_;
  std::vector<ConfigObjectPtr> bad_objects_;  // with errors, whether or not an older version is in force
  std::vector<ConfigObjectPtr> surplus_;      // second documents for an object
  std::vector<PolicyGap> gaps_;
};

}  // namespace sluice
