#pragma once

#include <chrono>
#include <condition_variable>
#include <mutex>

namespace llama_ets {

// Waits until `holds()` is true. std::condition_variable::wait, as GCC 12 and later compile it,
// needs a newer libstdc++ (GLIBCXX 3.4.30) than the engine needs; wait_for does not.
template <typename Predicate>
void WaitUntil(std::condition_variable& changed, std::unique_lock<std::mutex>& lock,
               Predicate holds) {
  while (!changed.wait_for(lock, std::chrono::hours(1), holds)) {
  }
}

}  // namespace llama_ets
