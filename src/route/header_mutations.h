// The changes that configuration makes to headers (headerManipulation; reference gloo-core.md 5.4,
// gloo-policies.md 8.3).
//
// Levels run in the order given, the most specific first, so that the virtual host's overwrite wins. In one level
// removals run before additions, as in Envoy. A value that is the same for every request costs a view into this
// object, which must outlive the exchange; others are filled in. An empty value adds no header, as in Envoy; one with
// bytes that are illegal in a header adds none either.
#pragma once

#include <functional>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "config/kinds/header_manipulation.h"
#include "pipeline/format.h"
#include "pipeline/message.h"

namespace sluice {

// The keys and values of a header secret.
using HeaderList = std::vector<std::pair<std::string, std::string>>;
using FindHeaderSecret = std::function<Result<HeaderList>(const ObjectRef&)>;
// An error, which names the header, where requests may not carry what it holds. Values are meant as they are: a percent
// sign in a password is no operator.
Result<HeaderList> usable_secret(const ObjectRef& ref, const FindHeaderSecret& find_secret);

class HeaderMutations {
 public:
  HeaderMutations() = default;  // none

  // `levels`: weighted destination, route, virtual host; nullptr is skipped. `find_secret` gives what a headerSecretRef
  // stands for; its error is passed on. Errors name the header whose value does not compile.
  static Result<HeaderMutations> compile(std::span<const kinds::HeaderManipulation* const> levels,
                                         const FindHeaderSecret& find_secret = {});

  // All that is wrong with one level, each with its path: "requestHeadersToAdd[0].header.value: unknown operator %X%".
  static std::vector<std::string> check(const kinds::HeaderManipulation& level, const FindHeaderSecret& find_secret);

  bool changes_requests() const { return !request_.empty(); }
  bool changes_responses() const { return !response_.empty(); }

  void apply_request(Request& request) const;
  void apply_response(Request& request, Response& response) const;

 private:
  enum class Action : uint8_t { remove, append, overwrite };
  struct Change {
    Action action;
    std::string name;  // lower case
    std::string text;  // when `format` is absent
    std::optional<Format> format;
  };
  using Changes = std::vector<Change>;

  static Status add_level(const kinds::HeaderManipulation& level, const FindHeaderSecret& find_secret,
                          HeaderMutations& out);
  static Result<Change> compile_addition(const kinds::HeaderValue& header, bool append);
  static void apply(const Changes& changes, Headers& headers, Arena& arena, const FormatInput& input);

  Changes request_;
  Changes response_;
};

}  // namespace sluice
