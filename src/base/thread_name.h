// What `top -H`, gdb and perf call a thread.
#pragma once

#include <pthread.h>

#include <algorithm>
#include <string>

namespace sluice {

// The calling thread's; the first 15 bytes count.
inline void name_thread(std::string name) {
  name.resize(std::min<size_t>(name.size(), 15));
  ::pthread_setname_np(::pthread_self(), name.c_str());
}

}  // namespace sluice
