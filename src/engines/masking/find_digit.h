// Finds digits about as fast as memchr finds one byte.
#pragma once

#include <cstddef>
#include <cstdint>

#if defined(__SSE2__)
#include <emmintrin.h>
#endif

namespace sluice::masking {

#if defined(__SSE2__)
// 0xff in every byte that is a digit.
inline __m128i digit_bytes(const char* at) {
  const __m128i bytes = _mm_loadu_si128(reinterpret_cast<const __m128i*>(at));
  const __m128i above_zero = _mm_sub_epi8(bytes, _mm_set1_epi8('0'));
  return _mm_cmpeq_epi8(_mm_min_epu8(above_zero, _mm_set1_epi8(9)), above_zero);
}
#endif

#if defined(__SSE2__)
inline uint64_t mask_of(__m128i a, __m128i b, __m128i c, __m128i d) {
  return static_cast<uint64_t>(static_cast<uint32_t>(_mm_movemask_epi8(a))) |
         static_cast<uint64_t>(static_cast<uint32_t>(_mm_movemask_epi8(b))) << 16 |
         static_cast<uint64_t>(static_cast<uint32_t>(_mm_movemask_epi8(c))) << 32 |
         static_cast<uint64_t>(static_cast<uint32_t>(_mm_movemask_epi8(d))) << 48;
}

inline uint64_t digits_of_64(const char* at) {
  return mask_of(digit_bytes(at), digit_bytes(at + 16), digit_bytes(at + 32), digit_bytes(at + 48));
}

// 0xff in every byte that may join two digit runs.
inline __m128i joiner_bytes(const char* at) {
  const __m128i bytes = _mm_loadu_si128(reinterpret_cast<const __m128i*>(at));
  const __m128i space_or_dash =
      _mm_or_si128(_mm_cmpeq_epi8(bytes, _mm_set1_epi8(' ')), _mm_cmpeq_epi8(bytes, _mm_set1_epi8('-')));
  return _mm_or_si128(space_or_dash, _mm_cmpeq_epi8(bytes, _mm_set1_epi8('^')));
}

inline uint64_t joiners_of_64(const char* at) {
  return mask_of(joiner_bytes(at), joiner_bytes(at + 16), joiner_bytes(at + 32), joiner_bytes(at + 48));
}
#endif

// A place before which no long number starts: the first digit from which nine bytes are digits, or digits with single
// joiners between them; or where too few bytes are left to tell. Most digits in texts are of short numbers, which
// this passes over without looking at one after the other.
inline const char* skip_short_numbers(const char* from, const char* end) {
#if defined(__SSE2__)
  while (end - from >= 64) {
    const uint64_t digits = digits_of_64(from);
    if (digits == 0) {
      from += 64;
      continue;
    }
    const uint64_t dense = digits | (digits << 1 & joiners_of_64(from));
    uint64_t runs = dense & dense >> 1;  // of two,
    runs &= runs >> 2;                   // four,
    runs &= runs >> 4;                   // eight,
    runs &= dense >> 8;                  // nine
    if (runs != 0) return from + __builtin_ctzll(runs);
    from += 48;  // nine bytes that begin in the last 16 are whole in the next look
  }
#endif
  return from;
}

// The first digit in [from, end), or `end`.
inline const char* find_digit(const char* from, const char* end) {
#if defined(__SSE2__)
  for (; end - from >= 64; from += 64) {
    const __m128i a = digit_bytes(from);
    const __m128i b = digit_bytes(from + 16);
    const __m128i c = digit_bytes(from + 32);
    const __m128i d = digit_bytes(from + 48);
    if (_mm_movemask_epi8(_mm_or_si128(_mm_or_si128(a, b), _mm_or_si128(c, d))) == 0) continue;
    return from + __builtin_ctzll(mask_of(a, b, c, d));
  }
  for (; end - from >= 16; from += 16) {
    const int bits = _mm_movemask_epi8(digit_bytes(from));
    if (bits != 0) return from + __builtin_ctz(static_cast<unsigned>(bits));
  }
#endif
  while (from != end && static_cast<unsigned char>(*from - '0') > 9) ++from;
  return from;
}

}  // namespace sluice::masking
