// For tests: frames of HTTP/2 as bytes, written and read by hand, so that also what no client says can be said. HPACK
// alone is nghttp2's.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "http/h2/frames.h"

namespace sluice::h2 {

class FrameWriter {
 public:
  using Fields = std::vector<std::pair<std::string, std::string>>;

  FrameWriter() { nghttp2_hd_deflate_new(&deflater_, 4096); }
  FrameWriter(const FrameWriter&) = delete;
  FrameWriter& operator=(const FrameWriter&) = delete;
  ~FrameWriter() { nghttp2_hd_deflate_del(deflater_); }

  static std::string raw(uint8_t type, uint8_t flags, int32_t stream, std::string_view payload) {
    std::string out{static_cast<char>(payload.size() >> 16), static_cast<char>(payload.size() >> 8),
                    static_cast<char>(payload.size()), static_cast<char>(type), static_cast<char>(flags)};
    return out.append(number(static_cast<uint32_t>(stream))).append(payload);
  }
  // Fields in the coding of HPACK, in the order in which the peer reads them.
  std::string block(const Fields& fields) {
    std::vector<nghttp2_nv> list;
    for (const auto& [name, value] : fields) list.push_back(field(name, value));
    std::string out(nghttp2_hd_deflate_bound(deflater_, list.data(), list.size()), '\0');
    const ssize_t size =
        nghttp2_hd_deflate_hd(deflater_, reinterpret_cast<uint8_t*>(out.data()), out.size(), list.data(), list.size());
    out.resize(static_cast<size_t>(size));
    return out;
  }
  // In as many frames as it needs.
  std::string head(int32_t stream, const Fields& fields, bool last) {
    const std::string all = block(fields);
    std::string out;
    for (size_t at = 0; at == 0 || at < all.size(); at += kFrameMax) {
      uint8_t flags = at == 0 && last ? NGHTTP2_FLAG_END_STREAM : 0;
      if (at + kFrameMax >= all.size()) flags |= NGHTTP2_FLAG_END_HEADERS;
      out += raw(at == 0 ? NGHTTP2_HEADERS : NGHTTP2_CONTINUATION, flags, stream,
                 std::string_view(all).substr(at, kFrameMax));
    }
    return out;
  }
  std::string get(int32_t stream, std::string_view path, const Fields& more = {}) {
    return request(stream, "GET", path, more, true);
  }
  std::string post(int32_t stream, std::string_view path, const Fields& more = {}) {
    return request(stream, "POST", path, more, false);
  }
  static std::string data(int32_t stream, std::string_view bytes, bool last) {
    return raw(NGHTTP2_DATA, last ? NGHTTP2_FLAG_END_STREAM : 0, stream, bytes);
  }
  static std::string settings(const std::vector<std::pair<uint16_t, uint32_t>>& entries = {}) {
    std::string payload;
    for (const auto& [id, value] : entries)
      payload.append({static_cast<char>(id >> 8), static_cast<char>(id)}).append(number(value));
    return raw(NGHTTP2_SETTINGS, 0, 0, payload);
  }
  static std::string settings_ack() { return raw(NGHTTP2_SETTINGS, NGHTTP2_FLAG_ACK, 0, ""); }
  static std::string ping() { return raw(NGHTTP2_PING, 0, 0, "12345678"); }
  static std::string pong(std::string_view payload) { return raw(NGHTTP2_PING, NGHTTP2_FLAG_ACK, 0, payload); }
  static std::string priority(int32_t stream) {
    return raw(NGHTTP2_PRIORITY, 0, stream, std::string_view("\0\0\0\0\x0f", 5));
  }
  static std::string reset(int32_t stream, uint32_t code) { return raw(NGHTTP2_RST_STREAM, 0, stream, number(code)); }
  static std::string window_update(int32_t stream, uint32_t by) {
    return raw(NGHTTP2_WINDOW_UPDATE, 0, stream, number(by));
  }

 private:
  static std::string number(uint32_t value) {
    return {static_cast<char>(value >> 24), static_cast<char>(value >> 16), static_cast<char>(value >> 8),
            static_cast<char>(value)};
  }
  std::string request(int32_t stream, std::string_view method, std::string_view path, const Fields& more, bool last) {
    Fields fields{
        {":method", std::string(method)}, {":scheme", "http"}, {":path", std::string(path)}, {":authority", "h.test"}};
    fields.insert(fields.end(), more.begin(), more.end());
    return head(stream, fields, last);
  }

