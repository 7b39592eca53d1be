#include "control/certificates.h"

#include <algorithm>
#include <tuple>
#include <unordered_map>

#include "base/log.h"
#include "base/strings.h"
#include "config/node.h"

namespace sluice {
namespace {

constexpr size_t kWarningsMax = 20;

Node list_of(const std::vector<std::string>& texts) {
  Node::List out;
  for (const std::string& text : texts) out.emplace_back(text);
  return Node(std::move(out));
}

std::vector<std::string> alternative_names(const CertificateInfo& certificate) {
  std::vector<std::string> out;
  for (const auto* names :
       {&certificate.dns_names, &certificate.ip_names, &certificate.uri_names, &certificate.email_names})
    out.insert(out.end(), names->begin(), names->end());
  return out;
}

WallTime end_of(const CertificateRow& row) {
  return row.certificate->not_after;
}

Node node_of(const CertificateRow& row) {
  const CertificateInfo& certificate = *row.certificate;
  Node out;
  out.set("from", Node(row.from));
  out.set("subject", Node(certificate.subject));
  out.set("issuer", Node(certificate.issuer));
  out.set("serial", Node(certificate.serial));
  out.set("subjectAltNames", list_of(alternative_names(certificate)));
  out.set("validFrom", Node(format_iso_seconds(certificate.not_before)));
  out.set("expires", Node(format_iso_seconds(certificate.not_after)));
  out.set("daysLeft", Node(row.days_left));
  Node::List uses;
  for (const CertificateRow::Use& use : row.used_by) {
    Node one;
    one.set("gateway", Node(use.gateway));
    one.set("sniDomains", list_of(use.sni_domains));
    if (use.tcp_host.empty())
      one.set("virtualServices", list_of(use.services));
    else
      one.set("tcpHost", Node(use.tcp_host));
    uses.push_back(std::move(one));
  }
  out.set("usedBy", Node(std::move(uses)));
  return out;
}

}  // namespace

int64_t days_until(WallTime end, WallTime now) {
  return std::chrono::floor<std::chrono::days>(end - now).count();
}

std::vector<CertificateRow> certificate_rows(const Snapshot& snapshot, WallTime now) {
  std::vector<CertificateRow> rows;
  std::unordered_map<const ServerCertificate*, size_t> known;
  const auto add = [&](const ServerCertificatePtr& certificate, const TlsServerChains::Chain& chain,
                       const std::string& gateway) -> CertificateRow::Use& {
    const auto [at, is_new] = known.try_emplace(certificate.get(), rows.size());
    if (is_new) {
      const CertificateInfo& info = certificate->context->certificate();
      rows.push_back({.from = certificate->from,
                      .certificate = &info,
                      .days_left = days_until(info.not_after, now),
                      .used_by = {}});
    }
    return rows[at->second].used_by.emplace_back(
        CertificateRow::Use{.gateway = gateway, .sni_domains = chain.sni_domains, .services = {}, .tcp_host = {}});
  };
  for (const auto& listener : snapshot.listeners) {
    for (const SnapshotHttp& http : listener->http) {
      for (size_t i = 0; i < http.chains.size(); ++i) {
        auto& use = add(http.chains[i].certificate, http.config.tls->chains()[i], listener->gateway);
        for (const ObjectKey& service : http.chains[i].services)
          use.services.push_back(service.ns + "/" + service.name);
      }
    }
    for (const SnapshotTcp& tcp : listener->tcp)
      if (tcp.certificate) add(tcp.certificate, tcp.config.tls->chains()[0], listener->gateway).tcp_host = tcp.name;
  }
  std::ranges::sort(rows, {},
                    [](const CertificateRow& row) { return std::tuple(end_of(row), std::string_view(row.from)); });
  return rows;
}

void add_row(std::vector<CertificateRow>& rows, CertificateRow row) {
  rows.insert(std::ranges::upper_bound(rows, end_of(row), {}, end_of), std::move(row));
}

std::string certificates_json(const std::vector<CertificateRow>& rows) {
  Node::List out;
  for (const CertificateRow& row : rows) out.push_back(node_of(row));
  return to_json(Node(std::move(out)), JsonStyle::indented) + "\n";
}

std::string certificates_text(const std::vector<CertificateRow>& rows) {
  std::string out;
  for (const CertificateRow& row : rows)
    out += fmt::format("{:>5} days  {}  {}  {}\n", row.days_left, printable(row.certificate->subject, 200),
                       format_iso_seconds(row.certificate->not_after), row.from);
  return out;
}

void warn_of_endings(const std::vector<CertificateRow>& rows) {
  size_t told = 0, more = 0;
  for (const CertificateRow& row : rows) {
    if (row.days_left >= kCertificateDaysToWarn) continue;
    if (told++ >= kWarningsMax) {
      ++more;
      continue;
    }
    log::warn("tls", row.days_left < 0 ? "a certificate has ended" : "a certificate ends soon",
              {{"certificate", row.certificate->subject},
               {"from", row.from},
               {"expires", format_iso_seconds(row.certificate->not_after)},
               {"gateway", row.used_by.empty() ? "" : row.used_by.front().gateway}});
  }
  if (more > 0) log::warn("tls", "more certificates end soon; /certs on the admin port lists them", {{"more", more}});
}

}  // namespace sluice
