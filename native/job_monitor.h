// What JavaScript's thread and the engine thread tell each other while jobs run.
#pragma once

#include <atomic>
#include <cstdint>

namespace llama_ets {

struct JobMonitor {
  // Jobs are numbered from 1 as they are posted; aborting covers those posted so far.
  std::atomic<int64_t> last_posted{0};
  std::atomic<int64_t> running{0};
  std::atomic<int64_t> aborted_through{-1};
  // Tokens generated so far by the running generate call.
  std::atomic<int64_t> generated{0};

  void Abort() { aborted_through = last_posted.load(); }
  bool IsAborted() const { return running <= aborted_through; }
};

}  // namespace llama_ets
