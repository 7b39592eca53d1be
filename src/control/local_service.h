// What the admin port and the API share: they answer only callers who address them by their own name, so that a page in
// somebody's browser cannot reach them through a name that it made point here (DNS rebinding), and not who comes
// through a proxy, such as another sluice whose policy opens loopback: neither has an authentication. Callers with a
// token (TokenGate) are asked less.
#pragma once

#include "control/api/request.h"
#include "pipeline/message.h"

namespace sluice {

// 403 when there is an Origin; of callers without a token also when Host is neither an address of this machine's
// loopback nor `localhost`, or when there is an X-Forwarded-Proto. Nothing when the caller is welcome.
std::optional<Response> refuse_foreign_caller(Request& request, Callers callers);

Response text_reply(Request& request, uint16_t status, std::string_view content_type, std::string_view body);

}  // namespace sluice
