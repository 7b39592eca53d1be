// Whether a sanitizer watches this build: its heap and its system calls are then not those of the program alone.
#pragma once

namespace sluice {

#if defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define SLUICE_WATCHED 1
#endif
#endif

#ifdef SLUICE_WATCHED
inline constexpr bool kWatchedHeap = true;
#else
inline constexpr bool kWatchedHeap = false;
#endif

}  // namespace sluice
