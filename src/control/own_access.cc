#include "control/own_access.h"

#include <openssl/rand.h>
#include <sys/stat.h>
#include <unistd.h>
#include <algorithm>
#include <cerrno>
#include <climits>

#include "base/encoding.h"
#include "base/log.h"
#include "base/strings.h"
#include "control/certificates.h"
#include "control/store/file_write.h"
#include "engines/address/authority.h"
#include "engines/address/classify.h"
#include "io/system_error.h"

namespace sluice {
namespace {

constexpr int kAuthorityDays = 3650;
constexpr int kCertificateDays = 90;
constexpr Nanos kRenewBefore = std::chrono::days(30);
constexpr size_t kTokenBytes = 32;  // of one that is made here, before base64
constexpr size_t kTokenCharsMin = 20, kTokenCharsMax = 1024;
constexpr size_t kTokensMax = 16;  // old and new ones while clients change over
constexpr size_t kFileBytesMax = 64U << 10;

struct AccessFiles {
  explicit AccessFiles(const std::string& state_folder)
      : folder(state_folder + "/.access"),
        authority(folder + "/authority.pem"),
        ca(folder + "/ca.crt"),
        token(folder + "/token") {}
  std::string folder, authority, ca, token;
};

// Visible ASCII, as it goes into a header field.
Status check_token(std::string_view token) {
  if (token.size() < kTokenCharsMin || token.size() > kTokenCharsMax)
    return invalid(
        fmt::format("a token has {} to {} characters, not {}", kTokenCharsMin, kTokenCharsMax, token.size()));
  if (!std::ranges::all_of(token, [](char c) { return c > ' ' && c < 0x7F; }))
    return invalid("a token has no spaces and nothing but ASCII");
  return {};
}

// One a line; empty lines and those that begin with # are passed over. Messages never hold a token.
Result<std::vector<std::string>> parse_tokens(std::string_view text) {
  std::vector<std::string> out;
  size_t number = 0;
  for (std::string_view each : split(text, '\n')) {
    ++number;
    if (each.ends_with('\r')) each.remove_suffix(1);
    const std::string_view line = trim(each);
    if (line.empty() || line.starts_with('#')) continue;
    if (auto good = check_token(line); !good)
      return std::unexpected(std::move(good).error().in(fmt::format("line {}", number)));
    out.emplace_back(line);
  }
  if (out.empty()) return invalid("there is no token in it: write one a line");
  if (out.size() > kTokensMax) return invalid(fmt::format("it has more than {} tokens", kTokensMax));
  return out;
}

std::unexpected<Error> about_file(const std::string& path, Error error) {
  return std::unexpected(std::move(error).in(printable(path, 200)));
}

std::string make_token() {
  std::array<unsigned char, kTokenBytes> bytes;
  CHECK(RAND_bytes(bytes.data(), bytes.size()) == 1);
  return base64url_encode({reinterpret_cast<const char*>(bytes.data()), bytes.size()});
}

Status make_folder(const std::string& path, mode_t mode) {
  if (::mkdir(path.c_str(), mode) == 0 || errno == EEXIST) return {};
  return about_file(path, errno_error(errno, "mkdir"));
}

// What it says, or, where it is missing, what `make` gives from now on. Another process may make it at the same time.
template <class Make>
Result<std::string> read_or_make(const std::string& path, Make&& make) {
  auto text = read_file(path, kFileBytesMax);
  if (!text && text.error().kind == ErrorKind::not_found) {
    if (auto written = replace_file(path, make(), std::nullopt, 0600);
        !written && written.error().kind != ErrorKind::conflict)
      return about_file(path, std::move(written).error());
    text = read_file(path, kFileBytesMax);
  }
  if (!text) return about_file(path, std::move(text).error());
  return text;
}

std::string host_name() {
  char name[HOST_NAME_MAX + 1] = {};
  return ::gethostname(name, sizeof name - 1) == 0 ? name : "";
}

std::vector<std::string> names_of(const std::vector<std::string>& wished, std::span<const IpAddress> listens) {
  std::vector<std::string> out = wished;
  const auto add = [&out](std::string name) {
    if (check_own_name(name) && std::ranges::find(out, name) == out.end()) out.push_back(std::move(name));
  };
  add(host_name());
  add("localhost");
  for (const IpAddress& address : listens) {
    if (classify(address, {}) != AddressClass::unspecified) {
      add(address.to_string());
      continue;
    }
    add("127.0.0.1");
    add("::1");
    for (const IpAddress& own : interface_addresses()) add(own.to_string());
  }
  return out;
}

}  // namespace

bool is_beyond_loopback(const IpAddress& address) {
  return classify(address, {}) != AddressClass::loopback;
}

Status check_own_name(std::string_view name) {
  if (IpAddress::parse(name)) return {};
  HostScratch scratch;
  const auto authority = parse_authority(name, scratch);
  if (!authority || authority->unresolvable_name || authority->port != 0 || authority->host != name)
    return invalid(
        fmt::format("{} is neither a host name in lower case nor an address", json_quote(printable(name, 80))));
  return {};
}

OwnAccess::OwnAccess(OwnAccessOptions options, std::span<const IpAddress> listens, Metrics& metrics)
    : options_(std::move(options)),
      names_(names_of(options_.names, listens)),
      token_file_(options_.token_file.empty() ? AccessFiles(options_.state_folder).token : options_.token_file),
      metrics_(metrics) {}

Result<std::unique_ptr<OwnAccess>> OwnAccess::create(OwnAccessOptions options, std::span<const IpAddress> listens,
                                                     Metrics& metrics) {
  std::unique_ptr<OwnAccess> access(new OwnAccess(std::move(options), listens, metrics));
  TRY(access->prepare_state());
  TRY(access->read_tokens());
  TRY(access->makes_certificate() ? access->make_certificate(wall_now()) : access->read_certificate());
  return access;
}

// What is made here: once, and then found again, as clients have it.
Status OwnAccess::prepare_state() {
  const bool makes_token = options_.token_file.empty();
  if (!makes_certificate() && !makes_token) return {};
  const AccessFiles files(options_.state_folder);
  const auto told = [](Error error) {
    return std::unexpected(
        std::move(error).in("what is made for ports beyond loopback is kept in the state folder, which --state names "
                            "(--tls-cert, --tls-key "
                            "and --token-file need none)"));
  };
  for (const std::string& folder : {options_.state_folder, files.folder})
    if (auto made = make_folder(folder, 0700); !made) return told(std::move(made).error());
  if (makes_token)
    if (auto token = read_or_make(files.token, [] { return make_token() + "\n"; }); !token)
      return told(std::move(token).error());
  if (!makes_certificate()) return {};
  const auto pem = read_or_make(files.authority, [] {
    const auto made = TlsAuthority::create("sluice", kAuthorityDays);
    return made.private_key() + made.certificate();
  });
  if (!pem) return told(pem.error());
  auto authority = TlsAuthority::read(*pem);
  if (!authority) return about_file(files.authority, std::move(authority).error());
  authority_ = std::make_unique<const TlsAuthority>(std::move(*authority));
  const auto ca = read_or_make(files.ca, [this] { return authority_->certificate(); });
  if (!ca) return told(ca.error());
  if (*ca != authority_->certificate())
    return invalid(
        fmt::format("{} is not the certificate in authority.pem beside it: remove it to have it made again", files.ca));
  return {};
}

Status OwnAccess::show(const TlsKeyPair& pair) {
  auto context =
      TRY(TlsServerContext::create({.key_pair = pair, .client_ca = {}, .alpn = {"h2", "http/1.1"}}, shared_));
  for (const std::string& warning : context->warnings(wall_now()))
    log::warn("tls", warning, {{"from", from_}, {"ports", "admin, api"}});
  chains_ = TRY(TlsServerChains::create({{.sni_domains = {}, .context = std::move(context)}}));
  metrics_.metric(kCertificateExpiry, {{"source", "admin and API"}})->set(unix_seconds(certificate().not_after));
  return {};
}

Status OwnAccess::make_certificate(WallTime now) {
  from_ = "made by " + AccessFiles(options_.state_folder).authority;
  if (authority_->ends() < now + std::chrono::days(kCertificateDays))
    return invalid(
        fmt::format("{}: this authority ends on {}: remove it and the ca.crt beside it to have another one made; "
                    "clients need the new ca.crt then",
                    AccessFiles(options_.state_folder).authority, format_iso_seconds(authority_->ends())));
  TRY(show(authority_->make({.names = names_, .days_from = -1, .days_to = kCertificateDays})));
  renew_at_ = certificate().not_after - kRenewBefore;
  return {};
}

Status OwnAccess::read_certificate() {
  from_ = "file " + options_.certificate_file;
  const TlsKeyPair pair{.certificates = *TRY(files_.read(options_.certificate_file).text),
                        .private_key = *TRY(files_.read(options_.key_file).text),
                        .ocsp_staple = {}};
  if (auto shown = show(pair); !shown)
    return std::unexpected(
        std::move(shown).error().in(fmt::format("{} and {}", options_.certificate_file, options_.key_file)));
  return {};
}

Status OwnAccess::read_tokens() {
  const std::string text = *TRY(files_.read(token_file_).text);
  auto tokens = parse_tokens(text);
  if (!tokens) return about_file(token_file_, std::move(tokens).error());
  const std::vector<std::string> before = std::exchange(tokens_, {});
  for (const std::string& token : *tokens) tokens_.push_back(content_hash(token));
  const auto is_gone = [this](const std::string& token) { return std::ranges::find(tokens_, token) == tokens_.end(); };
  if (std::ranges::any_of(before, is_gone)) ++withdrawals_;
  return {};
}

// Digests are compared, so that how long it takes says nothing of a token.
bool OwnAccess::admits(std::string_view authorization) const {
  constexpr std::string_view kScheme = "bearer ";
  if (!equals_ignoring_case(authorization.substr(0, kScheme.size()), kScheme)) return false;
  const std::string_view token = trim(authorization.substr(kScheme.size()));
  return token.size() <= kTokenCharsMax && std::ranges::find(tokens_, content_hash(token)) != tokens_.end();
}

bool OwnAccess::look(SteadyTime now, WallTime wall) {
  shared_.rotate(now);
  const auto before = chains_;
  const auto told = [](std::string_view what, const Status& done) {
    if (done) return log::info("tls", what, {{"ports", "admin, api"}});
    log::error("tls", done.error().message, {{"remedy", "what was in force before stays so"}});
  };
  const std::vector<std::string> changed = files_.changed();
  const auto has_changed = [&changed](const std::string& path) {
    return !path.empty() && std::ranges::find(changed, path) != changed.end();
  };
  if (has_changed(token_file_)) told("other tokens are admitted from now on", read_tokens());
  if (has_changed(options_.certificate_file) || has_changed(options_.key_file))
    told("another certificate is shown from now on", read_certificate());
  if (makes_certificate() && wall >= renew_at_) {
    renew_at_ = wall + std::chrono::hours(1);  // where it fails
    told("another certificate is shown from now on", make_certificate(wall));
  }
  return chains_ != before;
}

Result<OwnCredentials> read_own_credentials(const std::string& state_folder, const std::string& ca_file,
                                            const std::string& token_file) {
  const AccessFiles files(state_folder);
  const auto read = [](const std::string& path, std::string_view remedy) -> Result<std::string> {
    auto text = read_file(path, kFileBytesMax);
    if (!text) return fail(ErrorKind::io, fmt::format("{}; {}", text.error().message, remedy));
    return text;
  };
  OwnCredentials out;
  if (ca_file != "system")
    out.ca = TRY(read(ca_file.empty() ? files.ca : ca_file,
                      "--state names the state folder of the running sluice, --ca FILE or --ca system another CA"));
  const std::string& path = token_file.empty() ? files.token : token_file;
  auto tokens =
      parse_tokens(TRY(read(path, "--state names the state folder of the running sluice, --token-file another file")));
  if (!tokens) return about_file(path, std::move(tokens).error());
  out.token = std::move(tokens->front());
  return out;
}

}  // namespace sluice
