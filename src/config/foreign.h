// What stands in people's files beside our objects: Helm's and Kustomize's own, and objects of other programs. It is
// skipped with a note, while a slip in one of ours stays an error.
#pragma once

#include <set>
#include <span>
#include <string>
#include <string_view>

#include "config/load.h"

namespace sluice {

// What the document is ("apps/v1 Deployment", "a document without apiVersion and kind") when it is not for us; "" when
// it is, or wants to be. A document that says neither kind nor version and may be an EgressPolicy is never.
std::string foreign_name(const Node& document, std::string_view file);

// The files that the kustomization files among these name as patches: parts of objects, no objects. By kustomization,
// normalised. One that cannot be read or parsed has those it had `before`.
KustomizePatches kustomize_patches(std::span<const ConfigFile> files, const KustomizePatches& before);
// By its name.
bool is_kustomization_file(std::string_view path);
// As the paths of patches are.
std::string normal_path(const std::string& path);

// Whether the document looks like Gloo's flattened form of a kind by a field that no other kind has; the kind's name.
std::string_view flattened_kind_name(const Node& document);

}  // namespace sluice
