// ProxySettings.localAnswers `proxy`: sluice's own answers with the statuses of a forward proxy and Proxy-Status
// (RFC 9209), instead of Envoy's 503 for everything (reference dynamic-forward-proxy.md 8).
#pragma once

#include "pipeline/message.h"

namespace sluice {

void answer_as_proxy(const Request& request, Response& response);

}  // namespace sluice
