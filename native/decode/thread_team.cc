#include "decode/thread_team.h"

#include <system_error>
#include <utility>

#include "decode/wait_until.h"

namespace llama_ets {

ThreadTeam::ThreadTeam(int32_t size) {
  try {
    for (int32_t member = 1; member < size; ++member) {
      threads_.emplace_back([this, member] { Loop(member); });
    }
  } catch (const std::system_error&) {
    // The team goes on with the threads that were started; the work takes longer.
  }
}

ThreadTeam::~ThreadTeam() {
  {
    std::lock_guard<std::mutex> lock(mutex_);
    stopping_ = true;
  }
  begin_.notify_all();
  for (std::thread& thread : threads_) thread.join();
}

void ThreadTeam::ForEach(int32_t count, const Work& work) {
  {
    std::lock_guard<std::mutex> lock(mutex_);
    work_ = &work;
    count_ = count;
    next_ = 0;
    failure_ = nullptr;
    open_ = true;
    ++round_;
  }
  begin_.notify_all();
  TakeItems(0);
  std::unique_lock<std::mutex> lock(mutex_);
  open_ = false;
  WaitUntil(end_, lock, [this] { return inside_ == 0; });
  if (failure_) std::rethrow_exception(std::exchange(failure_, nullptr));
}

void ThreadTeam::Loop(int32_t member) {
  int64_t seen = 0;
  std::unique_lock<std::mutex> lock(mutex_);
  while (true) {
    WaitUntil(begin_, lock, [&] { return stopping_ || (open_ && round_ != seen); });
    if (stopping_) return;
    seen = round_;
    ++inside_;
    lock.unlock();
    TakeItems(member);
    lock.lock();
    if (--inside_ == 0) end_.notify_one();
  }
}

void ThreadTeam::TakeItems(int32_t member) {
  while (true) {
    const int32_t item = next_++;
    if (item >= count_) return;
    try {
      (*work_)(item, member);
    } catch (...) {
      std::lock_guard<std::mutex> lock(mutex_);
      if (!failure_ || item < failed_item_) {
        failure_ = std::current_exception();
        failed_item_ = item;
      }
      next_ = count_;  // begin no more items; all lower ones were begun
    }
  }
}

}  // namespace llama_ets
