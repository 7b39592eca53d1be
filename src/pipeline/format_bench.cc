#include <benchmark/benchmark.h>

#include "io/loop.h"
#include "pipeline/format.h"

namespace sluice {
namespace {

void default_access_log_record(benchmark::State& state) {
  Loop loop;
  Arena arena;
  StreamInfo info;
  info.start_wall = wall_now();
  info.code = 200;
  info.original_path = "/get?x=1";
  info.upstream_host = "127.0.0.1:9001";
  Request request(arena, loop, info);
  request.method = "GET";
  request.path = "/get?x=1";
  request.authority = "api.test";
  request.headers.add("user-agent", "curl/8.0");
  request.headers.add("x-request-id", "3ba4b4c8-3b1f-4b0c-9d8e-0123456789ab");
  Response response;
  response.headers = arena.make<Headers>(arena);
  response.headers->add("x-envoy-upstream-service-time", "1");
  const auto format = Format::compile(
      "[%START_TIME%] \"%REQ(:METHOD)% %REQ(X-ENVOY-ORIGINAL-PATH?:PATH)% %PROTOCOL%\" %RESPONSE_CODE% "
      "%RESPONSE_FLAGS% %BYTES_RECEIVED% %BYTES_SENT% %DURATION% %RESP(X-ENVOY-UPSTREAM-SERVICE-TIME)% "
      "\"%REQ(X-FORWARDED-FOR)%\" \"%REQ(USER-AGENT)%\" \"%REQ(X-REQUEST-ID)%\" \"%REQ(:AUTHORITY)%\" "
      "\"%UPSTREAM_HOST%\" %RESPONSE_CODE_DETAILS%\n");
  std::string out;
  for (auto _ : state) {
    out.clear();
    format->append(out, {.request = &request, .response = &response, .info = info, .now = info.start + 12ms});
    benchmark::DoNotOptimize(out.data());
  }
}
BENCHMARK(default_access_log_record);

}  // namespace
}  // namespace sluice
