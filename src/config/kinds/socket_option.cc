#include "config/kinds/socket_option.h"

#include "base/encoding.h"

namespace sluice::kinds {
namespace {

constexpr EnumName kStates[] = {{"STATE_PREBIND", 0}, {"STATE_BOUND", 1}, {"STATE_LISTENING", 2}};
constexpr size_t kBytesMax = 1024;

}  // namespace

std::span<const EnumName> enum_names(SocketState) {
  return kStates;
}

void bind(Fields& f, SocketOption& o) {
  f.optional("description", o.description, "What it is for: stands in the message where the system refuses it.");
  f.optional("level", o.level, "Level of the option, as a number: 1 is SOL_SOCKET, 6 is TCP.");
  f.required("name", o.name, "The option, as a number: 9 on level 1 is SO_KEEPALIVE.");
  f.optional("intValue", o.int_value, "Its value, where that is a number.");
  f.optional("bufValue", o.buf_value, "Its value in base64, where it is something else.");
  f.optional("state", o.state,
             "When it is set: before the socket has its address, before it listens, or once it does.");
  f.exactly_one({"intValue", "bufValue"});
  if (!f.present("bufValue") || !f.good("bufValue")) return;
  const auto bytes = base64_decode(*o.buf_value);
  f.check(bytes && !bytes->empty() && bytes->size() <= kBytesMax, "bufValue",
          "must be base64, with padding, of 1 to 1024 bytes");
}

void bind(Fields& f, ConnectionBalanceConfig& c) {
  f.required("exactBalance", c.exact_balance,
             "Each connection goes to the worker that has the fewest of this address, instead of to any.");
}

}  // namespace sluice::kinds
