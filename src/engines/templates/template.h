// Templates: Inja's language as Gloo has it, compiled once into a flat program and run per message.
//
// Compiling finds every mistake that does not depend on a message: syntax, unknown functions, wrong numbers of
// arguments, what is not supported yet. Running is bounded by Limits; a template of text and plain look-ups with
// constant arguments
// ("{{ header("x-tenant") }}.test:80") allocates nothing but what its output grows by.
//
// A compiled Template never changes; copies share it, any thread may run it.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "base/result.h"
#include "base/strings.h"
#include "engines/templates/json.h"

namespace sluice::templates {

struct Program;

// Bounds on one run, or on all runs for one message.
struct Limits {
  size_t output_bytes_max = 4U << 20;  // of the text rendered
  size_t work_max = 64U << 20;         // bytes made, copied or compared, plus steps of loops; memory stays below it too
};

// What is left of them.
struct Allowance {
  explicit Allowance(Limits given) : limits(given), output_left(given.output_bytes_max), work_left(given.work_max) {}

  Limits limits;
  size_t output_left;
  size_t work_left;
};

using Environment = StringMap<std::string>;

struct Options {
  // Advanced templates: body fields by slash ("a/b", "a/0"), extractors only by extraction("x").
  // Otherwise: body fields by dot ("a.b"), extractors are plain variables.
  bool advanced = false;
  // Strings are printed as within JSON quotes.
  bool escape_characters = false;
  // Names of the extractors. Input::extraction() is asked by the place in this list.
  std::span<const std::string> extractors = {};
  // What env() sees. Nothing: an empty environment.
  std::shared_ptr<const Environment> environment = {};
  // Decides the tokens of replace_with_random(): the same for all templates of one loaded transformation.
  std::array<uint8_t, 16> random_seed = {};
  Limits limits = {};
};

// What a template may ask about the message it is rendered for. Views stay valid until render() returns.
class Input {
 public:
  virtual ~Input() = default;
  // First value of that header, "" without one. The name comes in lower case and may be a pseudo header.
  virtual std::string_view header(std::string_view name) const = 0;
  virtual std::string_view request_header(std::string_view name) const = 0;
  virtual std::string_view extraction(size_t index) const = 0;
  virtual std::string_view body() const = 0;
  // The parsed body; in the plain mode with the extractors' values put in by name. Null when nothing was parsed.
  virtual const Json* context() const = 0;
  // The object of that namespace, or null.
  virtual const Json* dynamic_metadata(std::string_view name_space) const = 0;
};

class Template {
 public:
  // Errors: "[inja.exception.parser_error] (at 1:4) unknown function foo; ...", with what to do.
  static Result<Template> compile(std::string_view text, const Options& options);

  // Appends to `out`. After an error `out` is as it was before; the message is the exception's text in Gloo:
  // "[inja.exception.render_error] (at 1:4) variable 'x' not found". ErrorKind::limit where a bound was reached.
  Status render(const Input& input, std::string& out) const;
  // The same within what other runs left of an allowance, instead of the limits it was compiled with.
  Status render(const Input& input, std::string& out, Allowance& allowance) const;

  // What was compiled and is probably not meant, one sentence each, with its place.
  std::span<const std::string> warnings() const;

  // Whether running it may ask for body(), for context().
  bool reads_body() const;
  bool reads_json() const;
  // The first field of the body, or variable of its own, that it reads; "" without one.
  std::string_view first_variable() const;

 private:
  explicit Template(std::shared_ptr<const Program> program);

  std::shared_ptr<const Program> program_;
};

}  // namespace sluice::templates
