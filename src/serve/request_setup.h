// From the bytes of a head to a Request: framing, target, path normalisation, and the fields a gateway adds.
#pragma once

#include <optional>

#include "http/framing.h"
#include "io/socket.h"
#include "serve/listener_config.h"

namespace sluice {

// Fills the request from a parsed head (whose fields are in request.headers). A failure: answer with its status, close.
std::optional<HeadFailure> set_up_request(const RequestHeadParser& head, const ListenerConfig& config,
                                          const SocketAddress& peer, Request& request, RequestFraming& framing);

// RFC 3986 6.2.2: dot segments, and escapes of unreserved characters; `\` is taken for `/`. Empty segments and the
// query stay. In the arena when it changes.
std::string_view normalize_path(std::string_view path, Arena& arena);

// One `/` for each run of them; the query stays. In the arena when it changes. With both, after normalize_path, as in
// Envoy: `/a//../b` is `/a/b`.
std::string_view merge_slashes(std::string_view path, Arena& arena);

// The status line's text.
std::string_view reason_phrase(uint16_t status);

}  // namespace sluice
