#include "worker.h"

namespace llama_ets {

Worker::Worker(Napi::Env env, Napi::Object owner)
    : owner_(Napi::Weak(owner)),
      settle_(Napi::ThreadSafeFunction::New(
          env, Napi::Function::New(env, [](const Napi::CallbackInfo&) {}), "llama-ets", 0, 1)),
      env_(env) {
  settle_.Unref(env);  // an idle context does not keep the process alive
  // Hooks run in reverse order: this one before settle_'s own, which invalidates it.
  napi_add_env_cleanup_hook(env_, OnEnvironmentEnd, this);
  thread_ = std::thread([this] { Loop(); });
}

Worker::~Worker() {
  if (!thread_.joinable()) return;  // the environment ended first
  napi_remove_env_cleanup_hook(env_, OnEnvironmentEnd, this);
  ShutDown();
}

void Worker::OnEnvironmentEnd(void* self) {
  static_cast<Worker*>(self)->ShutDown();
}

void Worker::ShutDown() {
  monitor_.Abort();
  {
    std::lock_guard<std::mutex> lock(mutex_);
    stopping_ = true;
    queue_.clear();
  }
  wake_.notify_all();
  thread_.join();
  settle_.Release();
}

void Worker::Post(Napi::Env env, Job job) {
  if (unsettled_++ == 0) {
    settle_.Ref(env);
    owner_.Ref();
  }
  {
    std::lock_guard<std::mutex> lock(mutex_);
    queue_.emplace_back(++monitor_.last_posted, std::move(job));
  }
  wake_.notify_one();
}

void Worker::Loop() {
  while (true) {
    std::pair<int64_t, Job> job;
    {
      std::unique_lock<std::mutex> lock(mutex_);
      wake_.wait(lock, [this] { return stopping_ || !queue_.empty(); });
      if (stopping_) break;
      job = std::move(queue_.front());
      queue_.pop_front();
    }
    monitor_.running = job.first;
    const Settle settle = job.second(&session_);
    // Refused only while the environment shuts down; then nobody waits for the promise.
    settle_.NonBlockingCall([this, settle](Napi::Env env, Napi::Function) {
      const Napi::HandleScope scope(env);
      settle(env);
      if (--unsettled_ > 0) return;
      settle_.Unref(env);
      owner_.Unref();
    });
  }
  session_.reset();
}

}  // namespace llama_ets
