// What the admin port and the API share: they answer only callers who address them by their own name, so that a page in
// somebody's browser cannot reach them through a name that it made point here (DNS rebinding), and not who comes
// through a proxy, such as another sluice whose policy opens loopback: neither has an authentication.
#pragma once

#include "pipeline/message.h"

namespace sluice {

// 403 when Host is neither an address of this machine's loopback, nor `localhost`, nor `own_host`, or when there is an
// Origin or an X-Forwarded-Proto; nothing when the caller is welcome.
std::optional<Response> refuse_foreign_caller(Request& request, std::string_view own_host);

Response text_reply(Request& request, uint16_t status, std::string_view content_type, std::string_view body);

}  // namespace sluice
