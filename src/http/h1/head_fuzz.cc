// Heads of requests and responses, whole and in two pieces: never a crash, and the pieces make no difference.
#include <cstdlib>
#include <string>

#include "http/h1/framing.h"

using namespace sluice;

template <class Parser>
static std::string outcome(std::string text, size_t cut) {
  Arena arena;
  Headers headers(arena);
  Parser parser{HeadLimits{}};
  HeadProgress progress = HeadProgress::more;
  if (cut < text.size()) progress = parser.parse(std::span(text).first(cut), headers);
  if (progress == HeadProgress::more) progress = parser.parse(text, headers);
  std::string out = std::to_string(static_cast<int>(progress)) + std::to_string(static_cast<int>(parser.failure()));
  if (progress != HeadProgress::done) return out;
  for (const HeaderField& field : headers) (((out += field.name) += '=') += field.value) += ';';
  out += std::to_string(parser.size());
  if constexpr (std::is_same_v<Parser, RequestHeadParser>) {
    RequestFraming framing;
    const HeadFailure failure = frame_request(parser, headers, framing);
    if (failure != HeadFailure::none) return out + std::to_string(static_cast<int>(failure));
    if (auto target = parse_target(parser.method, parser.target, arena)) (out += target->authority) += target->path;
    out += std::to_string(framing.length);
  } else {
    ResponseFraming framing;
    out += frame_response(parser, headers, false, framing) ? std::to_string(framing.length) : "broken";
  }
  remove_hop_by_hop(headers);
  return out;
}

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size < 1) return 0;
  const std::string text(reinterpret_cast<const char*>(data) + 1, size - 1);
  const size_t cut = data[0];
  if (outcome<RequestHeadParser>(text, text.size()) != outcome<RequestHeadParser>(text, cut)) std::abort();
  if (outcome<ResponseHeadParser>(text, text.size()) != outcome<ResponseHeadParser>(text, cut)) std::abort();
  return 0;
}
