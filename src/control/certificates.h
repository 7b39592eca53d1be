// The certificates that clients are shown now, for people: the page /certs, and a line in the log before one ends.
#pragma once

#include <string>
#include <vector>

#include "base/time.h"
#include "control/snapshot.h"

namespace sluice {

struct CertificateRow {
  std::string from;                              // "Secret gloo-system/a"
  const CertificateInfo* certificate = nullptr;  // as long as the snapshot
  int64_t days_left = 0;
  struct Use {
    std::string gateway;
    std::vector<std::string> sni_domains;
    std::vector<std::string> services;  // VirtualServices
    std::string tcp_host;               // or the host of a tcpGateway
  };
  std::vector<Use> used_by;
};

inline constexpr MetricFamily kCertificateExpiry{
    "sluice_certificate_expiry_seconds", "When a certificate that clients are shown ends, in seconds since 1970 (UTC).",
    MetricType::gauge};

int64_t days_until(WallTime end, WallTime now);  // whole ones; negative: it has ended

// Each certificate once; what ends first comes first.
std::vector<CertificateRow> certificate_rows(const Snapshot& snapshot, WallTime now);
// One more, which is not of the snapshot, at its place.
void add_row(std::vector<CertificateRow>& rows, CertificateRow row);
std::string certificates_json(const std::vector<CertificateRow>& rows);
// A line each: days left, subject, source.
std::string certificates_text(const std::vector<CertificateRow>& rows);

inline constexpr int64_t kCertificateDaysToWarn = 14;
// A warning for each of those that end within that time, or have ended: of many the first, and how many more.
void warn_of_endings(const std::vector<CertificateRow>& rows);

}  // namespace sluice
