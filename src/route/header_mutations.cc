#include "route/header_mutations.h"

#include <fmt/format.h>

#include "base/header_names.h"
#include "base/strings.h"
#include "io/loop.h"

namespace sluice {
namespace {

// Whether requests may carry what the Secret holds.
Status check_secret(const ObjectRef& ref, const HeaderList& secret) {
  for (const auto& [name, value] : secret) {
    std::string error =
        equals_ignoring_case(name, "host") ? "host headers may not be modified" : header_change_error(name);
    if (error.empty() && !valid_header_value(value)) error = "its value has bytes that no header can carry";
    if (!error.empty())
      return invalid(fmt::format("secret {}.{}: header {}: {}", ref.ns, ref.name, json_quote(name), error));
  }
  return {};
}

}  // namespace

Result<HeaderList> usable_secret(const ObjectRef& ref, const FindHeaderSecret& find_secret) {
  HeaderList secret = TRY(find_secret(ref));
  TRY(check_secret(ref, secret));
  return secret;
}

Result<HeaderMutations> HeaderMutations::compile(std::span<const kinds::HeaderManipulation* const> levels,
                                                 const FindHeaderSecret& find_secret) {
  HeaderMutations out;
  for (const kinds::HeaderManipulation* level : levels)
    if (level) TRY(add_level(*level, find_secret, out));
  return out;
}

std::vector<std::string> HeaderMutations::check(const kinds::HeaderManipulation& level,
                                                const FindHeaderSecret& find_secret) {
  std::vector<std::string> problems;
  const auto check_value = [&](std::string_view list, size_t i, const kinds::HeaderValue& header) {
    for (const std::string& problem : Format::problems(header.value))
      problems.push_back(fmt::format("{}[{}].header.value: {}", list, i, problem));
  };
  for (size_t i = 0; i < level.request_headers_to_add.size(); ++i) {
    const kinds::RequestHeaderAddition& addition = level.request_headers_to_add[i];
    if (addition.header) check_value("requestHeadersToAdd", i, *addition.header);
    if (!addition.header_secret_ref) continue;
    if (const auto secret = usable_secret(*addition.header_secret_ref, find_secret); !secret)
      problems.push_back(fmt::format("requestHeadersToAdd[{}].headerSecretRef: {}", i, secret.error().message));
  }
  for (size_t i = 0; i < level.response_headers_to_add.size(); ++i)
    check_value("responseHeadersToAdd", i, level.response_headers_to_add[i].header);
  return problems;
}

Status HeaderMutations::add_level(const kinds::HeaderManipulation& level, const FindHeaderSecret& find_secret,
                                  HeaderMutations& out) {
  for (const std::string& name : level.request_headers_to_remove)
    out.request_.push_back({Action::remove, to_lower(name), {}, {}});
  for (const kinds::RequestHeaderAddition& addition : level.request_headers_to_add) {
    if (addition.header) out.request_.push_back(TRY(compile_addition(*addition.header, addition.append)));
    if (!addition.header_secret_ref) continue;
    if (!find_secret) return fail(ErrorKind::unsupported, "headerSecretRef is not supported here");
    const HeaderList secret = TRY(usable_secret(*addition.header_secret_ref, find_secret));
    const Action action = addition.append ? Action::append : Action::overwrite;
    for (const auto& [name, value] : secret) out.request_.push_back({action, to_lower(name), value, {}});
  }
  for (const std::string& name : level.response_headers_to_remove)
    out.response_.push_back({Action::remove, to_lower(name), {}, {}});
  for (const kinds::ResponseHeaderAddition& addition : level.response_headers_to_add)
    out.response_.push_back(TRY(compile_addition(addition.header, addition.append)));
  return {};
}

Result<HeaderMutations::Change> HeaderMutations::compile_addition(const kinds::HeaderValue& header, bool append) {
  auto format = Format::compile(header.value, FormatUse::header_value);
  if (!format) return std::unexpected(std::move(format).error().in(fmt::format("header \"{}\"", header.key)));
  Change out{append ? Action::append : Action::overwrite, to_lower(header.key), {}, {}};
  if (format->is_constant())
    out.text = format->constant();
  else
    out.format = *std::move(format);
  return out;
}

void HeaderMutations::apply(const Changes& changes, Headers& headers, Arena& arena, const FormatInput& input) {
  std::string filled;
  for (const Change& change : changes) {
    if (change.action == Action::remove) {
      remove_alike(headers, change.name);
      continue;
    }
    std::string_view value = change.text;
    if (change.format) {
      filled.clear();
      change.format->append(filled, input);
      if (!valid_header_value(filled)) continue;
      value = arena.copy(filled);
    }
    if (value.empty()) continue;
    if (change.action == Action::append)
      headers.add(change.name, value);
    else
      set_alone(headers, change.name, value);
  }
}

void HeaderMutations::apply_request(Request& request) const {
  if (request_.empty()) return;
  apply(request_, request.headers, request.arena,
        {.request = &request, .info = request.info, .now = request.loop.now()});
  for (const Change& change : request_) request.keep_from_trailers(change.name);
}

void HeaderMutations::apply_response(Request& request, Response& response) const {
  if (response_.empty()) return;
  apply(response_, *response.headers, request.arena,
        {.request = &request, .response = &response, .info = request.info, .now = request.loop.now()});
  for (const Change& change : response_) request.keep_from_response_trailers(change.name);
}

}  // namespace sluice
