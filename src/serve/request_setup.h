// From what came off a connection to a Request: target, the path as it is to be read, and the fields a gateway adds.
#pragma once

#include <optional>

#include "http/server_session.h"
#include "net/address.h"
#include "serve/listener_config.h"

namespace sluice {

// Details of refusals that are told in a sentence (refuse() in exchange.cc).
inline constexpr std::string_view kMethodNotAllowed = "method_not_allowed";
inline constexpr std::string_view kHttpsTarget = "https_target_not_supported";

// A failure: answer with its status, close. `came` lives as long as the request.
std::optional<HeadFailure> set_up_request(const ServerRequest& came, const ListenerConfig& config,
                                          const SocketAddress& peer, Request& request);

// The path as routes and filters see it; for requests that come from no client, too.
void clean_path(const ListenerConfig& config, Request& request);

}  // namespace sluice
