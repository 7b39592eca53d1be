// Where a task of a filter runs that no client's request carries: a loop, and its connections to upstreams.
#pragma once

namespace sluice {

class Loop;
class Upstreams;

// Of one thread: whoever posts work to the loop may use `upstreams` in it. Both live as long as the process.
struct WorkerPlace {
  Loop* loop = nullptr;
  Upstreams* upstreams = nullptr;
};

}  // namespace sluice
