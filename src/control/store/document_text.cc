#include "control/store/document_text.h"

#include <algorithm>
#include <vector>

#include "base/strings.h"
#include "config/documents.h"
#include "config/kinds/metadata.h"
#include "control/store/yaml_edit.h"

namespace sluice {
namespace {

Result<std::vector<Document>> parse(std::string_view file) {
  auto documents = parse_documents(file);
  if (!documents)
    return fail(ErrorKind::conflict, fmt::format("the file cannot be parsed: line {}: {}", documents.error().place.line,
                                                 documents.error().message));
  return std::move(*documents);
}

// Whether `text` says what `before` says, but for the document at `index`: that one says `wanted`.
bool says(std::string_view text, const std::vector<Document>& before, size_t index, const Node& wanted) {
  const auto after = parse_documents(text);
  if (!after || after->size() != std::max(before.size(), index + 1)) return false;
  for (size_t i = 0; i < after->size(); ++i)
    if ((*after)[i].node != (i == index ? wanted : before[i].node)) return false;
  return true;
}

std::unexpected<Error> cannot_write() {
  return fail(ErrorKind::denied,
              "the file is written in a way in which one object cannot be changed alone: change the file by hand");
}

bool is_json(std::string_view file, size_t documents) {
  const auto first = file.find_first_not_of(" \t\r\n");
  return documents == 1 && first != file.npos && file[first] == '{';
}

// The lines of comment at the beginning of a document.
std::string_view leading_comment(std::string_view document) {
  size_t at = 0;
  while (at < document.size()) {
    const auto end = std::min(document.find('\n', at), document.size() - 1) + 1;
    const auto line = trim(document.substr(at, end - at - 1));
    if (!line.empty() && line.front() != '#' && line != "\r") break;
    at = end;
  }
  return document.substr(0, at);
}

// A trailing comment belongs to what comes next; its lines are kept too.
std::string_view trailing_comment(std::string_view document) {
  size_t at = document.size();
  while (at > 0) {
    const auto before = document.substr(0, at - 1);
    const auto start = before.rfind('\n') == before.npos ? 0 : before.rfind('\n') + 1;
    const auto line = trim(document.substr(start, at - start));
    if (!trim(line).empty() && !line.starts_with('#') && line != "\n" && line != "\r\n") break;
    at = start;
  }
  return document.substr(at);
}

}  // namespace

Node flattened(const Node& body) {
  Node flat = Node::make_map();
  if (const Node* metadata = body.find("metadata")) flat.set("metadata", *metadata);
  if (const Node* spec = body.find("spec"); spec && spec->map())
    for (const NodeMember& field : *spec->map()) flat.set(field.key, field.value);
  return flat;
}

Result<std::string> text_with_document(std::string_view file, size_t begin, size_t end, const Node& body, bool flat) {
  const std::vector<Document> documents = TRY(parse(file));
  const auto found = std::ranges::find(documents, begin, &Document::begin);
  if (found == documents.end() || found->end != end) return cannot_write();
  const auto index = static_cast<size_t>(found - documents.begin());
  Node wanted = flat ? flattened(body) : body;
  // A document that leaves the default namespace out goes on doing so.
  const bool unsaid = found->node.text_at({"metadata", "namespace"}).empty();
  if (unsaid && wanted.text_at({"metadata", "namespace"}) == kinds::kDefaultNamespace)
    wanted.child("metadata").erase("namespace");
  if (is_json(file, documents.size())) return to_json(wanted, JsonStyle::indented) + "\n";

  if (auto edited = edit_yaml(file, begin, end, found->node, wanted); edited && says(*edited, documents, index, wanted))
    return std::move(*edited);
  const std::string_view old = file.substr(begin, end - begin);
  const std::string_view first = leading_comment(old);
  const std::string_view last = first.size() == old.size() ? std::string_view() : trailing_comment(old);
  for (const std::string& text : {std::string(first) + to_yaml(wanted) + std::string(last), to_yaml(wanted)}) {
    std::string whole = replace_document(file, begin, end, text);
    if (says(whole, documents, index, wanted)) return whole;
  }
  return cannot_write();
}

Result<std::string> text_with_new_document(std::string_view file, const Node& body) {
  const std::vector<Document> documents = TRY(parse(file));
  std::string whole = append_document(file, to_yaml(body));
  if (!says(whole, documents, documents.size(), body)) return cannot_write();
  return whole;
}

Result<std::optional<std::string>> text_without_documents(std::string_view file, std::span<const DocumentSpan> gone) {
  std::vector<Document> documents = TRY(parse(file));
  std::vector<Document> left;
  auto next = gone.begin();
  for (Document& document : documents) {
    if (next != gone.end() && next->begin == document.begin && next->end == document.end)
      ++next;
    else
      left.push_back(std::move(document));
  }
  if (next != gone.end()) return cannot_write();
  if (left.empty()) return std::nullopt;
  std::string whole = remove_documents(file, gone);
  const auto after = parse_documents(whole);
  if (!after || !std::ranges::equal(*after, left, {}, &Document::node, &Document::node)) return cannot_write();
  return whole;
}

}  // namespace sluice
