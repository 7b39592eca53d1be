#include "config/kinds/proxy_settings.h"

namespace sluice::kinds {
namespace {

constexpr EnumName kLocalAnswers[] = {{"envoy", 0}, {"proxy", 1}};
constexpr EnumName kVerify[] = {{"system", 0}, {"none", 1}};

}  // namespace

std::span<const EnumName> enum_names(LocalAnswers) {
  return kLocalAnswers;
}

std::span<const EnumName> enum_names(VerifyUpstream) {
  return kVerify;
}

void bind(Fields& f, UpstreamTls& t) {
  f.optional("verify", t.verify,
             "`system`: certificates are verified against the system's roots where the Gateway's sslConfig has no CA; "
             "`none`: then any certificate will do, as in Gloo.");
}

void bind(Fields& f, JwtCache& c) {
  f.optional("entriesMax", c.entries_max, "Verified tokens that are remembered; 0 = none.");
  f.optional("ttlMax", c.ttl_max, "A token is verified again after this, even if it is still valid.");
  f.in_range("entriesMax", c.entries_max, 0, 10'000'000);
  f.positive("ttlMax", c.ttl_max);
}

void bind(Fields& f, Destinations& d) {
  f.optional("list", d.list,
             "What gives a dynamic route its destination may be several hosts in the order in which they are tried, "
             "such as `a.example, b.example:8080`, 8 at most; without it, such a text is answered 400.");
  f.optional(
      "scheme", d.scheme,
      "What gives a dynamic route its destination may begin with `https://` or `http://`, and port 443 means "
      "https: this decides whether TLS is spoken to it, and a client may ask for https in the clear (an absolute "
      "target, or HTTP/2's `:scheme`). Without it, the Gateway's sslConfig decides for all; beside that, "
      "`http://` is refused. A rule's `upstreamTls` goes before both.");
}

void bind(Fields& f, Brotli& b) {
  f.optional("quality", b.quality,
             "How hard it tries, from 0 to 9; above 6 it takes 10 MiB and more for each response.");
  f.optional("windowBits", b.window_bits, "It looks back 2 to the power of this bytes.");
  f.in_range("quality", b.quality, 0, 9);
  f.in_range("windowBits", b.window_bits, 10, 24);
}

void bind(Fields& f, ProxySettings& s) {
  f.required("targetRefs", s.target_refs, "Gateways it holds for.");
  f.optional("jwtCache", s.jwt_cache, "Memory of verified tokens.");
  f.optional("localAnswers", s.local_answers,
             "What the gateway's own error answers look like: as Envoy's, or a proxy's with Proxy-Status.");
  f.optional("drainTimeout", s.drain_timeout,
             "Longest time that requests may take to end when the gateway stops, or their port is closed by a change.");
  f.optional("destinations", s.destinations, "How dynamic routes find their destination.");
  f.optional("upstreamTls", s.upstream_tls, "TLS to dynamic destinations.");
  f.optional(
      "brotli", s.brotli,
      "Compress responses by brotli, too, for clients that accept it; which responses says the Gateway's `gzip`, "
      "or its defaults where there is none.");
  f.unsupported("dns", "Settings of the resolver.");
  f.positive("drainTimeout", s.drain_timeout);
  if (f.present("targetRefs")) f.check(!s.target_refs.empty(), "targetRefs", "must name at least one Gateway");
  for (size_t i = 0; i < s.target_refs.size(); ++i)
    if (f.good("targetRefs") && (s.target_refs[i].group != "gateway.solo.io" || s.target_refs[i].kind != "Gateway"))
      f.error("targetRefs", i, "expected a Gateway of group gateway.solo.io");
}

}  // namespace sluice::kinds
