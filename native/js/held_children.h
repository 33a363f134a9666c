// Child processes that end with the thread that started them.
#pragma once

#include <napi.h>

#include <set>

namespace llama_ets {

// Node forgets the children of a thread that is terminated: they run on, or stay in the system's
// table of processes until the app ends, since nobody asks how they ended. Those that are held here
// are killed and asked once the thread's environment ends.
class HeldChildren {
 public:
  HeldChildren() = default;
  ~HeldChildren();
  HeldChildren(const HeldChildren&) = delete;
  HeldChildren& operator=(const HeldChildren&) = delete;

  void Hold(int pid) { pids_.insert(pid); }
  // Its end was noted: the number may be another process's from now on.
  void Release(int pid) { pids_.erase(pid); }

 private:
  std::set<int> pids_;
};

// holdChild(pid), releaseChild(pid): of this thread
Napi::Value HoldChild(const Napi::CallbackInfo& info);
Napi::Value ReleaseChild(const Napi::CallbackInfo& info);

}  // namespace llama_ets
