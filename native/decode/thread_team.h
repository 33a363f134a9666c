// A fixed team of threads for short pieces of work between decodes. The threads wait on a condition
// variable, because a spinning thread would take a core from ggml's threads.
#pragma once

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <exception>
#include <functional>
#include <mutex>
#include <thread>
#include <vector>

namespace llama_ets {

class ThreadTeam {
 public:
  // `size` includes the thread that calls ForEach. The team is smaller if the system can't start
  // that many threads.
  explicit ThreadTeam(int32_t size);
  ~ThreadTeam();
  ThreadTeam(const ThreadTeam&) = delete;
  ThreadTeam& operator=(const ThreadTeam&) = delete;

  using Work = std::function<void(int32_t item, int32_t member)>;

  // Calls `work` once for each item from 0 to count - 1 and returns when all are done. Any member
  // may take an item; `member` is below `size`, and 0 is the calling thread. Items are begun in
  // order, and none is begun after a failure. Rethrows the exception of the lowest item that fails,
  // as a plain loop would.
  void ForEach(int32_t count, const Work& work);

 private:
  void Loop(int32_t member);
  void TakeItems(int32_t member);

  std::mutex mutex_;
  std::condition_variable begin_;
  std::condition_variable end_;
  // The state of one ForEach call, called a round. A thread that wakes up after the round was
  // closed does not join it.
  const Work* work_ = nullptr;
  int32_t count_ = 0;
  std::atomic<int32_t> next_{0};
  int64_t round_ = 0;
  bool open_ = false;
  int32_t inside_ = 0;
  int32_t failed_item_ = 0;
  std::exception_ptr failure_;

  bool stopping_ = false;
  std::vector<std::thread> threads_;
};

}  // namespace llama_ets
