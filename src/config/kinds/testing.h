// For tests of kinds: one spec from YAML, and what was said about it.
#pragma once

#include <gtest/gtest.h>

#include "config/documents.h"
#include "config/kinds/kinds.h"

namespace sluice::kinds {

// One object of a kind from its spec in YAML, and what was said about it.
struct Outcome {
  Spec spec;
  std::string said;  // a line each, without the name of the object
};

inline Outcome read_kind(std::string_view kind, std::string_view spec, bool warnings = true) {
  const KindInfo* info = find_resource(kind);
  EXPECT_NE(info, nullptr) << kind;
  const auto documents = parse_documents(spec);
  EXPECT_TRUE(documents.has_value()) << spec << ": " << (documents ? "" : documents.error().message);
  Outcome out;
  if (!documents) return out;
  Diagnostics diagnostics;
  ReadContext context{
      .file = {}, .object = {}, .diagnostics = &diagnostics, .option_fields = {}, .redact = kind == "secret"};
  Reader reader(context);
  info->read(documents->empty() ? Node::make_map() : documents->front().node, reader, out.spec);
  diagnostics.sort_by_line();
  for (const Diagnostic& d : diagnostics.all()) {
    if (d.severity == Severity::warning && !warnings) continue;
    out.said += fmt::format("{}{}: {}{}", out.said.empty() ? "" : "\n", d.path,
                            d.severity == Severity::warning ? "warning: " : "", d.sentence());
  }
  return out;
}

template <class T>
T good(std::string_view kind, std::string_view spec) {
  Outcome out = read_kind(kind, spec);
  EXPECT_EQ(out.said, "") << spec;
  return std::get<T>(std::move(out.spec));
}

struct BadRow {
  std::string spec;
  const char* said;  // the beginning of it
};
inline void expect_bad(std::string_view kind, std::initializer_list<BadRow> rows) {
  for (const BadRow& row : rows) {
    const std::string said = read_kind(kind, row.spec).said;
    EXPECT_TRUE(said.starts_with(row.said)) << row.spec << "\n  got:  " << said << "\n  want: " << row.said;
  }
}

}  // namespace sluice::kinds