  nghttp2_hd_deflater* deflater_ = nullptr;
};

// What a server says, taken apart.
class FrameReader {
 public:
  using Fields = FrameWriter::Fields;
  struct Message {
    std::vector<std::string> interim;  // statuses before the final one
    std::string status;
    Fields fields, trailers;
    std::string body;
    bool ended = false;
    std::optional<uint32_t> reset;

    std::string field(std::string_view name) const {
      for (const auto& [known, value] : fields)
        if (known == name) return value;
      return {};
    }
  };

  FrameReader() { nghttp2_hd_inflate_new(&inflater_); }
  FrameReader(const FrameReader&) = delete;
  FrameReader& operator=(const FrameReader&) = delete;
  ~FrameReader() { nghttp2_hd_inflate_del(inflater_); }

  void add(std::string_view bytes) {
    in_ += bytes;
    while (in_.size() >= kFrameHead) {
      const size_t size = byte(0) << 16 | byte(1) << 8 | byte(2);
      if (in_.size() < kFrameHead + size) return;
      take(static_cast<uint8_t>(byte(3)), static_cast<uint8_t>(byte(4)), static_cast<int32_t>(number(5)),
           in_.substr(kFrameHead, size));
      in_.erase(0, kFrameHead + size);
    }
  }

  std::map<int32_t, Message> streams;
  std::optional<uint32_t> goaway;
  int32_t goaway_last = 0;
  unsigned settings = 0;
  unsigned window_updates = 0;  // but for the first, which makes the connection's window what it is
  std::string ping;

 private:
  size_t byte(size_t at) const { return static_cast<uint8_t>(in_[at]); }
  uint32_t number(size_t at) const {
    return static_cast<uint32_t>(byte(at) << 24 | byte(at + 1) << 16 | byte(at + 2) << 8 | byte(at + 3));
  }
  static uint32_t number_in(std::string_view text) {
    uint32_t out = 0;
    for (const char c : text.substr(0, 4)) out = out << 8 | static_cast<uint8_t>(c);
    return out;
  }
  void take(uint8_t type, uint8_t flags, int32_t stream, const std::string& payload) {
    switch (type) {
      case NGHTTP2_HEADERS:
      case NGHTTP2_CONTINUATION:
        block_ += payload;
        if (type == NGHTTP2_HEADERS) last_ = (flags & NGHTTP2_FLAG_END_STREAM) != 0;
        if ((flags & NGHTTP2_FLAG_END_HEADERS) != 0) take_head(streams[stream]);
        break;
      case NGHTTP2_DATA:
        streams[stream].body += payload;
        streams[stream].ended |= (flags & NGHTTP2_FLAG_END_STREAM) != 0;
        break;
      case NGHTTP2_RST_STREAM: streams[stream].reset = number_in(payload); break;
      case NGHTTP2_GOAWAY:
        goaway_last = static_cast<int32_t>(number_in(payload));
        goaway = number_in(std::string_view(payload).substr(4));
        break;
      case NGHTTP2_SETTINGS: ++settings; break;
      case NGHTTP2_WINDOW_UPDATE:
        if (settings > 1 || !streams.empty() || stream != 0) ++window_updates;
        break;
      case NGHTTP2_PING:
        if ((flags & NGHTTP2_FLAG_ACK) == 0) ping = payload;
        break;
      default: break;
    }
  }
  void take_head(Message& message) {
    Fields fields;
    auto* at = reinterpret_cast<const uint8_t*>(block_.data());
    size_t left = block_.size();
    for (;;) {
      nghttp2_nv nv{};
      int flags = 0;
      const ssize_t used = nghttp2_hd_inflate_hd2(inflater_, &nv, &flags, at, left, 1);
      if (used < 0) break;
      at += used;
      left -= static_cast<size_t>(used);
      if ((flags & NGHTTP2_HD_INFLATE_EMIT) != 0)
        fields.emplace_back(std::string(reinterpret_cast<char*>(nv.name), nv.namelen),
                            std::string(reinterpret_cast<char*>(nv.value), nv.valuelen));
      if ((flags & NGHTTP2_HD_INFLATE_FINAL) != 0) break;
    }
    nghttp2_hd_inflate_end_headers(inflater_);
    block_.clear();
    message.ended |= last_;
    if (fields.empty() || fields.front().first != ":status") {
      message.trailers = std::move(fields);
      return;
    }
    if (fields.front().second.starts_with('1')) {
      message.interim.push_back(fields.front().second);
      return;
    }
    message.status = fields.front().second;
    message.fields = std::move(fields);
  }

  nghttp2_hd_inflater* inflater_ = nullptr;
  std::string in_;
  std::string block_;
  bool last_ = false;
};

}  // namespace sluice::h2
