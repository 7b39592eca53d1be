// The forms in which objects go out: as they are, as a Table (what `kubectl get` prints), or their metadata only.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/time.h"
#include "config/node.h"
#include "control/api/failure.h"
#include "control/api/request.h"
#include "control/store/kinds.h"
#include "control/store/object_store.h"

namespace sluice {

enum class Form : uint8_t { object, table, metadata };
enum class Include : uint8_t { none, metadata, object };  // what a table row carries along

struct Representation {
  Form form = Form::object;
  Include include = Include::metadata;

  // What the Accept field and `includeObject` ask for; 406 when it is nothing we have.
  static ApiOutcome<Representation> choose(const ApiRequest& request, const Query& query);
};

struct ListPage {
  std::vector<View> items;
  std::string version;     // resourceVersion of the list
  std::string next;        // continue token, "" on the last page
  int64_t remaining = -1;  // how many follow, -1: not said
};

// The body of an answer: one JSON value and the end of its line.
std::string represent(const Representation& as, const Kind& kind, const View& view, WallTime now);
std::string represent_list(const Representation& as, const Kind& kind, const ListPage& page, WallTime now);
// Appends one object as a watch event carries it. Only the first of a watch has the columns of a table.
void represent_event(std::string& out, const Representation& as, const Kind& kind, const View& view, WallTime now,
                     bool first);

// "Accepted", "Warning", "Rejected", "Pending" or "": the worst of all reporters.
std::string_view status_state(const Node& view);
// As kubectl prints ages: "5s", "3m20s", "4h", "12d".
std::string human_duration(Nanos age);

}  // namespace sluice
