// A loop's pipes, through which bytes go from one descriptor to another without coming into memory (splice(2)).
#pragma once

#include <cstddef>
#include <optional>
#include <utility>
#include <vector>

namespace sluice {

// Empty pipes are kept for the next who needs one. Belongs to one thread.
class PipeStock {
  struct Ends {
    int in = -1;
    int out = -1;
    void close() const;
  };

 public:
  static constexpr size_t kPipeBytes = 256U << 10;  // that a pipe holds; fewer where the user may have no more

  PipeStock() = default;
  PipeStock(const PipeStock&) = delete;
  PipeStock& operator=(const PipeStock&) = delete;
  // Pipes that are lent must have been given back.
  ~PipeStock();

  // Given back when it goes: empty, to be used again.
  class Pipe {
   public:
    Pipe(Pipe&& other) noexcept : held(other.held), stock_(std::exchange(other.stock_, nullptr)), ends_(other.ends_) {}
    Pipe& operator=(Pipe&&) = delete;
    ~Pipe();
    int in() const { return ends_.in; }
    int out() const { return ends_.out; }

    size_t held = 0;  // bytes

   private:
    friend class PipeStock;
    Pipe(PipeStock& stock, const Ends& ends) : stock_(&stock), ends_(ends) {}
    PipeStock* stock_;
    Ends ends_;
  };

  // Nothing when there may be no more, or the system has none.
  std::optional<Pipe> take();
  // How many there may be at once, lent or kept; each takes two descriptors.
  void set_max(size_t pipes) { most_ = pipes; }

 private:
  std::vector<Ends> spare_;
  size_t open_ = 0;
  size_t most_ = 2;
};

}  // namespace sluice
