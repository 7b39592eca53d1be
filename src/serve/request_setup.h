// From the bytes of a head to a Request: framing, target, the path as it is to be read, and the fields a gateway adds.
#pragma once

#include <optional>

#include "http/h1/framing.h"
#include "net/address.h"
#include "serve/listener_config.h"

namespace sluice {

// Details of refusals that are told in a sentence (refuse() in connection.cc).
inline constexpr std::string_view kMethodNotAllowed = "method_not_allowed";
inline constexpr std::string_view kHttpsTarget = "https_target_not_supported";

// Fills the request from a parsed head (whose fields are in request.headers). A failure: answer with its status, close.
std::optional<HeadFailure> set_up_request(const RequestHeadParser& head, const ListenerConfig& config,
                                          const SocketAddress& peer, Request& request, RequestFraming& framing);

// The path as routes and filters see it; for requests that come from no client, too.
void clean_path(const ListenerConfig& config, Request& request);

}  // namespace sluice
