// sluice docs: the pages that are made from the code itself, so that they cannot say anything else than the program
// does.
#include <algorithm>
#include <map>

#include "base/log.h"
#include "clients/http_client.h"
#include "config/schema.h"
#include "control/api_service.h"
#include "control/control_plane.h"
#include "control/token_gate.h"
#include "control/translate.h"
#include "filters/all.h"
#include "forward/budget.h"
#include "forward/cluster.h"
#include "forward/dns/dns_metrics.h"
#include "forward/dynamic_upstream.h"
#include "http/body_budget.h"
#include "io/descriptors.h"
#include "io/ring.h"
#include "main/commands.h"
#include "observe/log_file.h"
#include "observe/process.h"
#include "observe/prometheus.h"
#include "serve/connection_limit.h"
#include "serve/listener_config.h"
#include "serve/tcp_server.h"

namespace sluice {
namespace {

void print_head(std::string_view title, std::string_view text) {
  fmt::print("# {}\n\nMade by `sluice docs` from the code (`make docs`); edit the code instead.\n\n{}\n", title, text);
}

// --- kinds ------------------------------------------------------------------------------------------------------

// Filters have a page of their own; on each level of each kind, one line stands for theirs.
std::vector<OptionField> one_line_each() {
  std::vector<OptionField> out;
  for (const FilterFactory* filter : all_filters())
    for (const OptionField& field : filter->option_fields())
      out.emplace_back(field.name(), field.levels(),
                       fmt::format("{} Its fields: [{}](filters.md#{})", field.doc(), filter->name(), filter->name()),
                       kValueType<Node>);
  return out;
}

void print_kinds() {
  print_head(
      "Kinds",
      "The objects sluice reads from files, folders and its API, and every field they may have. `[]` stands for each "
      "entry of a list,\n"
      "`{}` for each value of a map. A field that is not listed here is an error; one that Gloo has and sluice has not "
      "yet is\n"
      "refused with \"not supported yet\". `sluice check PATH` tells everything that is wrong with a file at once.\n\n"
      "Durations are written `250ms`, `5s`, `1m30s`, `1h`. A reference without namespace means the namespace of the "
      "object it stands in.\n\n"
      "Annotations (`metadata.annotations`) are kept for whoever wrote them; these are read, too:\n\n"
      "| annotation | of | meaning |\n| --- | --- | --- |\n"
      "| `gateway.solo.io/isolate_vhost: \"true\"` | Gateway | By TLS, who came in by the sslConfig of one "
      "VirtualService reaches the VirtualServices with that sslConfig alone; without it, all that the Gateway serves "
      "by TLS. |\n"
      "| `resource_kind: \"*v1.Secret\"` | Secret | `data.tls` holds certificate, key and CA as Gloo's older YAML "
      "(`certChain`, `privateKey`, `rootCa`). |\n");
  for (const kinds::KindInfo& kind : kinds::all_kinds())
    if (kind.supported) fmt::print("- [{}](#{})\n", kind.kind, to_lower(kind.kind));
  const std::vector<OptionField> fields = one_line_each();
  DescribedObjects described;
  for (const kinds::KindInfo& kind : kinds::all_kinds()) {
    if (!kind.supported) continue;
    fmt::print("\n## {}\n\n`apiVersion: {}`", kind.kind, kind.api_version());
    if (!kind.short_names.empty()) fmt::print(" · for kubectl also `{}`", fmt::join(kind.short_names, "`, `"));
    described.kind = kind.kind;
    fmt::print("\n\n{}", to_markdown(kind.describe(fields), kind.has_spec ? "spec" : "", &described));
  }
  std::vector<std::string_view> later;
  for (const kinds::KindInfo& kind : kinds::all_kinds())
    if (!kind.supported) later.push_back(kind.kind);
  if (!later.empty()) fmt::print("\n## Not supported yet, and refused\n\n`{}`\n", fmt::join(later, "`, `"));
}

// --- filters ----------------------------------------------------------------------------------------------------

std::string levels_text(OptionLevels levels) {
  std::vector<std::string_view> words;
  for (const OptionLevel level :
       {OptionLevel::listener, OptionLevel::virtual_host, OptionLevel::route, OptionLevel::weighted_destination})
    if (levels.has(level)) words.push_back(option_level_name(level));
  return fmt::format("{}", fmt::join(words, ", "));
}

void print_filters() {
  print_head("Filters",
             "A route's chain holds only the filters that its options switch on, in this order; the response passes "
             "them in reverse.\n");
  std::multimap<Stage, std::string_view> order;  // those of one stage as the build lists them
  for (const FilterFactory* filter : all_filters())
    for (const Stage stage : filter->stages()) order.emplace(stage, filter->name());
  for (const auto& [stage, name] : order) fmt::print("1. {}: [{}](#{})\n", stage_name(stage), name, name);
  fmt::print("1. {}: the destination, a redirect, or a direct response\n", stage_name(Stage::router));
  for (const FilterFactory* filter : all_filters()) {
    fmt::print("\n## {}\n\n", filter->name());
    for (const OptionField& field : filter->option_fields()) {
      const auto value = field.type().make();
      fmt::print("### `options.{}` on {}\n\n{}\n\n{}\n", field.name(), levels_text(field.levels()), field.doc(),
                 to_markdown(describe_value(field.type(), value.get(), {}), field.name()));
    }
  }
}

// --- metrics ----------------------------------------------------------------------------------------------------

void print_metrics() {
  print_head(
      "Metrics",
      "`GET /metrics` of the admin port, for Prometheus. Names are Envoy's where Envoy has the metric; our own "
      "begin with `sluice_`.\n"
      "Durations are in milliseconds over Envoy's buckets, in seconds where the name says so; counters of our own "
      "end in `_total`.\n\n"
      "| names that begin with | labels |\n| --- | --- |\n"
      "| `envoy_http_downstream_` | `envoy_http_conn_manager_prefix`: `http` for Gateways, `admin`, `api` |\n"
      "| `envoy_cluster_` | `envoy_cluster_name`: `<upstream>_<namespace>`, or `solo_io_generated_dfp:<hash>` "
      "for dynamic destinations |\n"
      "| `sluice_client_` | `client`: `jwks` |\n"
      "| ..`_xx` | `envoy_response_code_class`: `1` to `5` |\n");
  std::vector<MetricFamily> families = server_metric_families();
  for (const auto& more :
       {listener_metric_families(), proxy_protocol_metric_families(), tcp_metric_families(),
        tcp_stats_metric_families(), connection_balance_metric_families(), control_plane_metric_families()})
    families.insert(families.end(), more.begin(), more.end());
  for (const auto& more :
       {cluster_metric_families(), ejection_metric_families(), dynamic_metric_families(), translation_metric_families(),
        tls_translation_metric_families(), LogFiles::metrics(), process_metric_families(), descriptor_metric_families(),
        budget_metric_families(), dns_metric_families(), ApiService::metrics(), TokenGate::metrics(),
        ClientMetrics::families(), LogMetrics::families(), connection_limit_metric_families(),
        overload_metric_families(), body_budget_metric_families(), ring_metric_families()})
    families.insert(families.end(), more.begin(), more.end());
  for (const FilterFactory* filter : all_filters())
    for (const MetricFamily& family : filter->metrics()) families.push_back(family);
  fmt::print("{}", metrics_markdown(families));
}

}  // namespace

int docs_command(const std::string& what) {
  if (what == "filters")
    print_filters();
  else if (what == "metrics")
    print_metrics();
  else
    print_kinds();
  return kOk;
}

}  // namespace sluice
