// Adds the time between its construction and its destruction to a counter.
#pragma once

#include <chrono>
#include <cstdint>

namespace llama_ets {

class Stopwatch {
 public:
  explicit Stopwatch(int64_t* nanoseconds) : nanoseconds_(nanoseconds) {}
  ~Stopwatch() {
    const auto elapsed = std::chrono::steady_clock::now() - start_;
    *nanoseconds_ += std::chrono::duration_cast<std::chrono::nanoseconds>(elapsed).count();
  }
  Stopwatch(const Stopwatch&) = delete;
  Stopwatch& operator=(const Stopwatch&) = delete;

 private:
  int64_t* nanoseconds_;
  const std::chrono::steady_clock::time_point start_ = std::chrono::steady_clock::now();
};

}  // namespace llama_ets
