#include "serve/proxy_protocol_reader.h"

#include "base/log.h"
#include "base/strings.h"
#include "net/prefix_stream.h"
#include "net/proxy_protocol.h"

namespace sluice {
namespace {

// The values are bytes that anybody may have chosen; what is no UTF-8 in them is shown as Envoy shows it.
std::string json_of(std::string_view value) {
  if (valid_utf8(value)) return json_quote(value);
  std::string out(value);
  for (char& c : out)
    if (static_cast<unsigned char>(c) >= 0x80) c = '!';
  return json_quote(out);
}

// The last one of a type counts.
void add_metadata(const ProxyHeader& header, const std::shared_ptr<const ProxyProtocolOptions>& options,
                  Introduction& introduction) {
  for (const ProxyProtocolOptions::Rule& rule : options->rules) {
    const ProxyTlv* found = nullptr;
    for (const ProxyTlv& tlv : header.tlvs)
      if (tlv.type == rule.tlv_type) found = &tlv;
    if (!found) continue;
    auto json = std::make_shared<const std::string>(json_of(found->value));
    introduction.metadata.push_back({rule.metadata_namespace, rule.key, *json, json});
  }
  introduction.keep = options;
}

void introduce(const ProxyHeader& header, const std::shared_ptr<const ProxyProtocolOptions>& options,
               Arrival& arrival) {
  if (!header.proxied) return;
  auto introduction = std::make_unique<Introduction>(arrival.peer, header.proxied->destination);
  arrival.peer = header.proxied->source;
  add_metadata(header, options, *introduction);
  arrival.introduction = std::move(introduction);
}

void tell(const Arrival& arrival, const Error& error) {
  static log::Site site{LogLevel::warn, "listener", "a connection without a good PROXY protocol header is closed"};
  if (site.admits()) site.write({{"peer", arrival.peer.to_string()}, {"error", error.message}});
}

}  // namespace

Task<StreamHandler*> ProxyProtocolReader::look(Arrival& arrival, SteadyTime deadline) {
  const std::shared_ptr<const ProxyProtocolOptions> options = options_;
  const ProxyProtocolMetrics& counts = *options->metrics;
  std::string bytes;
  for (;;) {
    auto reading = read_more(*arrival.stream, proxy_header_wants(bytes), deadline, bytes);
    CO_TRY(co_await reading);
    const auto header = read_proxy_header(bytes);
    if (header && !*header) continue;
    if (header) {
      counts.found[(*header)->version - 1]->add();
      introduce(**header, options, arrival);
      bytes.erase(0, (*header)->length);
      break;
    }
    const bool is_none = header.error().kind == ErrorKind::not_found;
    if (!is_none || !options->optional) {
      (is_none ? counts.not_found_disallowed : counts.broken[bytes[0] == 'P' ? 0 : 1])->add();
      tell(arrival, header.error());
      co_return nullptr;
    }
    counts.not_found_allowed->add();
    break;
  }
  arrival.stream = with_prefix(std::move(arrival.stream), std::move(bytes));
  co_return &next_;
}

}  // namespace sluice
