#include "control/api/representation.h"

#include <algorithm>
#include <array>

#include "base/strings.h"

namespace sluice {
namespace {

constexpr std::array<std::string_view, 4> kStates{"Accepted", "Pending", "Warning", "Rejected"};  // from good to bad

// The statuses of all reporters: today's layout nests them under `statuses`, the older one has a single one.
template <class Visit>
void each_status(const Node& view, Visit visit) {
  const Node* status = view.find("status");
  if (!status) return;
  if (const Node* statuses = status->find("statuses"); statuses && statuses->map()) {
    for (const NodeMember& reporter : *statuses->map()) visit(reporter.value);
  } else {
    visit(*status);
  }
}

const Node* worst_status(const Node& view) {
  const Node* worst = nullptr;
  ptrdiff_t rank = -1;
  each_status(view, [&](const Node& status) {
    const auto found = std::ranges::find(kStates, status.text_at({"state"}));
    const ptrdiff_t here = found == kStates.end() ? -1 : found - kStates.begin();
    if (here > rank) {
      rank = here;
      worst = &status;
    }
  });
  return worst;
}

// A reason is several lines; a cell is one.
std::string one_line(std::string_view text) {
  std::string line;
  for (const char c : text) {
    const bool space = ascii_space(c);
    if (space && (line.empty() || line.back() == ' ')) continue;
    line += space ? ' ' : c;
  }
  return std::string(trim(line));
}

std::string age_cell(const Node& view, WallTime now) {
  const auto created = parse_iso(view.text_at({"metadata", "creationTimestamp"}));
  return created ? human_duration(now - *created) : "<unknown>";
}

size_t data_count(const Node& view) {
  size_t count = 0;
  for (const auto field : {"data", "binaryData"})
    if (const Node* data = view.find(field); data && data->map()) count += data->map()->size();
  return count;
}

Node column(std::string_view name, std::string_view type, std::string_view description, int priority = 0) {
  return Node::make_map({{"name", name},
                         {"type", type},
                         {"format", name == "Name" ? "name" : ""},
                         {"description", description},
                         {"priority", priority}});
}

Node columns_of(const Kind& kind) {
  Node::List columns;
  columns.push_back(column("Name", "string", "Name of the object, unique in its namespace."));
  if (kind.kind == "Secret") columns.push_back(column("Type", "string", "What the data is for."));
  if (is_core(kind) && kind.kind != "Namespace")
    columns.push_back(column("Data", "integer", "How many entries it has."));
  if (!is_core(kind) || kind.kind == "Namespace")
    columns.push_back(column("Status", "string", "Whether the object is in force: Accepted, Warning or Rejected."));
  columns.push_back(column("Age", "string", "How long it has been there."));
  if (!is_core(kind)) columns.push_back(column("Reason", "string", "Why it has that status.", 1));
  return columns;
}

Node cells_of(const Kind& kind, const Node& view, WallTime now) {
  Node::List cells;
  cells.push_back(view.text_at({"metadata", "name"}));
  if (kind.kind == "Secret") cells.push_back(view.text_at({"type"}));
  if (kind.kind == "Namespace") {
    cells.push_back(view.text_at({"status", "phase"}));
  } else if (is_core(kind)) {
    cells.push_back(static_cast<int64_t>(data_count(view)));
  } else {
    cells.push_back(status_state(view));
  }
  cells.push_back(age_cell(view, now));
  if (!is_core(kind)) {
    const Node* status = worst_status(view);
    cells.push_back(status ? one_line(status->text_at({"reason"})) : std::string());
  }
  return cells;
}

Node partial_metadata(const Node& view) {
  const Node* metadata = view.find("metadata");
  return Node::make_map({{"kind", "PartialObjectMetadata"},
                         {"apiVersion", "meta.k8s.io/v1"},
                         {"metadata", metadata ? *metadata : Node::make_map()}});
}

// Objects are written where they stand: a copy of each would take many times the memory of the text.
void append_row(std::string& out, const Representation& as, const Kind& kind, const Node& view, WallTime now) {
  out += R"({"cells":)";
  append_json(out, cells_of(kind, view, now));
  if (as.include != Include::none) out += R"(,"object":)";
  if (as.include == Include::metadata) append_json(out, partial_metadata(view));
  if (as.include == Include::object) append_json(out, view);
  out += '}';
}

Node list_metadata(const ListPage& page) {
  Node metadata = Node::make_map({{"resourceVersion", page.version}});
  if (!page.next.empty()) metadata.set("continue", page.next);
  if (page.remaining >= 0) metadata.set("remainingItemCount", page.remaining);
  return metadata;
}

// `head` with one more member: what `append` writes for each view, as a list.
template <class Append>
void append_with_list(std::string& out, const Node& head, std::string_view name, const std::vector<View>& views,
                      Append append) {
  append_json(out, head);
  out.back() = ',';
  append_json_quoted(out, name);
  out += ":[";
  bool first = true;
  for (const View& view : views) {
    if (!std::exchange(first, false)) out += ',';
    append(view.tree());
  }
  out += "]}";
}

enum class Columns : uint8_t { all, none };

void append_table(std::string& out, const Representation& as, const Kind& kind, const ListPage& page, WallTime now,
                  Columns columns) {
  const Node head =
      Node::make_map({{"kind", "Table"},
                      {"apiVersion", "meta.k8s.io/v1"},
                      {"metadata", list_metadata(page)},
                      {"columnDefinitions", columns == Columns::all ? columns_of(kind) : Node::make_list()}});
  append_with_list(out, head, "rows", page.items, [&](const Node& view) { append_row(out, as, kind, view, now); });
}

void append_table_of_one(std::string& out, const Representation& as, const Kind& kind, const View& view, WallTime now,
                         Columns columns) {
  const ListPage page{.items = {view}, .version = std::string(view.tree().text_at({"metadata", "resourceVersion"}))};
  append_table(out, as, kind, page, now, columns);
}

// One entry of an Accept field: a media type and its parameters.
struct MediaRange {
  std::string type;
  std::string as, version, group;
};

MediaRange parse_media_range(std::string_view text) {
  MediaRange range;
  for (const auto part : split(text, ';')) {
    const auto parameter = trim(part);
    if (range.type.empty()) {
      range.type = to_lower(parameter);
    } else if (parameter.starts_with("as=")) {
      range.as = parameter.substr(3);
    } else if (parameter.starts_with("v=")) {
      range.version = parameter.substr(2);
    } else if (parameter.starts_with("g=")) {
      range.group = parameter.substr(2);
    }
  }
  return range;
}

std::optional<Form> form_of(const MediaRange& range) {
  if (range.type != "application/json" && range.type != "*/*" && range.type != "application/*") return std::nullopt;
  if (range.as.empty()) return Form::object;
  if (range.group != "meta.k8s.io" || range.version != "v1") return std::nullopt;
  if (range.as == "Table") return Form::table;
  if (range.as == "PartialObjectMetadata" || range.as == "PartialObjectMetadataList") return Form::metadata;
  return std::nullopt;
}

void append_object(std::string& out, const Representation& as, const Kind& kind, const View& view, WallTime now) {
  if (as.form == Form::table) return append_table_of_one(out, as, kind, view, now, Columns::all);
  if (as.form == Form::metadata) return append_json(out, partial_metadata(view.tree()));
  append_json(out, view.tree());
}

void append_page(std::string& out, const Representation& as, const Kind& kind, const ListPage& page, WallTime now) {
  if (as.form == Form::table) return append_table(out, as, kind, page, now, Columns::all);
  const bool partial = as.form == Form::metadata;
  const Node head =
      Node::make_map({{"kind", partial ? std::string("PartialObjectMetadataList") : std::string(kind.kind) + "List"},
                      {"apiVersion", partial ? "meta.k8s.io/v1" : kind.api_version()},
                      {"metadata", list_metadata(page)}});
  append_with_list(out, head, "items", page.items, [&](const Node& view) {
    if (partial)
      append_json(out, partial_metadata(view));
    else
      append_json(out, view);
  });
}

}  // namespace

ApiOutcome<Representation> Representation::choose(const ApiRequest& request, const Query& query) {
  Representation as;
  const auto include = query.get("includeObject");
  if (include == "None") {
    as.include = Include::none;
  } else if (include == "Object") {
    as.include = Include::object;
  } else if (!include.empty() && include != "Metadata") {
    return bad_request("includeObject: expected None, Metadata or Object");
  }
  const auto accept = request.header("accept");
  if (trim(accept).empty()) return as;
  // In the order of the field; clients put what they like best first.
  for (const auto entry : split(accept, ',')) {
    if (const auto form = form_of(parse_media_range(entry))) {
      as.form = *form;
      return as;
    }
  }
  return std::unexpected(Failure{.code = 406,
                                 .reason = "NotAcceptable",
                                 .message = "only the following media types are accepted: application/json, "
                                            "application/json;as=Table;v=v1;g=meta.k8s.io, "
                                            "application/json;as=PartialObjectMetadata;v=v1;g=meta.k8s.io"});
}

std::string represent(const Representation& as, const Kind& kind, const View& view, WallTime now) {
  std::string body;
  append_object(body, as, kind, view, now);
  body += '\n';
  return body;
}

std::string represent_list(const Representation& as, const Kind& kind, const ListPage& page, WallTime now) {
  std::string body;
  append_page(body, as, kind, page, now);
  body += '\n';
  return body;
}

void represent_event(std::string& out, const Representation& as, const Kind& kind, const View& view, WallTime now,
                     bool first) {
  if (as.form == Form::table)
    return append_table_of_one(out, as, kind, view, now, first ? Columns::all : Columns::none);
  append_object(out, as, kind, view, now);
}

std::string_view status_state(const Node& view) {
  const Node* worst = worst_status(view);
  return worst ? worst->text_at({"state"}) : std::string_view();
}

// The thresholds of Kubernetes' duration.HumanDuration.
std::string human_duration(Nanos age) {
  const int64_t seconds = std::chrono::floor<Seconds>(age).count();
  if (seconds < -1) return "<invalid>";
  if (seconds < 0) return "0s";
  if (seconds < 120) return fmt::format("{}s", seconds);
  const int64_t minutes = seconds / 60;
  if (minutes < 10)
    return seconds % 60 == 0 ? fmt::format("{}m", minutes) : fmt::format("{}m{}s", minutes, seconds % 60);
  if (minutes < 180) return fmt::format("{}m", minutes);
  const int64_t hours = minutes / 60;
  if (hours < 8) return minutes % 60 == 0 ? fmt::format("{}h", hours) : fmt::format("{}h{}m", hours, minutes % 60);
  if (hours < 48) return fmt::format("{}h", hours);
  const int64_t days = hours / 24;
  if (days < 8) return hours % 24 == 0 ? fmt::format("{}d", days) : fmt::format("{}d{}h", days, hours % 24);
  if (days < 730) return fmt::format("{}d", days);
  const int64_t years = days / 365;
  if (years < 8) return days % 365 == 0 ? fmt::format("{}y", years) : fmt::format("{}y{}d", years, days % 365);
  return fmt::format("{}y", years);
}

}  // namespace sluice
