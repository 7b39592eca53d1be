#include "filters/grpc_web/base64_stream.h"

#include <algorithm>

#include "base/encoding.h"

namespace sluice::grpc_web {

Result<Base64Step> Base64Decoder::decode(std::string_view in, std::span<char> out) {
  Base64Step step;
  while (step.read < in.size() && out.size() - step.written >= kOutMin) {
    const std::string_view rest = in.substr(step.read);
    // As many groups at once as there are up to one with padding.
    const size_t groups = std::min({rest.find('=') / 4, rest.size() / 4, (out.size() - step.written) / 3});
    std::string_view whole = rest.substr(0, filled_ == 0 ? 4 * groups : 0);
    step.read += std::max<size_t>(whole.size(), 1);
    if (whole.empty()) {
      group_[filled_++] = rest.front();
      if (filled_ < group_.size()) continue;
      filled_ = 0;
      whole = {group_.data(), group_.size()};
    }
    const auto bytes = base64_decode(whole);
    if (!bytes) return fail(ErrorKind::invalid, "the body is not Base64", Side::downstream);
    std::ranges::copy(*bytes, out.subspan(step.written).begin());
    step.written += bytes->size();
  }
  return step;
}

Base64Step Base64Encoder::encode(std::string_view in, std::span<char> out) {
  Base64Step step;
  while (step.read < in.size() && out.size() - step.written >= kOutMin) {
    const std::string_view rest = in.substr(step.read);
    const size_t groups = std::min(rest.size() / 3, (out.size() - step.written) / 4);
    std::string_view whole = rest.substr(0, filled_ == 0 ? 3 * groups : 0);
    step.read += std::max<size_t>(whole.size(), 1);
    if (whole.empty()) {
      group_[filled_++] = rest.front();
      if (filled_ < group_.size()) continue;
      filled_ = 0;
      whole = {group_.data(), group_.size()};
    }
    const std::string text = base64_encode(whole);
    std::ranges::copy(text, out.subspan(step.written).begin());
    step.written += text.size();
  }
  return step;
}

size_t Base64Encoder::finish(std::span<char> out) {
  if (filled_ == 0) return 0;
  std::ranges::copy(base64_encode({group_.data(), filled_}), out.begin());
  filled_ = 0;
  return 4;
}

}  // namespace sluice::grpc_web
