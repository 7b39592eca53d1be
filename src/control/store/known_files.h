// What the config folder knows of its files since they were read last: which are there, which could not be read or
// understood, and what stands where.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "config/diagnostics.h"
#include "config/load.h"
#include "control/store/folder_scan.h"
#include "control/store/unknown.h"

namespace sluice {

struct KnownDocument {
  ObjectKey key;
  size_t begin = 0;
  size_t end = 0;
  bool flattened = false;
};

struct KnownFile {
  std::string hash;
  std::string broken;          // why it could not be read or parsed, "" when it could
  std::string nameless;        // what is wrong with a document that is no object one could tell, "" without one
  bool too_large = false;      // to be read
  bool unreadable = false;     // for another reason, which may go without a change that is noticed
  bool being_written = false;  // that is it
  bool was_good = false;       // it could be parsed, now or before: what it held then is in force
  bool is_new = false;         // it was not there the last time
  bool changed = false;        // it says something else than the last time; new ones too
  std::optional<ReadBefore> read_before = {};          // where its bytes need not be read again while it is the same
  std::shared_ptr<const ParsedFile> parsed = nullptr;  // what it says, where it could be parsed and is no patch
  std::vector<KnownDocument> documents;

  bool is_seen() const { return !too_large && !unreadable; }  // its bytes are known
};

class KnownFiles {
 public:
  // What was scanned and loaded now. Adds to the diagnostics what could not be read; says in each broken file why.
  void take(const FolderScan& scan, const LoadedConfig& loaded, Diagnostics& diagnostics);
  // For a scan, as long as nothing is taken: files whose bytes nobody needs again to say what they hold.
  const ReadBefore* read_before(const std::string& path) const;
  // What the file says, where its bytes are those.
  std::shared_ptr<const ParsedFile> parsed(const std::string& path, const std::string& hash) const;
  // Whether a scan says the same.
  bool are(const FolderScan& scan) const;

  const std::map<std::string, KnownFile>& all() const { return files_; }
  const KnownFile* find(const std::string& path) const;
  // A file as it was written by us.
  void put(const std::string& path, std::string hash);
  void put_parsed(const std::string& path, std::shared_ptr<const ParsedFile> parsed) {
    files_[path].parsed = std::move(parsed);
  }
  void erase(const std::string& path) { files_.erase(path); }
  void add_documents(const LoadedConfig& loaded);

  struct Place {
    std::string path;
    const KnownDocument* document;
  };
  std::optional<Place> find(const ObjectKey& key) const;

  // Whether the bytes of the file are not known now, or cannot be parsed: it may hold what it held before.
  bool is_unread(const std::string& path) const;
  // Likewise, without paths that are gone: a copy that is read elsewhere is what they held, moved.
  bool holds_its_place(const std::string& path) const;
  bool any_holds_its_place() const { return any_broken_ || !unlisted_.empty(); }
  bool is_unlisted(const std::string& path) const;
  // Why an object of the file that is in no document of it may be there all the same: the file cannot be read, or has
  // a document of which nobody knows what object it is. "" where it is gone.
  std::string_view unknown_in(const std::string& path) const;

  // All that nobody has seen or understood. A path that is gone is none of it: what is moved there is not there.
  // `files` must outlive it.
  Unknown unknown(std::span<const ConfigFile> files) const;
  // As scanned: paths that are not there, folders that cannot be listed, limits that left something out.
  const std::vector<std::string>& gone() const { return gone_; }
  const std::vector<std::string>& unlisted() const { return unlisted_; }
  const std::vector<std::string>& left_out() const { return left_out_; }
  bool moved() const { return moved_; }
  // All of these, and each file that cannot be read or parsed, in a sentence.
  std::vector<std::string> problems() const;
  // Something is not known that may come to be known without a change that is noticed.
  bool incomplete() const;

 private:
  std::map<std::string, KnownFile> files_;
  std::vector<std::string> gone_;
  std::vector<std::string> unlisted_;
  std::set<std::string> newly_unlisted_;
  std::vector<std::string> left_out_;
  std::vector<std::string> problems_;
  bool moved_ = false;
  bool any_broken_ = false;  // of the files
};

}  // namespace sluice
