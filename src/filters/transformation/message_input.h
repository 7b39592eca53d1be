// What templates see of a request or a response.
#pragma once

#include <map>
#include <nlohmann/json.hpp>
#include <optional>
#include <vector>

#include "engines/templates/template.h"
#include "pipeline/message.h"

namespace sluice::transformation {

class MessageInput final : public templates::Input {
 public:
  // `response` is null while the request is transformed.
  MessageInput(Request& request, const Response* response, std::string_view body)
      : request_(request), response_(response), body_(body) {}

  std::optional<std::string_view> find_header(std::string_view name) const;
  std::string_view header(std::string_view name) const override { return find_header(name).value_or(""); }
  std::string_view request_header(std::string_view name) const override;
  std::string_view extraction(size_t index) const override { return extractions[index]; }
  std::string_view body() const override { return body_; }
  const templates::Json* context() const override { return has_document ? &document : nullptr; }
  const templates::Json* dynamic_metadata(std::string_view name_space) const override;

  std::vector<std::string_view> extractions;
  templates::Json document;
  bool has_document = false;

 private:
  Request& request_;
  const Response* response_;
  std::string_view body_;
  mutable std::map<std::string, templates::Json, std::less<>> metadata_;  // namespaces asked for so far
};

// Keeps a value for logs and later filters, in place of one of that name. `json` is JSON text; name and namespace must
// outlive the exchange.
void keep_metadata(Request& request, std::string_view name_space, std::string_view key, std::string_view json);

}  // namespace sluice::transformation
