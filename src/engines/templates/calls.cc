#include "engines/templates/calls.h"

#include <openssl/evp.h>
#include <openssl/hmac.h>

#include <cmath>

#include "base/encoding.h"
#include "base/strings.h"

namespace sluice::templates {
namespace {

constexpr std::string_view kTransformationNamespace = "io.solo.transformation";

// The text of a string argument; throws the JSON library's error for any other type, as Gloo's functions do.
std::string_view text_of(Value& value) {
  if (const auto text = value.text()) return *text;
  return value.json().get_ref<const std::string&>();
}

// A piece of an argument's text. Views into the argument must not outlive it: own it where it does.
Value piece(const Value& of, std::string_view text) {
  if (of.is_owned()) return Json(std::string(text));
  return text;
}

// One element of an argument.
Value element(const Value& of, const Json& json) {
  if (of.is_owned()) return Json(json);
  return &json;
}

Result<Value> from_list(Run& run, Value& list, std::string_view name, auto&& choose) {
  const Json& json = list.json();
  if (json.is_null() || (json.is_structured() && json.empty()))
    return invalid(fmt::format("{} of an empty list", name));
  const Json& chosen = choose(json);
  if (list.is_owned()) TRY(run.charge(weigh(chosen).bytes));
  return element(list, chosen);
}

Result<Value> smallest_or_largest(Run& run, Value& list, std::string_view name, bool largest) {
  TRY(run.charge(weigh(list.json()).bytes));
  return from_list(run, list, name, [largest](const Json& json) -> const Json& {
    return largest ? *std::max_element(json.begin(), json.end()) : *std::min_element(json.begin(), json.end());
  });
}

Result<Value> at_index(Value& container, Value& index) {
  const Json& json = container.json();
  if (json.is_object()) return element(container, json.at(index.json().get<std::string>()));
  return element(container, json.at(static_cast<size_t>(whole_number(index.json()))));
}

Result<Value> divisible(Value& number, Value& by) {
  const auto divisor = whole_number(by.json());
  const auto dividend = whole_number(number.json());
  if (divisor == 0) return Value::boolean(false);
  return Value::boolean(divisor == -1 || dividend % divisor == 0);
}

Result<Value> exists(const Input& input, Value& name) {
  const Path path = TRY(dotted_path(text_of(name)));
  const Json* context = input.context();
  return Value::boolean(context && context->is_object() && find(*context, path));
}

Result<Value> exists_in(Value& object, Value& key) {
  const Json& json = object.json();
  const std::string name(text_of(key));
  return Value::boolean(json.is_object() && json.contains(name));
}

Result<Value> join(Run& run, Value& list, Value& separator) {
  const Json& json = list.json();
  const std::string_view between = text_of(separator);
  std::string joined;
  bool first = true;
  for (const Json& value : json) {
    TRY(run.charge(between.size() + weigh(value).bytes));
    if (!first) joined += between;
    first = false;
    if (value.is_string())
      joined += value.get_ref<const std::string&>();
    else
      joined += value.dump();
  }
  return Json(std::move(joined));
}

Result<Value> range(Run& run, Value& count) {
  const auto n = whole_number(count.json());
  if (n < 0) return invalid(fmt::format("range of {}: it must be 0 or more", n));
  TRY(run.charge(bytes_of_elements(static_cast<size_t>(n))));
  Json list = Json::array();
  for (int64_t i = 0; i < n; ++i) list.push_back(i);
  return list;
}

Result<Value> round(Value& number, Value& digits) {
  const auto places = whole_number(digits.json());
  const double factor = std::pow(10.0, static_cast<double>(places));
  const double rounded = std::round(number.json().get<double>() * factor) / factor;
  const bool whole = places == 0 && std::abs(rounded) < 9e18;
  return whole ? Json(static_cast<int64_t>(rounded)) : Json(rounded);
}

Result<Value> sorted(Run& run, Value& list) {
  TRY(run.charge(2 * weigh(list.json()).bytes));
  auto values = list.json().get<std::vector<Json>>();
  std::sort(values.begin(), values.end());
  return Json(std::move(values));
}

// Only strings have lower and upper case; the errors name the type as get<>() does, not get_ref<>().
Result<Value> in_case(Run& run, Value& value, std::string (*change)(std::string_view)) {
  if (!value.text()) return Json(value.json().get<std::string>());
  TRY(run.charge(value.text()->size()));
  return Json(change(*value.text()));
}

Result<Value> substring(std::span<Value> arguments) {
  const std::string_view text = text_of(arguments[0]);
  const bool whole_numbers =
      std::ranges::all_of(arguments.subspan(1), [](Value& v) { return v.json().is_number_integer(); });
  if (!whole_numbers) return std::string_view();
  const auto start = whole_number(arguments[1].json());
  const auto wanted = arguments.size() == 3 ? whole_number(arguments[2].json()) : 0;
  if (start < 0 || static_cast<uint64_t>(start) >= text.size()) return std::string_view();
  const std::string_view rest = text.substr(static_cast<size_t>(start));
  if (wanted <= 0 || static_cast<uint64_t>(wanted) > rest.size()) return piece(arguments[0], rest);
  return piece(arguments[0], rest.substr(0, static_cast<size_t>(wanted)));
}

std::string_view without_space(std::string_view text) {
  while (!text.empty() && ascii_space(text.front())) text.remove_prefix(1);
  while (!text.empty() && ascii_space(text.back())) text.remove_suffix(1);
  return text;
}

// 22 characters that nobody can guess, the same for a pattern as long as the configuration is loaded: no state is
// kept, the token is a keyed hash of the pattern.
std::string random_token(const Program& program, std::string_view pattern) {
  unsigned char digest[EVP_MAX_MD_SIZE] = {};
  unsigned size = 0;
  HMAC(EVP_sha256(), program.random_seed.data(), static_cast<int>(program.random_seed.size()),
       reinterpret_cast<const unsigned char*>(pattern.data()), pattern.size(), digest, &size);
  return base64_encode({reinterpret_cast<const char*>(digest), 16}).substr(0, 22);
}

Result<Value> replace_with_random(Run& run, Value& source, Value& pattern_value) {
  const std::string_view text = text_of(source), pattern = text_of(pattern_value);
  if (pattern.empty()) return piece(source, text);
  const std::string token = random_token(run.program, pattern);
  std::string out;
  size_t from = 0;
  for (size_t at; (at = text.find(pattern, from)) != std::string_view::npos; from = at + pattern.size()) {
    TRY(run.charge(at - from + token.size()));
    (out += text.substr(from, at - from)) += token;
  }
  TRY(run.charge(text.size() - from));
  out += text.substr(from);
  return Json(std::move(out));
}

Result<Value> raw_string(Run& run, Value& value) {
  const std::string_view text = text_of(value);
  TRY(run.charge(text.size()));
  std::string out;
  TRY(print_text(text, Escape::json, out));
  return Json(std::move(out));
}

uint64_t words(std::string_view text) {
  uint64_t count = 0;
  bool in_word = false;
  for (const char c : text) {
    if (!ascii_space(c) && !in_word) ++count;
    in_word = !ascii_space(c);
  }
  return count;
}

uint64_t words(const Json& value) {
  if (value.is_string()) return words(std::string_view(value.get_ref<const std::string&>()));
  if (value.is_number() || value.is_boolean()) return 1;
  uint64_t count = 0;
  if (!value.is_structured()) return count;
  for (auto it = value.begin(); it != value.end(); ++it) {
    count += words(*it) + (value.is_object() ? words(std::string_view(it.key())) : 0);
  }
  return count;
}

Result<Value> metadata_value(Run& run, const Json* found) {
  if (!found || found->is_null()) return std::string_view();
  if (found->is_string()) return found;
  if (found->is_boolean()) return std::string_view(found->get<bool>() ? "true" : "false");
  if (found->is_number()) return Json(found->get<double>());
  TRY(run.charge(weigh(*found).bytes));
  return Json(found->dump());
}

Result<Value> dynamic_metadata(Run& run, std::span<Value> arguments) {
  const auto key = arguments[0].text();
  if (!key) return std::string_view();
  const Json* at = run.input.dynamic_metadata(arguments.size() > 1 ? text_of(arguments[1]) : kTransformationNamespace);
  for (const std::string_view part : split(*key, ':')) {
    if (!at || !at->is_object()) return std::string_view();
    const auto member = at->find(std::string(part));
    at = member == at->end() ? nullptr : &*member;
  }
  return metadata_value(run, at);
}

Result<Value> env(const Program& program, Value& name) {
  const std::string_view key = text_of(name);
  if (!program.environment) return std::string_view();
  const auto found = program.environment->find(key);
  return found == program.environment->end() ? std::string_view() : std::string_view(found->second);
}

Result<Value> extraction(const Run& run, Value& name) {
  const auto& known = run.program.extractors;
  const auto found = std::ranges::find(known, text_of(name));
  return found == known.end() ? std::string_view() : run.input.extraction(static_cast<size_t>(found - known.begin()));
}

Value context(const Input& input) {
  static const Json kNull;
  const Json* json = input.context();
  return json ? json : &kNull;
}

Result<Value> length(Value& value) {
  if (const auto text = value.text()) return Json(text->size());
  return Json(value.json().size());
}

Result<Value> encoded(Run& run, Value& value, std::string (*encode)(std::string_view)) {
  const std::string_view text = text_of(value);
  TRY(run.charge(text.size()));
  return Json(encode(text));
}

Result<Value> decoded(Run& run, Value& value, std::optional<std::string> (*decode)(std::string_view)) {
  const std::string_view text = text_of(value);
  TRY(run.charge(text.size()));
  return Json(decode(text).value_or(""));
}

}  // namespace

Status Run::charge(size_t bytes) {
  if (bytes > allowance.work_left) {
    return fail(ErrorKind::limit,
                fmt::format("the template does more than {} bytes of work", allowance.limits.work_max));
  }
  allowance.work_left -= bytes;
  return {};
}

Result<Value> call(Run& run, Function function, std::span<Value> arguments) {
  const auto argument = [arguments]() -> Value& { return arguments[0]; };
  switch (function) {
    case Function::at: return at_index(arguments[0], arguments[1]);
    case Function::divisible_by: return divisible(arguments[0], arguments[1]);
    case Function::even: return Value::boolean(whole_number(argument().json()) % 2 == 0);
    case Function::odd: return Value::boolean(whole_number(argument().json()) % 2 != 0);
    case Function::exists: return exists(run.input, argument());
    case Function::exists_in: return exists_in(arguments[0], arguments[1]);
    case Function::first:
      return from_list(run, argument(), "first()", [](const Json& json) -> const Json& { return json.front(); });
    case Function::last:
      return from_list(run, argument(), "last()", [](const Json& json) -> const Json& { return json.back(); });
    case Function::max: return smallest_or_largest(run, argument(), "max()", true);
    case Function::min: return smallest_or_largest(run, argument(), "min()", false);
    case Function::float_: return Json(std::stod(std::string(text_of(argument()))));
    case Function::int_: return Json(std::stoi(std::string(text_of(argument()))));
    case Function::is_array: return Value::boolean(argument().json().is_array());
    case Function::is_boolean: return Value::boolean(argument().json().is_boolean());
    case Function::is_float: return Value::boolean(argument().json().is_number_float());
    case Function::is_integer: return Value::boolean(argument().json().is_number_integer());
    case Function::is_number: return Value::boolean(argument().json().is_number());
    case Function::is_object: return Value::boolean(argument().json().is_object());
    case Function::is_string: return Value::boolean(argument().text().has_value());
    case Function::join: return join(run, arguments[0], arguments[1]);
    case Function::length: return length(argument());
    case Function::lower: return in_case(run, argument(), to_lower);
    case Function::upper: return in_case(run, argument(), to_upper);
    case Function::range: return range(run, argument());
    case Function::round: return round(arguments[0], arguments[1]);
    case Function::sort: return sorted(run, argument());

    case Function::base64_decode: return decoded(run, argument(), base64_decode);
    case Function::base64_encode: return encoded(run, argument(), base64_encode);
    case Function::base64url_decode: return decoded(run, argument(), base64url_decode);
    case Function::base64url_encode: return encoded(run, argument(), base64url_encode);
    case Function::body: return run.input.body();
    case Function::context: return context(run.input);
    case Function::dynamic_metadata: return dynamic_metadata(run, arguments);
    case Function::env: return env(run.program, argument());
    case Function::extraction: return extraction(run, argument());
    case Function::header: return run.input.header(to_lower(text_of(argument())));
    case Function::request_header: return run.input.request_header(to_lower(text_of(argument())));
    case Function::raw_string: return raw_string(run, argument());
    case Function::replace_with_random: return replace_with_random(run, arguments[0], arguments[1]);
    case Function::substring: return substring(arguments);
    case Function::trim: return piece(argument(), without_space(text_of(argument())));
    case Function::word_count: TRY(run.charge(weigh(argument().json()).bytes)); return Json(words(argument().json()));
    case Function::default_:
    case Function::unsupported: break;
  }
  return fail(ErrorKind::internal, "a function without a meaning was compiled");
}

}  // namespace sluice::templates
