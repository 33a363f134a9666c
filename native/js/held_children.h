// Child processes that must end with the thread that started them.
#pragma once

#include <napi.h>

#include <set>

namespace llama_ets {

// When a worker thread is terminated, Node forgets its child processes. They go on running, or stay
// as zombies until the app ends, because nobody waits for them. The processes that are held here
// are killed and waited for when the thread's environment ends.
class HeldChildren {
 public:
  HeldChildren() = default;
  ~HeldChildren();
  HeldChildren(const HeldChildren&) = delete;
  HeldChildren& operator=(const HeldChildren&) = delete;

  void Hold(int pid) { pids_.insert(pid); }
  // Called when the process has ended. From now on its number may belong to another process.
  void Release(int pid) { pids_.erase(pid); }

 private:
  std::set<int> pids_;
};

// holdChild(pid), releaseChild(pid): for children of the calling thread
Napi::Value HoldChild(const Napi::CallbackInfo& info);
Napi::Value ReleaseChild(const Napi::CallbackInfo& info);

}  // namespace llama_ets
