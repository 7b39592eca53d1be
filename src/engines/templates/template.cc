#include "engines/templates/template.h"

#include "engines/templates/compiler.h"
#include "engines/templates/program.h"
#include "engines/templates/renderer.h"

namespace sluice::templates {

Template::Template(std::shared_ptr<const Program> program) : program_(std::move(program)) {}

Result<Template> Template::compile(std::string_view text, const Options& options) {
  Program program = TRY(Compiler(text, options).run());
  return Template(std::make_shared<const Program>(std::move(program)));
}

Status Template::render(const Input& input, std::string& out) const {
  Allowance allowance(program_->limits);
  return render(input, out, allowance);
}

Status Template::render(const Input& input, std::string& out, Allowance& allowance) const {
  const size_t start = out.size();
  Status done = program_->simple ? render_simple(*program_, input, out, allowance)
                                 : Renderer(*program_, input, out, allowance).run();
  if (!done)
    out.resize(start);
  else
    allowance.output_left -= out.size() - start;
  return done;
}

std::string_view Template::first_variable() const {
  for (const Variable& variable : program_->variables)
    if (!variable.function) return variable.name;
  return {};
}

std::span<const std::string> Template::warnings() const {
  return program_->warnings;
}

bool Template::reads_body() const {
  return program_->reads_body;
}
bool Template::reads_json() const {
  return program_->reads_json;
}

}  // namespace sluice::templates
