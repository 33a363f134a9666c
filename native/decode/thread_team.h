// A fixed team of threads for short pieces of work between decodes. They wait on a condition
// variable: a thread that spins would take its core from ggml's.
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
  // `size` counts the thread that calls ForEach. Has fewer where the system grants no more.
  explicit ThreadTeam(int32_t size);
  ~ThreadTeam();
  ThreadTeam(const ThreadTeam&) = delete;
  ThreadTeam& operator=(const ThreadTeam&) = delete;

  using Work = std::function<void(int32_t item, int32_t member)>;

  // Calls `work` for the items 0 to count - 1, each once, by any member (0: the caller; below the
  // size asked for), and returns when all are done. Items are begun in order, and none after a
  // failure: what is rethrown is the exception of the lowest item that fails, as in a plain loop.
  void ForEach(int32_t count, const Work& work);

 private:
  void Loop(int32_t member);
  void TakeItems(int32_t member);

  std::mutex mutex_;
  std::condition_variable begin_;
  std::condition_variable end_;
  // The round that runs. Whoever comes to it after it was closed is not waited for.
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
