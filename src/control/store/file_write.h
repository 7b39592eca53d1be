// Changing a file so that a reader, a crash or a power cut sees the old bytes or the new ones and nothing else.
//
// New bytes go to a temporary file in the same folder (a dot name that scans leave out), which is synced and swapped
// with the old one; then the folder is synced. Files of somebody else are left alone: what is a symbolic link (as in a
// mounted ConfigMap), not a regular file, or not writable is refused with the reason.
//
// Editors do not ask: they write when they like. What was swapped out is looked at once more, and put back when it is
// not what was expected or when somebody has it open for writing; so an edit that falls between the look and the swap
// is not lost, it makes a conflict; one that cannot be put back is kept as <file>.not-put-back (docs/decisions/0025).
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"

namespace sluice {

std::string content_hash(std::string_view bytes);  // SHA-256, 32 bytes

// `expected` is the content_hash() of what must be there now; nothing: the file must not be there yet.
// Errors: `conflict` something else is there, `denied` it must not be written and why, `limit` the disk is full, `io`.
// A new file gets `new_mode`. For tests: `meanwhile` runs between the last look at the file and the moment in which it
// is taken away, `before_back` before each time that something is put back.
Status replace_file(const std::string& path, std::string_view bytes, const std::optional<std::string>& expected,
                    unsigned new_mode = 0644, const std::function<void()>& meanwhile = {},
                    const std::function<void()>& before_back = {});
Status remove_file(const std::string& path, const std::string& expected, const std::function<void()>& meanwhile = {});

// Temporary files that writers which are no more left in the folder.
void remove_leftovers(const std::string& folder);
bool is_leftover_name(std::string_view name);

// The whole file. Errors: `not_found`, `limit` when it is larger than `bytes_max`, `denied`, `io` also for what is no
// regular file: a pipe would be waited for.
Result<std::string> read_file(const std::string& path, size_t bytes_max);
// And what its writers are done with: `conflict` while somebody has it open for writing, as far as the system tells
// (the file must be of the same user, or the process have CAP_LEASE).
Result<std::string> read_written_file(const std::string& path, size_t bytes_max);

}  // namespace sluice
