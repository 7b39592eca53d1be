#include "pipeline/response_flag.h"

#include <array>

namespace sluice {
namespace {

constexpr std::array<std::string_view, static_cast<size_t>(ResponseFlag::count)> kFlagNames = {
    "UH", "UF", "UO", "NR",  "UT",  "UC", "UR", "LR",   "URX", "NC",
    "DT", "DC", "SI", "DPE", "UPE", "DF", "RL", "UAEX", "OM"};

}  // namespace

std::string_view response_flag_name(ResponseFlag flag) {
  return kFlagNames[static_cast<size_t>(flag)];
}

}  // namespace sluice
