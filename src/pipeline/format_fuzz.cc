// Any text either compiles, and then fills in without touching what it should not, or is refused with a message.
#include <cstddef>
#include <cstdint>

#include "base/check.h"
#include "io/loop.h"
#include "pipeline/format.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace sluice;
  static Loop loop;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  for (const FormatUse use : {FormatUse::log, FormatUse::header_value}) {
    auto format = Format::compile(text, use);
    if (!format) {
      CHECK(!format.error().message.empty());
      continue;
    }
    Arena arena;
    StreamInfo info;
    info.metadata.push_back({"a", "b", R"({"c":{"d":[1]}})", nullptr});
    Request request(arena, loop, info);
    request.path = "/a?b";
    request.headers.add("a", "b\nc");
    std::string out;
    format->append(out, {.request = &request, .info = info, .now = {}});
    if (format->is_constant()) CHECK(out == format->constant());
  }
  return 0;
}
