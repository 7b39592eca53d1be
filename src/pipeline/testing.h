// A harness for filters: config in, request in, response out, on a clock that is turned by hand.
//
//   FilterHarness gateway(jwt_filter());
//   gateway.virtual_host("jwt: {providers: {p: {issuer: me, ...}}}");     // YAML of virtualHost.options
//   gateway.upstream = [](Request& request) { return ...; };              // default: 200 "ok"
//   auto answer = gateway.send({.headers = {{"authorization", "Bearer x"}}});
//   EXPECT_EQ(answer.status, 401);
#pragma once

#include <functional>
#include <map>
#include <string>
#include <vector>

#include "config/kinds/proxy_settings.h"
#include "io/loop.h"
#include "pipeline/filter.h"

namespace sluice {

// A body that comes in the pieces given, each after a turn of the loop when `slowly`.
class PiecesBody final : public BodyReader {
 public:
  PiecesBody(Loop& loop, std::vector<std::string> pieces, bool slowly)
      : loop_(loop), pieces_(std::move(pieces)), slowly_(slowly) {}
  Task<Chunk> read() override;
  bool asked() const { return at_ > 0; }

 private:
  Task<Chunk> read_slowly();
  Chunk next();

  Loop& loop_;
  std::vector<std::string> pieces_;
  bool slowly_;
  size_t at_ = 0;
};

class FilterHarness {
 public:
  struct Ask {
    std::string method = "GET";
    std::string path = "/";
    std::string authority = "api.test";
    std::vector<std::pair<std::string, std::string>> headers;
    std::vector<std::string> body;  // its pieces; empty: no body
    bool slowly = false;            // the pieces come one by one
  };
  struct Answer {
    uint16_t status = 0;
    std::vector<std::pair<std::string, std::string>> headers;
    std::string body;
    std::string details;
    std::string flags;
    std::optional<Error> error;  // an Error left the chain, or the body
    bool reached_upstream = false;
    std::string upstream_body;  // what the upstream read, when it read

    std::optional<std::string> header(std::string_view name) const;
  };
  // What stands behind the filters. Gets the request as the filters left it.
  using Upstream = std::function<Response(Request&)>;

  explicit FilterHarness(const FilterFactory& factory);
  ~FilterHarness();

  // YAML of the options of a level; each replaces what was set before and makes the filters anew. Returns all
  // messages: "" when the options are good.
  std::string listener(std::string_view yaml) { return set_level(OptionLevel::listener, yaml); }
  std::string virtual_host(std::string_view yaml) { return set_level(OptionLevel::virtual_host, yaml); }
  std::string route(std::string_view yaml) { return set_level(OptionLevel::route, yaml); }

  Answer send(const Ask& ask);

  Loop loop;  // manual clock, starting at 2030-01-01T00:00:00Z
  kinds::ProxySettings settings;
  size_t body_buffer_bytes_max = 1 << 20;
  Metrics metrics{1};
  References* references = nullptr;
  std::string cluster;                              // that the route forwards to
  std::function<void(const StreamInfo&)> finished;  // called with what is known of an exchange at its end
  OwnedLoops loops{{&loop}};
  std::vector<WorkerPlace> workers;
  Preparations preparations;
  std::vector<std::string> warnings;  // of the filter that was built last
  Upstream upstream;
  // Whether the upstream reads the request's body before it answers.
  bool upstream_reads_body = true;
  bool accepts_trailers = false;  // of every request
  // Called by choose_route_again(); default: the route stays. False: none fits.
  std::function<bool(Request&)> reroute;
  const Chain& chain() const { return chain_; }
  std::vector<std::string> without_effect;  // "field: why", as it was said when the filters were made last
  // Ends the filters, with what they have under way: before what they use goes.
  void clear();

 private:
  class Terminal;
  class Reroute;
  std::string set_level(OptionLevel level, std::string_view yaml);
  std::string rebuild();
  Task<void> run(Request& request, Answer& answer);

  const FilterFactory& factory_;
  std::map<OptionLevel, OptionSet> levels_;
  KeptState kept_;
  Chain chain_;
};

// A response for `upstream`: text body in one piece, or pieces.
Response make_response(Request& request, uint16_t status,
                       const std::vector<std::pair<std::string, std::string>>& headers,
                       std::vector<std::string> body_pieces, bool slowly = false, bool with_length = true);

}  // namespace sluice
