#include "config/broken_text.h"

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "base/strings.h"
#include "config/kinds/kinds.h"

namespace sluice {
namespace {

// "[a, 'b']", or lines of "- a".
std::vector<std::string> domains_in(std::string_view text) {
  constexpr std::string_view kField = "domains";
  constexpr std::string_view kBetween = " \t\r\n,\"'";
  constexpr size_t kDomainsMax = 1000;
  std::vector<std::string> domains;
  for (size_t at = text.find(kField); at != std::string_view::npos && domains.size() < kDomainsMax;
       at = text.find(kField, at + 1)) {
    std::string_view rest = text.substr(at + kField.size());
    if (rest.starts_with('"') || rest.starts_with('\'')) rest.remove_prefix(1);
    if (!rest.starts_with(':')) continue;
    rest.remove_prefix(1);
    bool in_brackets = false;
    while (domains.size() < kDomainsMax) {
      rest.remove_prefix(std::min(rest.find_first_not_of(kBetween), rest.size()));
      if (!in_brackets && (rest.starts_with('[') || rest.starts_with("- "))) {
        in_brackets = rest.starts_with('[');
        rest.remove_prefix(1);
        rest.remove_prefix(std::min(rest.find_first_not_of(kBetween), rest.size()));
      } else if (!in_brackets) {
        break;
      }
      const size_t end = std::min(rest.find_first_of(" \t\r\n,\"'[]{}#"), rest.size());
      if (end == 0) break;
      domains.emplace_back(rest.substr(0, end));
      rest.remove_prefix(end);
    }
  }
  return domains;
}

}  // namespace

bool may_hold_gateway(std::string_view bytes) {
  return std::ranges::any_of(split(bytes, '\n'), [](std::string_view line) {
    line = trim(line);
    if (line.starts_with("- ")) line = trim(line.substr(2));
    return line.starts_with("kind: Gateway") || line.starts_with("\"kind\": \"Gateway");
  });
}

std::optional<Node> service_in(std::string_view bytes) {
  Node domains = Node::make_list();
  for (std::string& domain : domains_in(bytes)) domains.list()->push_back(Node(std::move(domain)));
  if (domains.list()->empty()) return std::nullopt;
  const kinds::KindInfo& kind = *kinds::kind_named("VirtualService");
  Node document = Node::make_map();
  document.set("apiVersion", Node(kind.api_version()));
  document.set("kind", Node(kind.kind));
  document.child("metadata").set("name", Node("unnamed"));
  document.child("spec").child("virtualHost").set("domains", std::move(domains));
  return document;
}

}  // namespace sluice
