// Gateway `options.socketOptions`: what setsockopt() is to be told of listening sockets (reference gloo-core.md 2.3).
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "config/bind.h"

namespace sluice::kinds {

enum class SocketState : uint8_t { prebind = 0, bound = 1, listening = 2 };
std::span<const EnumName> enum_names(SocketState);

struct SocketOption {
  std::string description;
  int32_t level = 0;
  int32_t name = 0;
  std::optional<int32_t> int_value;
  std::optional<std::string> buf_value;  // base64, which is valid once read; one of the two is set
  SocketState state = SocketState::prebind;
};
void bind(Fields& f, SocketOption& option);

// Gateway `options.connectionBalanceConfig`.
struct ConnectionBalanceConfig {
  std::optional<Empty> exact_balance;  // set once read
};
void bind(Fields& f, ConnectionBalanceConfig& config);

}  // namespace sluice::kinds
