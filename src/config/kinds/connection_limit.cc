#include "config/kinds/connection_limit.h"

namespace sluice::kinds {

void bind(Fields& f, ConnectionLimit& l) {
  f.optional("maxActiveConnections", l.max_active_connections,
             "Client connections open at once on this listener; one more is closed without an answer.");
  f.optional("delayBeforeClose", l.delay_before_close, "How long that one is kept, unread, before it is closed.");
  f.in_range("maxActiveConnections", l.max_active_connections, 1, UINT32_MAX);
  f.not_negative("delayBeforeClose", l.delay_before_close);
  if (f.present("delayBeforeClose") && !l.max_active_connections)
    f.warning("delayBeforeClose", "has no effect without maxActiveConnections");
}

}  // namespace sluice::kinds
