// From what came off a connection to a Request: target, the path as it is to be read, and the fields a gateway adds.
#pragma once

#include "http/server_session.h"
#include "net/address.h"
#include "serve/listener_config.h"

namespace sluice {

// Anything but `none`: the request is to be refused so. `came` lives as long as the request.
OutcomeKind set_up_request(const ServerRequest& came, const ListenerConfig& config, const SocketAddress& peer,
                           Request& request);

// The path as routes and filters see it; for requests that come from no client, too.
void clean_path(const ListenerConfig& config, Request& request);

}  // namespace sluice
