// Any file, any other document to put in its place: what comes out says exactly that, or an error.
#include <cstdlib>

#include "config/documents.h"
#include "control/store/document_text.h"

using namespace sluice;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view input(reinterpret_cast<const char*>(data), size);
  const auto cut = std::min(input.find('\f'), input.size());
  const auto file = input.substr(0, cut);
  const DocumentLimits limits{.bytes_max = 1 << 16, .nodes_max = 10'000};
  const auto documents = parse_documents(file, limits);
  const auto patch = parse_documents(input.substr(std::min(cut + 1, input.size())), limits);
  if (!documents || !patch || patch->empty()) return 0;
  std::vector<DocumentSpan> gone;
  for (const Document& document : *documents) {
    gone.push_back({document.begin, document.end});
    Node wanted = document.node;
    merge_patch(wanted, patch->front().node);
    const auto text = text_with_document(file, document.begin, document.end, wanted, false);
    if (text && !parse_documents(*text)) std::abort();
    // The document alone, and all up to it.
    for (const auto some : {std::span(gone).last(1), std::span(gone)}) {
      const auto without = text_without_documents(file, some);
      if (without && *without && parse_documents(**without)->size() != documents->size() - some.size()) std::abort();
    }
  }
  return 0;
}
