#include "http/h1/framing.h"

#include "base/strings.h"

namespace sluice {
namespace {

// One Content-Length, or several that say the same (F4, F5). Nothing: refuse.
struct Length {
  bool valid = true;
  std::optional<uint64_t> value;
};
Length content_length(const Headers& headers) {
  Length out;
  if (!headers.has(Known::content_length)) return out;
  for (const HeaderField& field : headers) {
    if (field.known != Known::content_length) continue;
    if (field.value.empty()) return {.valid = false};
    std::string_view rest = field.value;
    for (;;) {  // "5, 5" is as good as two fields
      const size_t comma = rest.find(',');
      const auto value = parse_content_length(trim(rest.substr(0, comma)));
      if (!value || (out.value && *out.value != *value)) return {.valid = false};
      out.value = value;
      if (comma == std::string_view::npos) break;
      rest.remove_prefix(comma + 1);
    }
  }
  return out;
}

// RFC 9110 5.6.1.2 lets a recipient skip the empty elements of a list; not where the next one may read them otherwise.
bool has_empty_element(std::string_view list) {
  for (;;) {
    const size_t comma = list.find(',');
    if (trim(list.substr(0, comma)).empty()) return true;
    if (comma == std::string_view::npos) return false;
    list.remove_prefix(comma + 1);
  }
}

// What Transfer-Encoding says: nothing, exactly one "chunked", or trouble.
enum class Coding : uint8_t { none, chunked, broken, unknown };
Coding transfer_coding(const Headers& headers) {
  if (!headers.has(Known::transfer_encoding)) return Coding::none;
  bool empty = false, unknown = false;
  unsigned chunked = 0;
  for (const HeaderField& field : headers) {
    if (field.known != Known::transfer_encoding) continue;
    empty |= has_empty_element(field.value);
    for_each_token(field.value, [&](std::string_view token) {
      if (equals_ignoring_case(token, "chunked"))
        ++chunked;
      else
        unknown = true;
    });
  }
  if (unknown) return Coding::unknown;
  return chunked == 1 && !empty ? Coding::chunked : Coding::broken;
}

struct ConnectionOptions {
  bool close = false;
  bool keep_alive = false;
  bool upgrade = false;
};
ConnectionOptions connection_options(const Headers& headers) {
  ConnectionOptions out;
  if (!headers.has(Known::connection)) return out;
  for (const HeaderField& field : headers) {
    if (field.known != Known::connection) continue;
    for_each_token(field.value, [&](std::string_view token) {
      if (equals_ignoring_case(token, "close"))
        out.close = true;
      else if (equals_ignoring_case(token, "keep-alive"))
        out.keep_alive = true;
      else if (equals_ignoring_case(token, "upgrade"))
        out.upgrade = true;
    });
  }
  return out;
}

}  // namespace

HeadFailure frame_request(const RequestHeadParser& head, Headers& headers, RequestFraming& out,
                          const Http1Options& options) {
  constexpr HeadFailure broken = HeadFailure::malformed;
  const auto has = [&](Known known) { return headers.has(known); };
  bool ambiguous = false;
  if (has(Known::transfer_encoding)) {
    const Coding coding = transfer_coding(headers);
    if (head.minor_version == 0) return broken;  // F3
    ambiguous = has(Known::content_length);
    if (ambiguous && (!options.length_beside_chunked || !content_length(headers).valid)) return broken;  // F1
    if (coding == Coding::unknown) return HeadFailure::unknown_transfer_coding;                          // F2
    if (coding != Coding::chunked) return broken;
    out.body = BodyKind::chunked;
    if (ambiguous) headers.remove(Known::content_length);
  } else if (has(Known::content_length)) {
    const Length length = content_length(headers);
    if (!length.valid) return broken;
    out.length = *length.value;
    out.body = out.length > 0 ? BodyKind::length : BodyKind::none;
  }
  const auto host = headers.get(Known::host);
  if (host && (headers.count(Known::host) > 1 || !valid_host(*host))) return broken;  // F13
  if (!host && head.minor_version == 1) return HeadFailure::no_host;                  // F13
  if (!host && !options.default_host.empty())
    headers.add(Known::host, options.default_host);
  else if (!host && options.old_version && !head.target.contains("://"))
    return HeadFailure::no_host;

  out.keep_alive = head.minor_version == 1;
  if (has(Known::connection)) {
    const ConnectionOptions asked = connection_options(headers);
    out.keep_alive = (out.keep_alive || asked.keep_alive) && !asked.close;
    out.upgrade = asked.upgrade && has(Known::upgrade) && head.minor_version == 1;
  }
  // RFC 9112 6.3: whoever sent it, or passed it on, may see another end of it than we do, and so another next request.
  if (ambiguous) out.keep_alive = false;
  if (has(Known::expect)) {  // F24
    if (!expects_only_continue(headers)) return HeadFailure::unknown_expectation;
    out.expects_continue = head.minor_version == 1 && out.body != BodyKind::none;
  }
  if (has(Known::te)) out.accepts_trailers = takes_trailers(headers);
  if (options.trailers != TrailerPolicy::as_told) out.accepts_trailers = options.trailers == TrailerPolicy::always;
  if (head.minor_version == 0) out.accepts_trailers = false;  // there is no chunked coding to carry them
  return HeadFailure::none;
}

bool frame_response(const ResponseHeadParser& head, const Headers& headers, bool to_head, ResponseFraming& out) {
  const ConnectionOptions options = connection_options(headers);
  out.keep_alive = (head.minor_version == 1 || options.keep_alive) && !options.close;
  const Coding coding = transfer_coding(headers);
  const Length length = content_length(headers);
  if (!length.valid) return false;
  if (to_head || head.status < 200 || head.status == 204 || head.status == 304) {  // F14
    out.body = BodyKind::none;
    return true;
  }
  if (coding != Coding::none) {
    // RFC 9112 6.3: with both, something between wrote it anew; such an answer is not to be trusted.
    if (coding != Coding::chunked || length.value || head.minor_version == 0) return false;
    out.body = BodyKind::chunked;
  } else if (length.value) {
    out.length = *length.value;
    out.body = out.length > 0 ? BodyKind::length : BodyKind::none;
  } else {
    out.body = BodyKind::until_close;
    out.keep_alive = false;
  }
  return true;
}

}  // namespace sluice
