// What stands in the config folder and is not in force, what is in force and stands nowhere, and what must stay closed
// because of either (decision 0015).
#pragma once

#include <map>
#include <set>
#include <string>
#include <vector>

#include "config/load.h"
#include "control/store/known_files.h"
#include "control/store/object_store.h"

namespace sluice {

class NotInForce {
 public:
  // What one load found.
  struct Found {
    LoadedConfig config;
    std::vector<ObjectKey> unseen;  // in force, and not among its objects; note_kept() finds them
    Unknown unknown;
  };

  NotInForce(const ObjectStore& store, const KnownFiles& files) : store_(store), files_(files) {}

  // First: what stays in force though it is in no document. Then the caller takes in what is good, and then the rest.
  void note_kept(Found& found, const Diagnostics& diagnostics);
  void note_rest(Found& found);

  // The file where the object's document stands, or stood last.
  const std::string& home_of(const StoredObject& object) const;
  // The document of one in force has an error and stands in that file.
  void set_home(const ObjectKey& key, const std::string& file) { homes_[key] = file; }
  // It is in force as its document says, or is gone.
  void forget(const ObjectKey& key);

  // In force and in no document, and why; null for any other.
  const std::string* why_kept(const ObjectKey& key) const;
  // See ConfigFolder.
  const std::map<ObjectKey, std::string>& rejected() const { return rejected_; }
  std::vector<ConfigObjectPtr> withheld() const;
  const std::vector<PolicyGap>& gaps() const { return gaps_; }

 private:
  class Idle;
  void look_for_names(Found& found) const;
  void note_kept(const StoredObject& object, Found& found, const Idle& idle);
  std::string why_it_stays(const StoredObject& object, Found& found, const Idle& idle) const;
  void note_gaps(Found& found);
  void drop_closed_gaps();
  void keep_gaps(std::vector<PolicyGap> before, Unknown& unknown);
  void add_gaps_of_unseen();
  void keep_documents(std::vector<ConfigObjectPtr> before, std::vector<ConfigObjectPtr>& now, Found& found) const;

  const ObjectStore& store_;
  const KnownFiles& files_;
  std::map<ObjectKey, std::string> homes_;  // where it is not the file of the version in force
  std::map<ObjectKey, std::string> kept_;
  std::map<ObjectKey, std::string> rejected_;
  std::vector<ConfigObjectPtr> bad_objects_;  // with errors, whether or not an older version is in force
  std::vector<ConfigObjectPtr> surplus_;      // second documents for an object
  std::vector<PolicyGap> gaps_;
  bool settled_once_ = false;  // everything was seen once
};

}  // namespace sluice
