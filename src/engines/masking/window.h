// The stretch of a body that the stages work on, and how far one of them has come.
#pragma once

#include <cstddef>

namespace sluice::masking {

// Bytes of a body, contiguous. The byte before the start exists, and may be written for a moment, unless the window
// starts with the body (a stage tells by Progress::at_start).
using Window = char*;

enum class End : bool { open, final };  // final: the body ends at the limit

struct Progress {
  size_t done = 0;       // bytes of the window this stage has finished with; later stages may change them
  char before = 0;       // the byte before `done` as this stage got it, unless at_start
  bool at_start = true;  // nothing of the body is done

  // Later stages change what is before `done`, so a stage keeps the byte it may need to look back at.
  void advance(size_t to, char last) {
    if (to == done) return;
    done = to;
    before = last;
    at_start = false;
  }
};

}  // namespace sluice::masking
