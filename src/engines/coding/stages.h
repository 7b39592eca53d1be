// The libraries that undo one coding.
#pragma once

#include <memory>

#include "engines/coding/decoder.h"

namespace sluice::coding {

// RFC 1952; members may follow one another.
Result<std::unique_ptr<Stage>> make_gzip_stage();
// RFC 9110 8.4.1.2: zlib's format; also the raw one that some senders mistake it for.
Result<std::unique_ptr<Stage>> make_deflate_stage();
// RFC 7932.
Result<std::unique_ptr<Stage>> make_brotli_stage();

}  // namespace sluice::coding
