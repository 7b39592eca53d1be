// An API request as the HTTP server hands it over, and its target taken apart. No transport in here.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.h"
#include "base/time.h"

namespace sluice {

// Who may come to one of the program's own ports.
enum class Callers : uint8_t {
  of_this_machine,  // without any authentication: they must call it by a name of loopback, and by themselves
  with_token,       // each has shown one: by which name they call it their TLS has checked
};

struct ApiRequest {
  // Bodies up to this size are to be read; a larger one is answered with 413 (ApiServer::too_large()).
  static constexpr size_t kBodyBytesMax = size_t{3} << 20;  // as Kubernetes

  std::string_view method;  // upper-case
  std::string_view target;  // "/api/v1/namespaces?limit=5", as it came
  std::span<const std::pair<std::string_view, std::string_view>> headers;
  std::string_view body;
  WallTime now{};
  SteadyTime steady_now{};

  // The first field of that name whatever its case; "" when there is none.
  std::string_view header(std::string_view name) const;
  bool has_header(std::string_view name) const;
};

struct ApiResponse {
  int status = 200;
  std::string content_type = "application/json";
  std::vector<std::pair<std::string, std::string>> headers;  // besides content-type
  std::string body;
};

// The decoded parameters of a query. Of several with one name the first counts, unless all() is asked.
class Query {
 public:
  static constexpr size_t kParametersMax = 64;

  // "a=b&c=d", percent-encoded, '+' is a space.
  static Result<Query> parse(std::string_view text);

  std::string_view get(std::string_view name) const;  // the first value, "" when absent
  bool has(std::string_view name) const;
  std::vector<std::string_view> all(std::string_view name) const;
  // "", "true", "1", "t"... as Go's ParseBool; nothing for other text.
  std::optional<bool> boolean(std::string_view name) const;

 private:
  std::vector<std::pair<std::string, std::string>> parameters_;
};

struct Target {
  std::vector<std::string> path;  // decoded segments; "/" has none
  bool ends_with_slash = false;   // behind its last segment; readers do not care
  Query query;

  // Refuses empty segments, "." and "..", bad escapes, and an escaped slash.
  static Result<Target> parse(std::string_view text);
};

}  // namespace sluice
