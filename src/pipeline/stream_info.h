// What is known about one request besides its bytes: for logs, metrics, header values and filters.
//
// One a request, in the exchange; views in it point into the exchange's arena or the snapshot's configuration.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string_view>
#include <vector>

#include "base/arena.h"
#include "base/time.h"
#include "net/address.h"
#include "pipeline/outcome.h"

namespace sluice {

struct TlsInfo;

// A value that filters leave for logs, templates and later filters. JSON text; a string value is quoted JSON.
struct MetadataEntry {
  std::string_view filter_namespace;  // "envoy.filters.http.jwt_authn"
  std::string_view key;
  std::string_view json;
  std::shared_ptr<const void> owner;  // keeps `json` alive when it is not in the arena
};

// What forwarding tells whoever asks for it, in the exchange's arena. Whoever asks may derive from it.
struct ForwardingTimes {
  // It began to send the request to an upstream, the first time; by the clock itself.
  std::optional<SteadyTime> sending;
};

struct StreamInfo {
  WallTime start_wall{};
  SteadyTime start{};
  std::optional<SteadyTime> request_end;          // the last byte of the request has arrived
  std::optional<SteadyTime> upstream_first_byte;  // of the response
  std::optional<SteadyTime> upstream_last_byte;

  Outcome outcome;           // none: an upstream's response, so far
  uint32_t flags = 0;        // all that was noted on the way, not by what ended it alone
  std::string_view details;  // %RESPONSE_CODE_DETAILS%
  uint16_t code = 0;         // what the client got; 0 when it left first
  uint64_t bytes_received = 0;
  uint64_t bytes_sent = 0;

  std::string_view method;          // as it came
  std::string_view original_path;   // path and query as they came
  std::string_view rewritten_path;  // the path before the route rewrote it; empty when it did not
  std::string_view protocol = "HTTP/1.1";
  std::string_view request_id;
  std::string_view route_name;
  std::string_view virtual_host_name;
  std::string_view upstream_cluster;
  std::string_view upstream_host;  // "127.0.0.1:80", empty when none was chosen
  std::string_view upstream_local_address;
  std::string_view upstream_protocol;   // a constant; empty when no connection was had
  bool upstream_address_saved = false;  // dynamicForwardProxy.saveUpstreamAddress: FILTER_STATE shows upstream_host
  std::string_view upstream_transport_failure;
  std::string_view destination;  // of a dynamic route: canonical host:port
  uint32_t attempts = 0;

  const SocketAddress* downstream_peer = nullptr;         // whose connection it is
  const SocketAddress* downstream_direct_peer = nullptr;  // who is at the other end of the socket; null: the same
  const SocketAddress* downstream_address = nullptr;      // the listener's
  std::string_view downstream_remote;  // the trusted client's address without a port, where it is not the peer's
  uint64_t connection_id = 0;
  const TlsInfo* tls = nullptr;            // of the client's connection; null: in the clear
  std::string_view requested_server_name;  // what the client asked for by TLS, which may end elsewhere; empty: nothing

  // Of an answer of gRPC that neither its head nor its trailers say any more: gRPC-Web has it in the body.
  std::optional<uint64_t> grpc_status;

  std::vector<MetadataEntry> metadata;

  ForwardingTimes* forwarding_times = nullptr;  // null: nobody asks

  // Copies every text into `arena`: what they pointed into may go.
  void own_bytes(Arena& arena);

  // Notes what ended it, with the flag and the details of that. The rule lives as long as the exchange.
  void end(Outcome how, Arena& arena);
  void set(ResponseFlag flag) { flags |= 1U << static_cast<unsigned>(flag); }
  bool has(ResponseFlag flag) const { return flags >> static_cast<unsigned>(flag) & 1; }
  // "DF", "UF,URX", "-" for none.
  std::string flags_text() const;
  const MetadataEntry* find_metadata(std::string_view filter_namespace, std::string_view key) const;
};

}  // namespace sluice
