#include "http/h2/frames.h"

#include <vector>

namespace sluice::h2 {

bool say_trailers(nghttp2_session* session, int32_t stream, const Headers* trailers, uint32_t& flags) {
  if (!trailers || trailers->size() == 0) return false;
  std::vector<nghttp2_nv> fields;
  for (const HeaderField& one : *trailers) fields.push_back(field(one.name, one.value));
  if (nghttp2_submit_trailer(session, stream, fields.data(), fields.size()) != 0) return false;
  flags |= NGHTTP2_DATA_FLAG_NO_END_STREAM;
  return true;
}

}  // namespace sluice::h2
