// Which of a port's chains a connection goes to, by the name that a client of TLS asks for, by where it comes from and
// by the ciphers it offers (gloo-core.md 2.7), as Envoy chooses: the name first (exact, then the longest wildcard, then
// chains without names); among chains for that name the one whose range of addresses is narrowest; there the one for
// such ciphers, then the one for any. Where none of those fits nobody takes it, also where a chain for another name
// would.
#pragma once

#include <cstdint>
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
  std::vector<std::string> sni_domains;   // "a.example", "*.example", "*"; empty: any, and none
  std::vector<Cidr> sources;              // empty: any
  std::string name{};                     // for people: "tcpHost a"
  std::vector<uint16_t> cipher_suites{};  // clients of TLS that offer none but these; empty: any
};

// Immutable; any thread.
class ChainTable {
 public:
  // Two that would take the same connections; who comes first keeps them.
  struct Conflict {
    std::string domain;  // "*": where no name is asked for, too
    size_t keeps = 0;
    size_t loses = 0;
  };
  static ChainTable create(std::span<const ChainMatch> chains, std::vector<Conflict>& conflicts);
  // An Error (ErrorKind::conflict) where there is one.
  static Result<ChainTable> create(std::span<const ChainMatch> chains);
  // In Gloo's words.
  static std::string text_of(const Conflict& conflict, std::span<const ChainMatch> chains);

  // `server_name` in lower case, empty for none; `offered` are cipher suites, none where it is no TLS. Nothing: nobody
  // takes it.
  std::optional<size_t> find(std::string_view server_name, const IpAddress& client,
                             std::span<const uint16_t> offered = {}) const;
  // Whether what a client of TLS says makes a difference.
  bool needs_client_hello() const { return !exact_.empty() || !wildcards_.empty() || by_ciphers_; }

 private:
  struct ForCiphers {
    std::vector<uint16_t> suites;
    size_t chain = 0;
  };
  struct Takers {
    std::vector<ForCiphers> by_ciphers;
    std::optional<size_t> any;
  };
  struct Source {
    Cidr range;
    Takers takers;
  };
  struct ForName {
    std::vector<Source> sources;  // the narrowest first
    Takers otherwise;             // for all addresses
  };
  using Names = std::map<std::string, ForName, std::less<>>;
  ForName& of_name(const std::string& domain);
  static std::optional<size_t> find(const ForName& chains, const IpAddress& client, std::span<const uint16_t> offered);
  static std::optional<size_t> find(const Takers& takers, std::span<const uint16_t> offered);
  static std::optional<size_t> add(Takers& takers, const ChainMatch& match, size_t chain);
  static Takers& of_source(ForName& chains, const Cidr& range);

  Names exact_;
  Names wildcards_;  // ".example"
  ForName any_;
  bool by_ciphers_ = false;
};

}  // namespace sluice
