// Which thread this is, for those who keep something for each.
#pragma once

namespace sluice {

// Workers are 0 to n - 1, the control thread is n. Others may neither count nor ask for a worker's state. Set once,
// before the thread does anything else.
inline thread_local unsigned worker_index = 0;

}  // namespace sluice
