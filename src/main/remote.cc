// Commands that ask a running sluice: proxy, get, kubeconfig.
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <thread>

#include "base/encoding.h"
#include "base/strings.h"
#include "config/documents.h"
#include "config/kinds/kinds.h"
#include "main/commands.h"
#include "main/http_get.h"

namespace sluice {
namespace {

int tell(const Error& error) {
  fmt::print(stderr, "sluice: {}\n", error.message);
  return error.kind == ErrorKind::refused ? kNotRunning : error.kind == ErrorKind::invalid ? kUsage : kSystemError;
}

// "host:port" of the first open Gateway; empty when there is none yet.
Result<std::string> first_gateway(const OwnServer& admin) {
  const AdminAnswer answer = TRY(http_get(admin, "/listeners"));
  const auto list = parse_json(answer.body);
  if (answer.status != 200 || !list || !list->list())
    return fail(ErrorKind::refused, fmt::format("what answers at {} is no sluice", admin.address));
  if (list->list()->empty()) return std::string();
  const Node& first = list->list()->front();
  std::string host(first.text_at({"address"}));
  if (host == "0.0.0.0" || host == "::") host = "127.0.0.1";  // a wildcard is no address to connect to
  if (host.contains(':')) host = "[" + host + "]";
  return fmt::format("{}:{}", host, to_json(*first.find("port")));
}

// As kubectl: with their namespaces in front where objects of all were asked for.
void print_table(const Node& table, bool with_namespaces) {
  std::vector<std::vector<std::string>> rows(1);
  if (with_namespaces) rows[0].push_back("NAMESPACE");
  const size_t first = rows[0].size();
  size_t columns = first;
  if (const Node* definitions = table.find("columnDefinitions"); definitions && definitions->list())
    for (const Node& column : *definitions->list()) {
      const Node* priority = column.find("priority");
      if (priority && to_json(*priority) != "0") continue;
      rows[0].push_back(to_upper(column.text_at({"name"})));
      ++columns;
    }
  if (const Node* list = table.find("rows"); list && list->list())
    for (const Node& row : *list->list()) {
      auto& cells = rows.emplace_back();
      if (with_namespaces) cells.emplace_back(row.text_at({"object", "metadata", "namespace"}));
      const Node* values = row.find("cells");
      for (size_t i = 0; values && values->list() && i < std::min(columns - first, values->list()->size()); ++i) {
        const Node& cell = (*values->list())[i];
        cells.push_back(cell.text() ? std::string(*cell.text()) : to_json(cell));
      }
    }
  std::vector<size_t> widths(columns);
  for (const auto& row : rows)
    for (size_t i = 0; i < row.size(); ++i) widths[i] = std::max(widths[i], row[i].size());
  for (const auto& row : rows) {
    std::string line;
    for (size_t i = 0; i < row.size(); ++i)
      line += i + 1 < row.size() ? fmt::format("{:<{}}   ", row[i], widths[i]) : row[i];
    fmt::print("{}\n", line);
  }
}

// As far as it decides what the path of a request means.
bool is_object_name(std::string_view name) {
  return std::ranges::all_of(
             name, [](char c) { return ascii_alpha(c) || ascii_digit(c) || c == '-' || c == '.' || c == '_'; }) &&
         name != "." && name != "..";
}

}  // namespace

int proxy_command(const ProxyAddress& options, bool url) {
  const auto until = std::chrono::steady_clock::now() + std::chrono::duration<double>(options.wait_seconds);
  for (;;) {
    const auto address = first_gateway(options.admin);
    if (address && !address->empty()) {
      fmt::print("{}{}\n", url ? "http://" : "", *address);
      return kOk;
    }
    if (std::chrono::steady_clock::now() >= until) {
      if (!address) return tell(address.error());
      fmt::print(stderr, "sluice: no Gateway is open: `sluice get gw` tells why\n");
      return kNotRunning;
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(20));  // a person waits, not a test
  }
}

int get_command(const GetObjects& options) {
  const kinds::KindInfo* kind = kinds::find_resource(options.resource);
  if (kind && !kind->supported) {
    fmt::print(stderr, "sluice: {} is not supported yet\n", kind->kind);
    return kUsage;
  }
  for (const std::string& name : {options.name, options.ns}) {
    if (is_object_name(name)) continue;
    fmt::print(stderr, "sluice: no object or namespace can be called {}\n", json_quote(printable(name, 60)));
    return kUsage;
  }
  if (!kind) {
    fmt::print(stderr,
               "sluice: there is no kind \"{}\"; try vs, gw, us, secret, configmap, egresspolicies, proxysettings\n",
               options.resource);
    return kUsage;
  }
  std::string path = kind->group.empty() ? "/api/v1" : fmt::format("/apis/{}/{}", kind->group, kind->version);
  const std::string ns = options.ns.empty() && !options.name.empty() ? "gloo-system" : options.ns;
  if (!ns.empty()) path += "/namespaces/" + ns;
  path += fmt::format("/{}", kind->plural);
  if (!options.name.empty()) path += "/" + options.name;
  const bool table = options.output == "table";
  const auto answer =
      http_get(options.api, path, table ? "application/json;as=Table;v=v1;g=meta.k8s.io" : "application/json");
  if (!answer) return tell(answer.error());
  const auto node = parse_json(answer->body);
  if (!node) return tell(Error{.kind = ErrorKind::refused, .message = "what answers is no sluice API"});
  if (answer->status != 200) {
    fmt::print(stderr, "sluice: {}\n", node->text_at({"message"}));
    return answer->status == 404 ? kConfigErrors : kSystemError;
  }
  if (table)
    print_table(*node, ns.empty());
  else if (options.output == "yaml")
    fmt::print("{}", to_yaml(*node));
  else
    fmt::print("{}\n", to_json(*node, JsonStyle::indented));
  return kOk;
}

int kubeconfig_command(const OwnServer& api) {
  const auto own = parse_own_address(api);
  if (!own) return tell(own.error());
  std::string authority, user = " {}";
  if (own->tls) {
    const auto credentials = read_own_credentials(api.state_folder, api.ca_file, api.token_file);
    if (!credentials) return tell(credentials.error());
    if (!credentials->ca.empty())
      authority = fmt::format("    certificate-authority-data: {}\n", base64_encode(credentials->ca));
    user = "\n    token: " + json_quote(credentials->token);
  }
  fmt::print(
      "apiVersion: v1\nkind: Config\ncurrent-context: sluice\n"
      "clusters:\n- name: sluice\n  cluster:\n    server: {}://{}\n{}"
      "contexts:\n- name: sluice\n  context:\n    cluster: sluice\n    namespace: gloo-system\n    user: sluice\n"
      "users:\n- name: sluice\n  user:{}\n",
      own->tls ? "https" : "http", own->authority, authority, user);
  return kOk;
}

}  // namespace sluice
