#include "net/stream.h"

#include "io/loop.h"

namespace sluice {
namespace {

iovec part(std::string_view bytes) {
  return {const_cast<char*>(bytes.data()), bytes.size()};
}

}  // namespace

std::span<iovec> without_first(std::span<iovec> parts, size_t bytes) {
  while (!parts.empty() && bytes >= parts.front().iov_len) {
    bytes -= parts.front().iov_len;
    parts = parts.subspan(1);
  }
  if (bytes > 0) {
    parts.front().iov_base = static_cast<char*>(parts.front().iov_base) + bytes;
    parts.front().iov_len -= bytes;
  }
  return parts;
}

Task<void> Stream::write_all(std::string_view bytes, Nanos idle) {
  const iovec all = part(bytes);
  if (auto put = try_write(std::span(&all, 1))) {
    if (!*put) return std::unexpected(std::move(*put).error());
    bytes.remove_prefix(**put);
    if (bytes.empty()) return Status{};
  }
  return write_rest(bytes, idle);
}

Task<void> Stream::write_rest(std::string_view bytes, Nanos idle) {
  while (!bytes.empty()) {
    auto ready = writable(deadline_after(loop().now(), idle));
    CO_TRY(co_await ready);
    const iovec rest = part(bytes);
    if (auto put = try_write(std::span(&rest, 1))) bytes.remove_prefix(CO_TRY(std::move(*put)));
  }
  co_return Status{};
}

Task<void> Stream::write_all(std::span<iovec> parts, Nanos idle) {
  if (auto put = try_write(parts)) {
    if (!*put) return std::unexpected(std::move(*put).error());
    parts = without_first(parts, **put);
    if (parts.empty()) return Status{};
  }
  return write_rest(parts, idle);
}

Task<void> Stream::write_rest(std::span<iovec> parts, Nanos idle) {
  while (!parts.empty()) {
    auto ready = writable(deadline_after(loop().now(), idle));
    CO_TRY(co_await ready);
    if (auto put = try_write(parts)) parts = without_first(parts, CO_TRY(std::move(*put)));
  }
  co_return Status{};
}

}  // namespace sluice
