#include "forward/request_head.h"

#include <charconv>

namespace sluice {
namespace {

class HeadWriter {
 public:
  explicit HeadWriter(const Request& request) : request_(request) {}

  std::string_view write() {
    size_t size = request_.method.size() + request_.path.size() + request_.authority.size() + 256;
    for (const HeaderField& field : request_.headers) size += field.name.size() + field.value.size() + 4;
    begin_ = at_ = static_cast<char*>(request_.arena.allocate(size, 1));
    put(request_.method, " ", request_.path, " HTTP/1.1\r\nhost: ", request_.authority, "\r\n");
    bool length_written = false;
    for (const HeaderField& field : request_.headers) {
      if (field.known == Known::host) continue;
      if (field.known == Known::content_length) {
        // Once, in its old place, with the length that the body has now.
        if (std::exchange(length_written, true)) continue;
        if (request_.body.empty())
          put("content-length: 0\r\n");
        else if (request_.body.length)
          put_length();
        continue;
      }
      put(field.name, ": ", field.value, "\r\n");
    }
    if (!request_.body.empty()) {
      if (!request_.body.length)
        put("transfer-encoding: chunked\r\n");
      else if (!length_written)
        put_length();
    }
    if (request_.upgrade)
      put("connection: upgrade\r\nupgrade: websocket\r\n");
    else if (request_.accepts_trailers)
      put("te: trailers\r\nconnection: te\r\n");
    put("\r\n");
    return {begin_, static_cast<size_t>(at_ - begin_)};
  }

 private:
  void put_length() {
    char digits[24];
    const auto end = std::to_chars(digits, digits + sizeof digits, *request_.body.length).ptr;
    put("content-length: ", std::string_view(digits, static_cast<size_t>(end - digits)), "\r\n");
  }
  template <class... Parts>
  void put(const Parts&... parts) {
    (put_one(parts), ...);
  }
  void put_one(std::string_view text) {
    std::memcpy(at_, text.data(), text.size());
    at_ += text.size();
  }

  const Request& request_;
  char* begin_ = nullptr;
  char* at_ = nullptr;
};

}  // namespace

std::string_view write_request_head(const Request& request) {
  return HeadWriter(request).write();
}

}  // namespace sluice
