#include "js/held_children.h"

#ifndef _WIN32
#include <signal.h>
#include <sys/wait.h>
#endif

#include "js/addon.h"
#include "js/arguments.h"

namespace llama_ets {
namespace {

int ReadPid(const Napi::CallbackInfo& info) {
  return static_cast<int>(ReadInteger(info[0], "pid", 2, INT32_MAX));
}

}  // namespace

HeldChildren::~HeldChildren() {
#ifndef _WIN32
  for (const int pid : pids_) {
    // Kill only a process that is still our child and still runs.
    if (waitpid(pid, nullptr, WNOHANG) != 0) continue;
    kill(pid, SIGKILL);
    waitpid(pid, nullptr, 0);
  }
#endif
}

Napi::Value HoldChild(const Napi::CallbackInfo& info) {
  return Guarded(info.Env(), [&]() -> Napi::Value {
    info.Env().GetInstanceData<Addon>()->held_children.Hold(ReadPid(info));
    return info.Env().Undefined();
  });
}

Napi::Value ReleaseChild(const Napi::CallbackInfo& info) {
  return Guarded(info.Env(), [&]() -> Napi::Value {
    info.Env().GetInstanceData<Addon>()->held_children.Release(ReadPid(info));
    return info.Env().Undefined();
  });
}

}  // namespace llama_ets
