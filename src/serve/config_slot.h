// The configuration that one worker's listener uses now, and older ones for as long as exchanges hold them. Plain
// counts: all on the worker's thread.
#pragma once

#include <memory>
#include <utility>

#include "serve/listener_config.h"

namespace sluice {

class ConfigSlot {
  struct Generation;

 public:
  // Holds a generation and could do without it: is told when it is an old one.
  class Guest {
   public:
    Guest(const Guest&) = delete;
    Guest& operator=(const Guest&) = delete;
    // Gives its lease back.
    virtual void config_is_old() = 0;

   protected:
    Guest() = default;
    ~Guest() { leave(); }
    // Not to be told any more.
    void leave() {
      if (!previous_) return;
      *previous_ = next_;
      if (next_) next_->previous_ = previous_;
      previous_ = nullptr;
    }

   private:
    friend class ConfigSlot;
    Guest** previous_ = nullptr;  // what points at us
    Guest* next_ = nullptr;
  };

 private:
  struct Generation {
    std::shared_ptr<const void> keep;  // the whole snapshot
    const ListenerConfig* config;
    unsigned users = 0;
    bool current = true;
    Guest* guests = nullptr;
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
    // Once; at once when it is old already.
    void tell_when_old(Guest& guest) {
      if (!generation_->current) return guest.config_is_old();
      guest.previous_ = &generation_->guests;
      guest.next_ = std::exchange(generation_->guests, &guest);
      if (guest.next_) guest.next_->previous_ = &guest.next_;
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
    Generation& old = *std::exchange(current_, nullptr);
    const Lease held(&old);  // until all have been told
    old.current = false;
    while (Guest* guest = old.guests) {
      guest->leave();
      guest->config_is_old();
    }
  }
  Generation* current_ = nullptr;
};

}  // namespace sluice
