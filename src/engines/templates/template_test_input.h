// A message for tests: what a template asks for, in maps.
#pragma once

#include <map>
#include <nlohmann/json.hpp>

#include "engines/templates/template.h"

namespace sluice::templates {

struct FakeMessage final : Input {
  std::map<std::string, std::string, std::less<>> headers;
  std::map<std::string, std::string, std::less<>> request_headers;
  std::vector<std::string> extractions;
  std::string text;
  Json json;
  std::map<std::string, Json, std::less<>> metadata;
  bool parsed = false;

  void parse(std::string_view body) {
    text = body;
    json = Json::parse(body);
    parsed = true;
  }

  std::string_view header(std::string_view name) const override { return in(headers, name); }
  std::string_view request_header(std::string_view name) const override { return in(request_headers, name); }
  std::string_view extraction(size_t index) const override { return extractions.at(index); }
  std::string_view body() const override { return text; }
  const Json* context() const override { return parsed ? &json : nullptr; }
  const Json* dynamic_metadata(std::string_view name_space) const override {
    const auto found = metadata.find(name_space);
    return found == metadata.end() ? nullptr : &found->second;
  }

 private:
  static std::string_view in(const auto& map, std::string_view name) {
    const auto found = map.find(name);
    return found == map.end() ? std::string_view() : std::string_view(found->second);
  }
};

}  // namespace sluice::templates
