// The configuration that one worker's listener uses now, and older ones for as long as exchanges hold them. Plain
// counts: all on the worker's thread.
#pragma once

#include <memory>
#include <utility>

#include "serve/listener_config.h"

namespace sluice {

class ConfigSlot {
  struct Generation {
    std::shared_ptr<const void> keep;  // the whole snapshot
    const ListenerConfig* config;
    unsigned users = 0;
    bool current = true;
  };

 public:
  // Holds one generation; give it back early with release().
  class Lease {
   public:
    explicit Lease(Generation* generation) : generation_(generation) { ++generation_->users; }
    Lease(Lease&& other) noexcept : generation_(std::exchange(other.generation_, nullptr)) {}
    Lease& operator=(Lease&&) = delete;
    ~Lease() { release(); }
    const ListenerConfig& operator*() const { return *generation_->config; }
    const ListenerConfig* operator->() const { return generation_->config; }
    void release() {
      Generation* generation = std::exchange(generation_, nullptr);
      if (generation && --generation->users == 0 && !generation->current) delete generation;
    }

   private:
    Generation* generation_;
  };

  ConfigSlot() = default;
  ConfigSlot(const ConfigSlot&) = delete;
  ConfigSlot& operator=(const ConfigSlot&) = delete;
  ~ConfigSlot() { retire(); }

  // `config` lives as long as `keep`.
  void set(std::shared_ptr<const void> keep, const ListenerConfig* config) {
    retire();
    current_ = new Generation{std::move(keep), config};
  }
  Lease lease() const { return Lease(current_); }
  const ListenerConfig& peek() const { return *current_->config; }

 private:
  void retire() {
    if (!current_) return;
    current_->current = false;
    if (current_->users == 0) delete current_;
    current_ = nullptr;
  }
  Generation* current_ = nullptr;
};

}  // namespace sluice
