// Files into trees: YAML with several documents, and JSON. Everything is bounded, and nothing is guessed: duplicate
// keys, bytes that are not UTF-8, control characters, aliases that explode and trees that are too deep are refused.
//
// Scalars are read as kubectl reads them (YAML 1.1 words): plain true, yes, on, false, no, off are booleans; null, ~
// and nothing are null; 0x1F, 0o17, 017 and 1_000 are whole numbers; .5, 1e3, .inf are numbers; dates are text. Quoted
// is always text. `<<: *anchor` merges maps.
#pragma once

#include <expected>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "config/node.h"

namespace sluice {

struct DocumentLimits {
  size_t bytes_max = size_t{8} << 20;  // one file
  unsigned depth_max = 64;
  size_t nodes_max = 1'000'000;  // values of the whole file, after aliases are followed
};

struct SyntaxError {
  Place place;
  std::string message;
};

// One document of a file and the bytes [begin, end) it takes there, without its `---` line. Comments before the first
// `---` are outside of it.
struct Document {
  Node node;
  size_t begin = 0;
  size_t end = 0;
};

// Documents without content are left out. A file whose first byte (after blanks) is `{` is read as JSON if it is JSON.
std::expected<std::vector<Document>, SyntaxError> parse_documents(std::string_view file,
                                                                  const DocumentLimits& limits = {});

std::expected<Node, SyntaxError> parse_json(std::string_view text, const DocumentLimits& limits = {});

struct DocumentSpan {
  size_t begin = 0;
  size_t end = 0;
};

// The file with the bytes of one document replaced (the new text is YAML of one document), or with documents (in their
// order) and a separator of each taken out, or with a document behind the last. All other bytes stay.
std::string replace_document(std::string_view file, size_t begin, size_t end, std::string_view yaml);
std::string remove_documents(std::string_view file, std::span<const DocumentSpan> documents);
std::string append_document(std::string_view file, std::string_view yaml);

}  // namespace sluice
