// A server's handshake: bytes of a client, in pieces. The first byte tells their size and how the client leaves; where
// the rest begins with nothing that is TLS, it is put into a record. Whatever comes, the handshake ends.
#include "net/tls/testing.h"

#include "base/check.h"
#include "io/testing.h"

namespace sluice {
namespace {

struct Target {
  Target() {
    loop.use_manual_clock(SteadyTime(1000s), WallTime(0s));
    const TestAuthority authority;
    const TlsServerOptions options{
        .key_pair = authority.make({"a.example"}), .client_ca = authority.pem(), .alpn = {"h2", "http/1.1"}};
    auto context = TlsServerContext::create(options, shared);
    auto other = TlsServerContext::create(
        {.key_pair = authority.make({"b.example"}), .parameters = {.max = TlsVersion::tls1_2}}, shared);
    chains = *TlsServerChains::create(
        {{.sni_domains = {"a.example", "*.example"}, .context = *context}, {.sni_domains = {}, .context = *other}});
  }
  Loop loop;
  TlsServerShared shared;
  std::shared_ptr<const TlsServerChains> chains;
};

void play(uint8_t how, std::string bytes) {
  static auto* const target = new Target;
  if (!bytes.starts_with('\x16') && bytes.size() < 16000) {
    const auto size = static_cast<uint16_t>(bytes.size());
    bytes.insert(0, {'\x16', '\x03', '\x01', static_cast<char>(size >> 8), static_cast<char>(size & 255)});
  }
  StreamPair below = memory_streams(target->loop);
  auto server = tls_accept(std::move(below.downstream), target->chains);
  TaskGroup tasks;
  std::optional<Status> done;
  tasks.spawn(shake_hands(*server, done));
  const size_t step = how % 8 == 0 ? bytes.size() : how % 8U * 7;
  for (size_t at = 0; at < bytes.size() && !done; at += step) {
    const iovec part{bytes.data() + at, std::min(step, bytes.size() - at)};
    (void)below.upstream->try_write(std::span(&part, 1));
    for (int i = 0; i < 3; ++i) target->loop.turn(0ms);
  }
  if (how & 0x80) below.upstream.reset();
  for (int i = 0; i < 20 && !done; ++i) {
    if (i == 10) target->loop.advance(6s);
    target->loop.turn(0ms);
  }
  CHECK(done.has_value());
}

}  // namespace
}  // namespace sluice

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size < 2 || size > 70'000) return 0;
  sluice::play(data[0], std::string(reinterpret_cast<const char*>(data) + 1, size - 1));
  return 0;
}
