// Config files as text in which one document changes and every other byte stays.
//
// What is not changed inside the document keeps its bytes too, comments among it, where the document is in YAML's block
// style: only the members that differ are written anew. Each result is parsed and compared before it is returned, so a
// shape of YAML that is not understood here costs the document's comments at most, never its meaning.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "base/result.h"
#include "config/documents.h"

namespace sluice {

// `file` with the document at [begin, end) saying `body`. `flattened`: written in Gloo's flattened form.
Result<std::string> text_with_document(std::string_view file, size_t begin, size_t end, const Node& body,
                                       bool flattened);
// With a document more at its end; `file` may be empty.
Result<std::string> text_with_new_document(std::string_view file, const Node& body);
// Without the documents, which are in their order; nothing when no other is left.
Result<std::optional<std::string>> text_without_documents(std::string_view file, std::span<const DocumentSpan> gone);

// Gloo's file form of an object: metadata and the fields of spec side by side.
Node flattened(const Node& body);

}  // namespace sluice
