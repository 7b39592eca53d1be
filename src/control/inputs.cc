#include "control/inputs.h"

namespace sluice {

InputPtr Inputs::of(What what, const ObjectKey& key) {
  std::shared_ptr<Input>& input = inputs_[{what, key}];
  if (!input) input = std::make_shared<Input>();
  return input;
}

bool Inputs::is_held(What what, const ObjectKey& key) const {
  const auto found = inputs_.find({what, key});
  return found != inputs_.end() && found->second.use_count() > 1;
}

void Inputs::note_change(What what, const ObjectKey& key, RunNumber run) {
  if (const auto found = inputs_.find({what, key}); found != inputs_.end()) found->second->changed_at = run;
}

void Inputs::forget_unused() {
  std::erase_if(inputs_, [](const auto& input) { return input.second.use_count() == 1; });
}

}  // namespace sluice
