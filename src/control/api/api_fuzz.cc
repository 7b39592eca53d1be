// Whole requests: "METHOD target\ncontent-type\naccept\nbody". Nothing a client sends may do more than fail.
#include <cstdlib>

#include "base/strings.h"
#include "config/documents.h"
#include "control/api/api_server.h"
#include "control/api/memory_database.h"

using namespace sluice;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  std::string_view rest(reinterpret_cast<const char*>(data), size);
  const auto line = [&rest] {
    const auto end = std::min(rest.find('\n'), rest.size());
    const auto text = rest.substr(0, end);
    rest.remove_prefix(std::min(end + 1, rest.size()));
    return text;
  };
  const auto first = line();
  const auto type = line();
  const auto accept = line();
  const auto space = std::min(first.find(' '), first.size());

  const WallTime now{Seconds(1'800'000'000)};
  ObjectStore store(now);
  MemoryDatabase database(store);
  ApiServer api(store, database, {});
  static const auto kGateway = parse_documents(
      "apiVersion: gateway.solo.io/v1\nkind: Gateway\nmetadata: {name: g, namespace: ns, labels: {a: b}}\n"
      "spec: {bindAddress: 127.0.0.1, bindPort: 1, httpGateway: {}}\n");
  Diagnostics diagnostics;
  const auto gateway = read_object(kGateway->front().node, "", {}, diagnostics);
  if (!gateway || gateway->rejected) std::abort();
  store.put(gateway, now);

  const std::pair<std::string_view, std::string_view> headers[] = {
      {"host", "localhost"}, {"content-type", type}, {"accept", accept}};
  auto answer = api.handle({.method = first.substr(0, space),
                            .target = first.substr(std::min(space + 1, first.size())),
                            .headers = headers,
                            .body = rest,
                            .now = now});
  std::string events;
  if (answer.watch) answer.watch->pull(events, 1 << 16, now, {});
  if (answer.response.status == 0 || (answer.response.status >= 500 && answer.response.status != 504)) std::abort();
  return 0;
}
