// Which of a port's chains a connection goes to, by the name that a client of TLS asks for and by where it comes from
// (gloo-core.md 2.7), as Envoy chooses: the name first (exact, then the longest wildcard, then chains without names);
// among chains for that name the one whose range of addresses is narrowest. Where none of those has the client's
// address nobody takes it, also where a chain for another name would.
#pragma once

#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/ip.h"
#include "base/result.h"

namespace sluice {

struct ChainMatch {
  std::vector<std::string> sni_domains;  // "a.example", "*.example", "*"; empty: any, and none
  std::vector<Cidr> sources;             // empty: any
  std::string name{};                    // for people: "tcpHost a"
};

// Immutable; any thread.
class ChainTable {
 public:
  // An Error (ErrorKind::conflict, in Gloo's words) where two would take the same connection.
  static Result<ChainTable> create(std::span<const ChainMatch> chains);
  // `server_name` in lower case, empty for none. Nothing: nobody takes it.
  std::optional<size_t> find(std::string_view server_name, const IpAddress& client) const;
  // Whether the name makes a difference.
  bool needs_server_name() const { return !exact_.empty() || !wildcards_.empty(); }

 private:
  struct Source {
    Cidr range;
    size_t chain = 0;
  };
  struct ForName {
    std::vector<Source> sources;      // the narrowest first
    std::optional<size_t> otherwise;  // the chain for all addresses
  };
  using Names = std::map<std::string, ForName, std::less<>>;
  ForName& of_name(const std::string& domain);
  static std::optional<size_t> find(const ForName& chains, const IpAddress& client);
  static std::optional<size_t> add(ForName& chains, const ChainMatch& match, size_t chain);

  Names exact_;
  Names wildcards_;  // ".example"
  ForName any_;
};

}  // namespace sluice
