#include "http/h2/incoming.h"

#include <utility>

namespace sluice::h2 {
namespace {

// Memory for heads, which a thread keeps for the next streams: 384 KiB at most.
struct HeadMemory {
  std::string text;
  std::vector<Incoming::Field> fields;
};
thread_local std::vector<HeadMemory> kept;
constexpr size_t kKept = 256, kTextBytes = 1024, kFields = 64;

}  // namespace

Incoming::Incoming(int32_t i) : id(i) {
  if (kept.empty()) return;
  text.swap(kept.back().text);
  fields.swap(kept.back().fields);
  kept.pop_back();
}

Incoming::~Incoming() {
  if (kept.size() >= kKept || text.capacity() > kTextBytes || fields.capacity() > kFields) return;
  text.clear();
  fields.clear();
  kept.push_back({std::move(text), std::move(fields)});
}

}  // namespace sluice::h2
