// Any method, path and body against the bookstore: no crash; a message that is made is one, and shows as JSON that
// makes it again. Arrays are cut as one likes. Templates that are parsed match what they say.
#include <cstdint>
#include <string>
#include <vector>

#include "base/check.h"
#include "engines/transcoding/json_array.h"
#include "engines/transcoding/path_template.h"
#include "engines/transcoding/rule_tree.h"
#include "engines/transcoding/testing.h"
#include "engines/transcoding/transcoder.h"

namespace {

using namespace sluice;
using namespace sluice::transcoding;

constexpr std::string_view kMethods[] = {"GET", "POST", "PUT", "PATCH", "LOCK"};

const Transcoder& bookstore() {
  static const auto transcoder = *Transcoder::create(
      descriptor_set_of(kBookstore),
      {.services = {"bookstore.Bookstore"}, .ignored_query_parameters = {"key"}, .convert_status = true});
  return *transcoder;
}

void ask(std::string_view method, std::string_view path, std::string_view body) {
  const auto call = bookstore().find(method, path);
  if (!call) return;
  std::string message;
  const bool made = call->method().takes_raw
                        ? call->append_raw({"a/b", std::string(body)}, Call::Place::first, message).has_value()
                        : call->append_message(body, Call::Place::first, message).has_value();
  // What came may be any bytes, and of another type.
  std::string json;
  const bool shown = call->method().gives_raw ? call->raw(body).has_value() : call->append_json(body, json).has_value();
  if (!made || shown) return;
}

std::vector<std::string> elements(std::string_view text, size_t piece, bool& whole) {
  JsonArray array(64);
  std::vector<std::string> out;
  while (!text.empty()) {
    const auto step = array.take(text.substr(0, piece));
    if (!step) break;
    CHECK(step->read > 0);
    if (step->element) out.push_back(array.element());
    text.remove_prefix(step->read);
  }
  whole = text.empty() && array.ended();
  return out;
}

void cut(std::string_view text, size_t piece) {
  bool whole = false, in_pieces = false;
  CHECK(elements(text, SIZE_MAX, whole) == elements(text, piece, in_pieces));
  CHECK(whole == in_pieces);
}

// A path made of a template, with "x" for each "*", is found, and its variables are what stands there.
void match(std::string_view text) {
  const auto path = PathTemplate::parse(text);
  if (!path) return;
  RuleTree tree;
  CHECK(tree.add("GET", *path, 7));
  std::string made;
  for (const std::string& segment : path->segments) made += "/" + (segment.starts_with('*') ? "x" : segment);
  if (made.empty()) made = "/";
  if (!path->verb.empty()) made += ":" + path->verb;
  const auto found = tree.find("GET", made);
  CHECK(found && found->rule == 7);
  for (const TemplateVariable& variable : path->variables) value_of(variable, *path, found->segments);
  CHECK(!tree.find("POST", made));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size < 2) return 0;
  const std::string_view text(reinterpret_cast<const char*>(data) + 2, size - 2);
  const size_t line = text.find('\n');
  const std::string_view path = text.substr(0, line);
  const std::string_view body = line == std::string_view::npos ? "" : text.substr(line + 1);
  ask(kMethods[data[0] % std::size(kMethods)], path, body);
  cut(body, data[1] % 7 + 1);
  match(path);
  bookstore().status_json(body);
  return 0;
}
