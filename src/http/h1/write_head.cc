#include "http/h1/write_head.h"

#include <charconv>
#include <cstring>

#include "base/strings.h"
#include "http/headers.h"
#include "http/status.h"

namespace sluice::h1 {
namespace {

class Writer {
 public:
  // `size` bytes are enough.
  Writer(Arena& arena, size_t size) : begin_(static_cast<char*>(arena.allocate(size, 1))), at_(begin_) {}

  template <class... Parts>
  void put(const Parts&... parts) {
    (put_one(parts), ...);
  }
  void put_number(uint64_t number) { at_ = std::to_chars(at_, at_ + 20, number).ptr; }
  void put_length(uint64_t length) {
    put_one("content-length: ");
    put_number(length);
    put_one("\r\n");
  }
  char* at() const { return at_; }
  std::string_view text() const { return {begin_, static_cast<size_t>(at_ - begin_)}; }

 private:
  void put_one(std::string_view text) {
    std::memcpy(at_, text.data(), text.size());
    at_ += text.size();
  }

  char* const begin_;
  char* at_;
};

// From `begin` to `end` there are whole lines of fields: makes each name's first letter a capital one, and each that
// stands behind anything but a letter or a digit, as Envoy does.
void make_proper_case(char* begin, const char* end) {
  bool in_name = true, begins_word = true;
  for (char* at = begin; at != end; ++at) {
    if (*at == '\n') {
      in_name = begins_word = true;
      continue;
    }
    in_name &= *at != ':';
    if (!in_name) continue;
    if (begins_word && *at >= 'a' && *at <= 'z') *at = static_cast<char>(*at - 'a' + 'A');
    begins_word = !ascii_alpha(*at) && !ascii_digit(*at);
  }
}

size_t bytes_of(const Headers& headers) {
  size_t bytes = 0;
  for (const HeaderField& field : headers) bytes += field.name.size() + field.value.size() + 4;
  return bytes;
}

}  // namespace

std::string_view write_head(const RequestHead& head, Arena& arena) {
  Writer out(arena, head.method.size() + head.target.size() + head.host.size() + bytes_of(head.headers) + 256);
  out.put(head.method, " ", head.target, " HTTP/1.1\r\nhost: ", head.host, "\r\n");
  const Body& body = head.body;
  bool length_written = false;
  for (const HeaderField& field : head.headers) {
    if (field.known == Known::host) continue;
    if (field.known == Known::content_length) {
      // Once, in its old place, with the length that the body has now.
      if (std::exchange(length_written, true)) continue;
      if (body.empty())
        out.put_length(0);
      else if (body.length)
        out.put_length(*body.length);
      continue;
    }
    out.put(head.written_names ? head.written_names->find(field.name) : field.name, ": ", field.value, "\r\n");
  }
  if (!body.empty()) {
    if (!body.length)
      out.put("transfer-encoding: chunked\r\n");
    else if (!length_written)
      out.put_length(*body.length);
  }
  if (head.then == Then::becomes_websocket)
    out.put("connection: upgrade\r\nupgrade: websocket\r\n");
  else if (head.accepts_trailers)
    out.put("te: trailers\r\nconnection: te\r\n");
  out.put("\r\n");
  return out.text();
}

std::string_view write_head(const ResponseHead& head, Arena& arena) {
  const std::string_view phrase = reason_phrase(head.status);
  Writer out(arena, phrase.size() + bytes_of(head.headers) + 128);
  out.put("HTTP/1.1 ");
  out.put_number(head.status);
  out.put(" ", phrase, "\r\n");
  char* const fields = out.at();
  const Body& body = head.body;
  const bool bodiless = never_has_body(head.status) || head.to_head_request;
  bool length_done = false;
  for (const HeaderField& field : head.headers) {
    if (field.known == Known::content_length) {
      // RFC 9110 8.6: never with 1xx and 204.
      if (length_done || head.status < 200 || head.status == 204) continue;
      if (!bodiless || !body.empty()) {
        if (!body.empty() && !body.length) continue;
        out.put_length(body.empty() ? 0 : *body.length);
        length_done = true;
        continue;
      }
      length_done = true;
    }
    out.put(field.name, ": ", field.value, "\r\n");
  }
  if (head.status >= 200 && head.status != 204 && !length_done) {
    if (body.empty()) {
      if (!bodiless) out.put("content-length: 0\r\n");
    } else if (body.length) {
      out.put_length(*body.length);
    } else if (!head.old_client) {
      out.put("transfer-encoding: chunked\r\n");
    }
  }
  if (head.then == Then::becomes_websocket)
    out.put("connection: upgrade\r\nupgrade: websocket\r\n");
  else if (head.then == Then::closes)
    out.put("connection: close\r\n");
  else if (head.old_client)
    out.put("connection: keep-alive\r\n");  // RFC 9112 9.3: without it HTTP/1.0 ends here
  if (head.proper_case) make_proper_case(fields, out.at());
  out.put("\r\n");
  return out.text();
}

}  // namespace sluice::h1
