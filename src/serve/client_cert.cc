#include "serve/client_cert.h"

#include <fmt/format.h>
#include <algorithm>

#include "net/tls_info.h"
#include "pipeline/percent.h"

namespace sluice {
namespace {

constexpr std::string_view kField = "x-forwarded-client-cert";

// Envoy writes names as they are. One with a byte that would end its element, or the header, is quoted and escaped.
std::string element(std::string_view key, std::string_view value) {
  constexpr std::string_view kEnds = ",;=\"\\";
  const bool plain = std::ranges::none_of(value, [&](char c) {
    const auto byte = static_cast<unsigned char>(c);
    return byte < 0x20 || byte == 0x7F || kEnds.contains(c);
  });
  if (plain) return fmt::format("{}={}", key, value);
  std::string out = fmt::format("{}=\"", key);
  for (const char c : value) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte < 0x20 || byte == 0x7F) {
      fmt::format_to(std::back_inserter(out), "%{:02X}", byte);
      continue;
    }
    if (c == '"' || c == '\\') out += '\\';
    out += c;
  }
  return out + '"';
}

// RFC 2253 escapes quotes already; control bytes stand there only where somebody means harm.
std::string quoted(std::string_view key, std::string_view value) {
  std::string out = fmt::format("{}=\"", key);
  for (const char c : value) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte < 0x20 || byte == 0x7F)
      fmt::format_to(std::back_inserter(out), "%{:02X}", byte);
    else
      out += c;
  }
  return out + '"';
}

std::string said_of(const ClientCertConfig& config, const TlsInfo& tls) {
  const PeerCertificate& peer = *tls.peer;
  std::string out;
  const auto add = [&out](const std::string& one) { (out += out.empty() ? "" : ";") += one; };
  if (tls.own)
    for (const std::string& uri : tls.own->uri_names) add(element("By", uri));
  add("Hash=" + peer.info.fingerprint_sha256);
  if (config.cert) add(quoted("Cert", percent_encoded_pem(peer.pem)));
  if (config.chain) add(quoted("Chain", percent_encoded_pem(peer.chain_pem)));
  if (config.subject) add(quoted("Subject", peer.info.subject));
  if (config.uri && peer.info.uri_names.empty()) add("URI=");
  if (config.uri)
    for (const std::string& uri : peer.info.uri_names) add(element("URI", uri));
  if (config.dns)
    for (const std::string& name : peer.info.dns_names) add(element("DNS", name));
  return out;
}

}  // namespace

void set_forwarded_client_cert(const ClientCertConfig& config, Request& request) {
  using enum ForwardClientCert;
  if (config.forward == always_forward_only) return;
  const TlsInfo* tls = request.info.tls;
  // Without a certificate of its own the client's word counts for nothing.
  if (config.forward == sanitize || !tls || !tls->peer) {
    request.headers.remove(kField);
    return;
  }
  if (config.forward == forward_only) return;
  const std::string said = said_of(config, *tls);
  const auto before = config.forward == append_forward ? request.headers.joined(kField) : std::nullopt;
  request.headers.set(kField, before ? request.arena.concat(*before, std::string_view(","), std::string_view(said))
                                     : request.arena.copy(said));
}

}  // namespace sluice
