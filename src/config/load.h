// Documents into typed objects: pure functions from bytes to objects and diagnostics; who reads the files is above.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "config/diagnostics.h"
#include "config/documents.h"
#include "config/frozen_node.h"
#include "config/kinds/kinds.h"
#include "config/option_field.h"
#include "config/policy_gap.h"

namespace sluice {

inline constexpr size_t kConfigBytesMax = size_t{64} << 20;  // all files together
inline constexpr size_t kConfigFileBytesMax = size_t{8} << 20;

struct ParsedFile;

// A file to load. Bytes beyond kConfigFileBytesMax need not be read: say the size, the file is then refused.
struct ConfigFile {
  std::string path;
  std::string bytes;
  uint64_t size = 0;    // 0: that of `bytes`
  bool unread = false;  // there, and nobody knows what it says
  // What it says, as an earlier load gave it for the same path and the same bytes, which need not be here then.
  std::shared_ptr<const ParsedFile> parsed = {};
};

// One object as it was read. Never changes; kept by shared pointer from load to load (a rejected object's last good
// version stays in force).
struct ConfigObject {
  ObjectKey key;
  const kinds::KindInfo* kind = nullptr;
  kinds::Metadata metadata;
  kinds::Spec spec;         // monostate when rejected before its kind was understood
  FrozenNode document;      // always in the Kubernetes form: apiVersion, kind, metadata, spec
  bool rejected = false;    // an error was found in it
  Place name_place;         // of metadata.name, or what is nearest
  uint32_t error_line = 0;  // where the first one stands
  bool flattened = false;   // was written in Gloo's flattened form
  bool guessed = false;     // what it seems to be: its kind, its name or all of it could not be told for sure
  std::string file;
  size_t begin = 0;  // its bytes [begin, end) in the file
  size_t end = 0;
  uint64_t hash = 0;  // of the document without status and the fields an API server derives; equal: nothing changed

  // The document as a tree, made anew each time.
  Node tree() const { return document.thaw(); }
  // The typed spec; nullptr when it is of another kind.
  template <class T>
  const T* as() const {
    return std::get_if<T>(&spec);
  }
};
using ConfigObjectPtr = std::shared_ptr<const ConfigObject>;

// What one file says, whatever others say.
struct ParsedFile {
  struct Document {
    ConfigObjectPtr object;                // null: it cannot be told which
    std::shared_ptr<const PolicyGap> gap;  // where it may be an EgressPolicy: what it would be for
  };
  std::vector<Document> documents;
  std::vector<ConfigObjectPtr> guesses;
  std::string nameless;  // what is wrong with the first document of which nobody knows what object it is
  Diagnostics diagnostics;
};

// Keys of objects, which must outlive the set.
struct ObjectKeyHash {
  size_t operator()(const ObjectKey* key) const {
    const std::hash<std::string> hash;
    return (hash(key->name) * 31 + hash(key->ns)) * 31 + hash(key->kind);
  }
};
struct ObjectKeyEqual {
  bool operator()(const ObjectKey* a, const ObjectKey* b) const { return *a == *b; }
};
template <class T>
using ObjectKeyMap = std::unordered_map<const ObjectKey*, T, ObjectKeyHash, ObjectKeyEqual>;

// Objects by their keys, in one piece of memory: it is made anew at every load. They must outlive it.
class ObjectIndex {
 public:
  // The object itself, or the one that was there with its key.
  const ConfigObject* insert(const ConfigObject* object);
  bool contains(const ObjectKey& key) const;
  void reserve(size_t objects);

 private:
  size_t place_of(const ObjectKey& key, size_t hash) const;

  struct Slot {
    size_t hash = 0;
    const ConfigObject* object = nullptr;
  };
  std::vector<Slot> slots_;  // a power of two, at most half full; open addressing
  size_t count_ = 0;
};

// Files that are patches for Kustomize, by the kustomization that names them.
using KustomizePatches = std::map<std::string, std::set<std::string>>;

struct LoadedConfig {
  std::vector<ConfigObjectPtr> objects;  // in the order of files and documents; rejected ones too; keys are unique
  std::vector<ConfigObjectPtr> surplus;  // second documents for an object that is there; all rejected
  // What seems to be a VirtualService or a Gateway by its kind or its fields, and cannot be told which, or may be one
  // in a file that cannot be parsed; all rejected, with what could be read of them. Keys need not be unique.
  std::vector<ConfigObjectPtr> guesses;
  std::vector<std::string> broken_files;  // could not be parsed at all: their objects are unknown, not gone
  // Files with a document of which nobody knows what object it is, and what is wrong with the first such one: an object
  // of before that is not there now may be that, not gone.
  std::map<std::string, std::string> files_with_nameless;
  std::vector<PolicyGap> gaps;  // what may be an EgressPolicy and could not be understood
  KustomizePatches patches;
  Diagnostics diagnostics;
  ObjectIndex index;  // of `objects`; they are in `files`, too
  // One for each file given; null for one that could not be parsed or is a patch.
  std::vector<std::shared_ptr<const ParsedFile>> files;
};

// The object's kind, name and fields are all checked; errors of all objects are collected. Of two documents for one
// object the first counts, and the second is an error that names both places. Documents without a usable kind and name
// are errors and not among the objects. A `kind: List` stands for its items.
// `patches_before`: those of the load before, for kustomizations that cannot be read now.
LoadedConfig load_config(std::span<const ConfigFile> files, std::span<const OptionField> option_fields,
                         const KustomizePatches& patches_before = {});

// Objects, and what is in force in no version all the same: whoever translates must know both.
std::vector<ConfigObjectPtr> all_documents(const LoadedConfig& loaded);

// One object from a tree, for the API: as load_config does for a document. `file` is for messages ("" for none).
// nullptr when kind or name could not be understood; a ConfigObject with `rejected` when its fields have errors.
ConfigObjectPtr read_object(Node object, std::string_view file, std::span<const OptionField> option_fields,
                            Diagnostics& diagnostics);

// The object in Gloo's flattened form, for writing one back into the file it came from.
Node to_flattened(const Node& object);

// What `sluice check` prints: the diagnostics, then one line that sums up ("3 objects in 2 files: 1 error, no
// warnings").
std::string check_report(const LoadedConfig& config, size_t files);

}  // namespace sluice
