// HTTP/2 as the simulated hosts speak it. nghttp2 keeps the books of both ends, but the gateway's are kept by other
// code.
#include "http/h2/client_testing.h"
#include "simulation/protocols.h"

namespace sluice::simulation {
namespace {

using h2::TestFields;
using h2::TestHost;

class H2Host final : public HostDriver {
 public:
  explicit H2Host(std::unique_ptr<Stream> stream) : host_(std::move(stream)) {}
  Task<void> serve(const Script& script, std::vector<Heard>& heard) override;

 private:
  // What has become of one of the streams.
  struct Seen {
    size_t place = 0;  // among what was heard
    bool answered = false;
    size_t echoed = 0;
    bool over = false;
  };
  void look(const Script& script, Heard& heard, const TestHost::Asked& asked, Seen& seen);
  void answer(const Script& script, const TestHost::Asked& asked, Seen& seen);
  void tunnel(const TestHost::Asked& asked, Seen& seen);
  void echo(const Script& script, const TestHost::Asked& asked, Seen& seen);
  void leave(const TestHost::Asked& asked, Seen& seen) {
    seen.over = true;
    host_.reset(asked.id, NGHTTP2_CANCEL);
  }

  TestHost host_;
  std::vector<Seen> seen_;
  bool says_goodbye_ = false;
};

// Many requests at a time: whenever something may have come it looks at all of them.
Task<void> H2Host::serve(const Script& script, std::vector<Heard>& heard) {
  // RFC 8441 3: one that does not upgrade does not say this.
  if (script.status == 101) host_.settings({{NGHTTP2_SETTINGS_ENABLE_CONNECT_PROTOCOL, 1}});
  while (!host_.ended && !says_goodbye_) {
    for (size_t i = 0; i < host_.asked.size(); ++i) {
      const TestHost::Asked& asked = host_.asked[i];
      if (i == seen_.size()) {
        seen_.push_back({.place = heard.size()});
        heard.push_back({.method = asked.field(":method"), .path = asked.field(":path")});
      }
      if (!seen_[i].over) look(script, heard[seen_[i].place], asked, seen_[i]);
    }
    auto nap = sleep_for(host_.stream().loop(), 1ms);
    CO_TRY(co_await nap);
  }
  host_.end();
  co_return Status{};
}

void H2Host::look(const Script& script, Heard& heard, const TestHost::Asked& asked, Seen& seen) {
  if (script.leaves == Point::in_head || script.leaves == Point::before_body) return leave(asked, seen);
  if (script.leaves == Point::in_body) {
    if (!asked.body.empty()) leave(asked, seen);
    return;
  }
  if (asked.field(":method") == "CONNECT" && script.status == 101) return tunnel(asked, seen);
  if (script.echoes) echo(script, asked, seen);
  if (script.early) answer(script, asked, seen);
  if (!asked.ended) {
    if (asked.closed) seen.over = true;
    return;
  }
  heard.body = asked.body;
  heard.trailer = asked.trailers.empty() ? "" : asked.trailers[0].second;
  heard.whole = true;
  if (script.leaves == Point::behind) return leave(asked, seen);
  if (script.silent || script.echoes) return;
  answer(script, asked, seen);
  seen.over = true;
}

void H2Host::answer(const Script& script, const TestHost::Asked& asked, Seen& seen) {
  if (std::exchange(seen.answered, true)) return;
  for (const int status : script.interim)
    host_.head(asked.id, {{":status", std::to_string(status)}, {"link", "</x>"}}, false);
  if (script.leaves_then == Point::in_head) return leave(asked, seen);
  TestFields head = {{":status", std::to_string(script.status)}};
  if (script.length_known && script.status != 204)
    head.emplace_back("content-length", std::to_string(script.body.size()));
  const bool bodiless = asked.field(":method") == "HEAD" || script.status == 204 || script.status == 304;
  const bool is_cut = script.leaves_then == Point::before_body || script.leaves_then == Point::in_body;
  host_.head(asked.id, head, bodiless && !is_cut);
  if (script.leaves_then == Point::in_body) host_.body(asked.id, script.body.substr(0, script.body.size() / 2), false);
  if (is_cut) return leave(asked, seen);
  TestFields trailers;
  if (!script.trailer.empty()) trailers.emplace_back("x-sum", script.trailer);
  if (!bodiless) host_.body(asked.id, script.body, true, trailers);
  if (!script.last) return;
  host_.leave(asked.id);
  says_goodbye_ = true;
}

void H2Host::tunnel(const TestHost::Asked& asked, Seen& seen) {
  if (!std::exchange(seen.answered, true)) host_.head(asked.id, {{":status", "200"}}, false);
  if (asked.body.size() >= kTunnelled.size() && std::exchange(seen.echoed, asked.body.size()) == 0)
    host_.body(asked.id, "echo " + asked.body, false);
  if (asked.ended) {
    seen.over = true;
    host_.body(asked.id, "", true);
  }
}

void H2Host::echo(const Script& script, const TestHost::Asked& asked, Seen& seen) {
  if (!std::exchange(seen.answered, true)) host_.head(asked.id, {{":status", std::to_string(script.status)}}, false);
  const std::string news = asked.body.substr(std::exchange(seen.echoed, asked.body.size()));
  seen.over = asked.ended;
  if (asked.ended)
    host_.body(asked.id, news, true, {{"x-sum", script.trailer}});
  else if (!news.empty())
    host_.body(asked.id, news, false);
}

}  // namespace

std::unique_ptr<HostDriver> open_h2_host(std::unique_ptr<Stream> stream) {
  return std::make_unique<H2Host>(std::move(stream));
}

}  // namespace sluice::simulation
