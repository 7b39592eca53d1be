#include "route/terminals.h"

#include <fmt/format.h>

#include "base/strings.h"
#include "config/regex.h"
#include "http/path.h"
#include "regex/pattern.h"
#include "route/route_entry.h"

namespace sluice {
namespace {

Response configured(Request& request, uint16_t status, std::string_view body) {
  constexpr auto kKind = OutcomeKind::direct_response;
  return local_reply(request, status, body, terms_of(kKind).details, kKind);
}

Response finish(Request& request, Response response) {
  request.route.rules->finish_response(request, response);
  return response;
}

class DirectResponse final : public AnsweringService {
 public:
  explicit DirectResponse(kinds::DirectResponseAction action) : action_(std::move(action)) {}
  Task<Response> handle(Request& request) const override {
    return finish(request, configured(request, action_.status, action_.body));
  }

 private:
  kinds::DirectResponseAction action_;
};

class RefuseAll final : public Service {
 public:
  explicit RefuseAll(Refusal refusal) : refusal_(std::move(refusal)) {}
  Task<Response> handle(Request& request) const override {
    refusal_.count->add();
    return answer(request);
  }
  Task<Response> explain(Request& request, Explanation& out) const override {
    out.verdict = "refused: " + refusal_.text;
    return answer(request);
  }

 private:
  Response answer(Request& request) const {
    return finish(request, reply(request, {refusal_.kind, refusal_.rule}, refusal_.text));
  }

  Refusal refusal_;
};

class Redirect final : public AnsweringService {
 public:
  Redirect(kinds::RedirectAction action, RequestMatcher matcher, std::unique_ptr<const regex::Pattern> regex,
           Counter& too_costly)
      : action_(std::move(action)), matcher_(std::move(matcher)), regex_(std::move(regex)), too_costly_(too_costly) {
    if (action_.port_redirect != 0) port_ = fmt::format(":{}", action_.port_redirect);
  }

  Task<Response> handle(Request& request) const override {
    // A client's empty Host, as the dynamic forward proxy answers it: there is no Location without a host.
    if (action_.host_redirect.empty() && request.authority.empty())
      return finish(request, reply(request, OutcomeKind::empty_host));
    const auto rewritten = path(request);
    if (!rewritten) {
      too_costly_.add();
      return finish(request, reply(request, OutcomeKind::redirect_too_costly));
    }
    const std::string_view new_path = *rewritten;
    if (const auto problem = rewrite_problem(request.path, new_path); !problem.empty())
      return finish(request, reply(request, OutcomeKind::invalid_rewrite, problem));
    Response response = configured(request, action_.status(), "");
    // RFC 9112 3.2.4: a whole server has a URI without a path.
    response.headers->add(Known::location, location(request, new_path == "*" ? std::string_view() : new_path));
    return finish(request, std::move(response));
  }

 private:
  std::string_view location(Request& request, std::string_view new_path) const {
    const std::string_view scheme = action_.https_redirect ? std::string_view("https") : request.scheme;
    const std::string_view host = action_.host_redirect.empty() ? kept_host(request, scheme) : action_.host_redirect;
    return request.arena.concat(scheme, std::string_view("://"), host, std::string_view(port_), new_path);
  }

  // Without a port that is replaced, or that was the default of the scheme that changes.
  std::string_view kept_host(const Request& request, std::string_view scheme) const {
    const std::string_view host = request.authority;
    const size_t colon = host.rfind(':');
    if (colon == std::string_view::npos || host.ends_with(']')) return host;
    const std::string_view port = host.substr(colon);
    const bool was_default = scheme != request.scheme && port == (request.scheme == "https" ? ":443" : ":80");
    return was_default || !port_.empty() ? host.substr(0, colon) : host;
  }

  Result<std::string_view> path(Request& request) const {
    const std::string_view query = request.path.substr(request.path_without_query().size());
    if (!action_.path_redirect.empty()) {
      // Its own query takes the place of the client's and is never stripped.
      const bool keep = !action_.strip_query && action_.path_redirect.find('?') == std::string::npos;
      return request.arena.concat(action_.path_redirect, keep ? query : std::string_view());
    }
    const std::string_view changed = TRY(changed_path(request));
    return action_.strip_query ? changed.substr(0, changed.find('?')) : changed;
  }

  Result<std::string_view> changed_path(Request& request) const {
    if (!action_.prefix_rewrite.empty())
      return replace_matched(request, matcher_, action_.prefix_rewrite).value_or(request.path);
    if (!regex_) return request.path;
    const std::string path =
        TRY(regex::replace_all(*regex_, request.path_without_query(), action_.regex_rewrite->substitution));
    return request.arena.concat(path, request.path.substr(request.path_without_query().size()));
  }

  kinds::RedirectAction action_;
  RequestMatcher matcher_;
  std::unique_ptr<const regex::Pattern> regex_;
  Counter& too_costly_;
  std::string port_;  // ":8443"
};

Result<std::unique_ptr<const regex::Pattern>> compile_rewrite(const kinds::RegexRewrite& rewrite) {
  auto regex = TRY(compile_regex(rewrite.regex));
  std::string error;
  if (!regex->CheckRewriteString(rewrite.substitution, &error))
    return invalid(fmt::format("substitution {}: {}", json_quote(rewrite.substitution), error));
  return std::make_unique<const regex::Pattern>(std::move(regex));
}

}  // namespace

Result<std::shared_ptr<const Service>> make_redirect(const kinds::RedirectAction& action, const RequestMatcher& matcher,
                                                     Counter& too_costly) {
  std::unique_ptr<const regex::Pattern> regex;
  if (action.regex_rewrite) regex = TRY(compile_rewrite(*action.regex_rewrite));
  return std::make_shared<Redirect>(action, matcher, std::move(regex), too_costly);
}

Result<std::shared_ptr<const Service>> make_direct_response(const kinds::DirectResponseAction& action,
                                                            size_t body_bytes_max) {
  if (action.body.size() > body_bytes_max)
    return invalid(fmt::format("the body of a direct response has {} bytes, more than the limit of {}",
                               action.body.size(), body_bytes_max));
  return std::make_shared<DirectResponse>(action);
}

std::shared_ptr<const Service> make_refusal(Refusal refusal) {
  CHECK(refusal.count != nullptr);
  return std::make_shared<RefuseAll>(std::move(refusal));
}

}  // namespace sluice
