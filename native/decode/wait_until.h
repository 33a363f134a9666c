#pragma once

#include <chrono>
#include <condition_variable>
#include <mutex>

namespace llama_ets {

// Waits until `holds()`. std::condition_variable::wait, as GCC 12 and later compile it, asks for a
// libstdc++ newer than the engine does (GLIBCXX 3.4.30); the wait with a limit asks for none.
template <typename Predicate>
void WaitUntil(std::condition_variable& changed, std::unique_lock<std::mutex>& lock,
               Predicate holds) {
  while (!changed.wait_for(lock, std::chrono::hours(1), holds)) {
  }
}

}  // namespace llama_ets
