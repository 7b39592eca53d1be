#include "engines/jose/claims.h"

#include <cmath>

#include "base/encoding.h"
#include "base/strings.h"
#include "engines/jose/json.h"

namespace sluice::jose {
namespace {

namespace dom = simdjson::dom;

constexpr double kTwoTo64 = 18446744073709551616.0;

// A member that is text if it is there at all.
bool read_text(const dom::object& object, std::string_view name, std::string_view& out) {
  dom::element value;
  if (object.at_key(name).get(value) != simdjson::SUCCESS) return true;
  return value.get(out) == simdjson::SUCCESS;
}

// RFC 7519 2, NumericDate: seconds, possibly with a fraction, which is cut off.
std::optional<Failure> read_time(const dom::object& object, std::string_view name, Failure not_integer,
                                 Failure not_positive, uint64_t& out) {
  dom::element value;
  if (object.at_key(name).get(value) != simdjson::SUCCESS) return std::nullopt;
  if (value.get(out) == simdjson::SUCCESS) return std::nullopt;
  double number = 0;
  if (!value.is_number() || value.get(number) != simdjson::SUCCESS) return not_integer;
  if (number < 0 || number >= kTwoTo64) return not_positive;
  out = static_cast<uint64_t>(number);
  return std::nullopt;
}

bool read_audiences(const dom::object& object, std::vector<std::string_view>& out) {
  dom::element value;
  if (object.at_key("aud").get(value) != simdjson::SUCCESS) return true;
  std::string_view audience;
  if (value.get(audience) == simdjson::SUCCESS) {
    out.push_back(audience);
    return true;
  }
  dom::array list;
  if (value.get(list) != simdjson::SUCCESS) return false;
  for (const dom::element item : list) {
    if (item.get(audience) != simdjson::SUCCESS) return false;
    out.push_back(audience);
  }
  return true;
}

// The order is Envoy's: it decides which of several faults is reported.
std::optional<Failure> read_registered(const dom::object& object, RegisteredClaims& out) {
  std::string_view unused;
  uint64_t iat = 0;
  if (!read_text(object, "iss", out.issuer)) return Failure::iss_not_string;
  if (!read_text(object, "sub", unused)) return Failure::sub_not_string;
  if (auto f = read_time(object, "iat", Failure::iat_not_integer, Failure::iat_not_positive, iat)) return f;
  if (auto f = read_time(object, "nbf", Failure::nbf_not_integer, Failure::nbf_not_positive, out.nbf)) return f;
  if (auto f = read_time(object, "exp", Failure::exp_not_integer, Failure::exp_not_positive, out.exp)) return f;
  if (!read_text(object, "jti", unused)) return Failure::jti_not_string;
  if (!read_audiences(object, out.audiences)) return Failure::aud_not_string;
  return std::nullopt;
}

std::optional<dom::element> find(const dom::object& root, std::string_view name) {
  dom::element value;
  if (root.at_key(name).get(value) == simdjson::SUCCESS) return value;
  dom::object object = root;
  for (;;) {
    const size_t dot = name.find('.');
    if (object.at_key(name.substr(0, dot)).get(value) != simdjson::SUCCESS) return std::nullopt;
    if (dot == name.npos) return value;
    if (value.get(object) != simdjson::SUCCESS) return std::nullopt;
    name.remove_prefix(dot + 1);
  }
}

bool is_control_byte(char c) {
  return (static_cast<unsigned char>(c) < 0x20 && c != '\t') || c == 0x7F;
}

// RFC 9110 5.5: no control bytes, no space at the ends (the next reader would cut it off and see another value).
bool fits_header_value(std::string_view text) {
  if (text.empty() || text.front() == ' ' || text.front() == '\t' || text.back() == ' ' || text.back() == '\t') {
    return false;
  }
  return std::ranges::none_of(text, is_control_byte);
}

std::string number_text(double number) {
  if (number >= 0 && number < kTwoTo64 && number == std::floor(number)) {
    return fmt::to_string(static_cast<uint64_t>(number));
  }
  return fmt::format("{:.6f}", number);
}

std::optional<std::string> render(const dom::element& value) {
  switch (value.type()) {
    case dom::element_type::STRING: {
      const std::string_view text = value.get_string().value_unsafe();
      if (!fits_header_value(text)) return std::nullopt;
      return std::string(text);
    }
    case dom::element_type::UINT64: return fmt::to_string(value.get_uint64().value_unsafe());
    case dom::element_type::INT64: {
      const int64_t number = value.get_int64().value_unsafe();
      return number >= 0 ? fmt::to_string(number) : number_text(static_cast<double>(number));
    }
    case dom::element_type::DOUBLE: return number_text(value.get_double().value_unsafe());
    case dom::element_type::BOOL: return value.get_bool().value_unsafe() ? "true" : "false";
    case dom::element_type::OBJECT:
    case dom::element_type::ARRAY: return base64_encode(simdjson::minify(value));
    case dom::element_type::NULL_VALUE: return std::nullopt;
  }
  return std::nullopt;
}

}  // namespace

struct Claims::Document {
  std::string json;
  dom::document tree;
  dom::object root;
  RegisteredClaims registered;
};

Claims::Claims(std::unique_ptr<Document> document) : document_(std::move(document)) {}
Claims::Claims(Claims&&) noexcept = default;
Claims& Claims::operator=(Claims&&) noexcept = default;
Claims::~Claims() = default;

std::expected<Claims, Failure> Claims::parse(std::string payload) {
  auto document = std::make_unique<Document>();
  document->json = std::move(payload);
  thread_local dom::parser parser;
  const auto root = parse_object(document->json, document->tree, parser, kDepthMax);
  if (!root) return std::unexpected(Failure::payload_bad_json);
  document->root = root->get_object().value_unsafe();
  if (const auto failure = read_registered(document->root, document->registered)) return std::unexpected(*failure);
  return Claims(std::move(document));
}

const std::string& Claims::json() const {
  return document_->json;
}
const RegisteredClaims& Claims::registered() const {
  return document_->registered;
}

std::optional<std::string> Claims::header_value(std::string_view name) const {
  const auto value = find(document_->root, name);
  return value ? render(*value) : std::nullopt;
}

bool Claims::has_control_bytes(std::string_view name) const {
  const auto value = find(document_->root, name);
  std::string_view text;
  if (!value || value->get(text) != simdjson::SUCCESS) return false;
  return std::ranges::any_of(text, is_control_byte);
}

}  // namespace sluice::jose
