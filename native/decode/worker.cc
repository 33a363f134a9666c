#include "decode/worker.h"

#include <algorithm>
#include <new>

namespace llama_ets {

Worker::Worker(Napi::Env env)
    : settle_(Napi::ThreadSafeFunction::New(
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
  std::deque<Job> dropped;  // once the thread has ended
  {
    std::lock_guard<std::mutex> lock(mutex_);
    for (Lane* lane : lanes_) lane->monitor.Abort();
    stopping_ = true;
    dropped.swap(queue_);
  }
  wake_.notify_all();
  thread_.join();
  settle_.Release();
}

void Worker::Add(Lane* lane) {
  std::lock_guard<std::mutex> lock(mutex_);
  lanes_.push_back(lane);
}

void Worker::Remove(Lane* lane) {
  {
    std::lock_guard<std::mutex> lock(mutex_);
    lanes_.erase(std::remove(lanes_.begin(), lanes_.end(), lane), lanes_.end());
    if (lane->session == nullptr || stopping_) return;
    // Freed with the job, where the other sessions of the context are used.
    std::function<Stepwise*()> hold = [session = std::move(lane->session)] { return nullptr; };
    queue_.push_back({nullptr, 0, std::move(hold), nullptr});
  }
  wake_.notify_one();
}

void Worker::Post(Napi::Env env, Lane* lane, std::function<Stepwise*()> begin,
                  std::function<Settle(std::exception_ptr)> end) {
  if (unsettled_++ == 0) settle_.Ref(env);
  if (lane->unsettled++ == 0) lane->owner.Ref();
  {
    std::lock_guard<std::mutex> lock(mutex_);
    queue_.push_back({lane, ++lane->monitor.last_posted, std::move(begin), std::move(end)});
  }
  wake_.notify_one();
}

std::deque<Worker::Job>::iterator Worker::FindReady() {
  return std::find_if(queue_.begin(), queue_.end(),
                      [](const Job& job) { return job.lane == nullptr || !job.lane->is_stepping; });
}

void Worker::Loop() {
  while (true) {
    std::optional<Job> job;
    {
      std::unique_lock<std::mutex> lock(mutex_);
      wake_.wait(lock, [this] { return stopping_ || !queue_.empty() || !running_.empty(); });
      if (stopping_) break;
      const auto ready = FindReady();
      if (ready != queue_.end()) {
        job = std::move(*ready);
        queue_.erase(ready);
      }
    }
    if (job) {
      Begin(std::move(*job));
    } else {
      TakeTurns();
    }
  }
  running_.clear();
  std::lock_guard<std::mutex> lock(mutex_);
  for (Lane* lane : lanes_) lane->session.reset();
}

void Worker::Begin(Job job) {
  if (job.lane == nullptr) return;  // it only held a session
  job.lane->monitor.running = job.number;
  std::exception_ptr error;
  try {
    Stepwise* const work = job.begin();
    if (work != nullptr && work->GoesOn()) {
      job.lane->is_stepping = true;
      running_.push_back({std::move(job), work});
      return;
    }
  } catch (...) {
    error = std::current_exception();
  }
  End(job, error);
}

void Worker::TakeTurns() {
  std::vector<TurnTaker> takers;
  for (const Running& running : running_) takers.push_back({running.work});
  TakeTurn(&takers);
  std::vector<Running> going_on;
  for (size_t i = 0; i < takers.size(); ++i) {
    Running& running = running_[i];
    if (takers[i].goes_on) {
      going_on.push_back(std::move(running));
      continue;
    }
    running.job.lane->is_stepping = false;
    End(running.job, takers[i].error);
  }
  running_ = std::move(going_on);
}

void Worker::End(const Job& job, std::exception_ptr error) {
  // Refused only while the environment shuts down; then nobody waits for the promise.
  settle_.NonBlockingCall(
      [this, lane = job.lane, settle = job.end(error)](Napi::Env env, Napi::Function) {
        const Napi::HandleScope scope(env);
        settle(env);
        if (--lane->unsettled == 0) lane->owner.Unref();
        if (--unsettled_ == 0) settle_.Unref(env);
      });
}

std::optional<EngineError> Worker::Describe(std::exception_ptr error) {
  if (error == nullptr) return std::nullopt;
  try {
    std::rethrow_exception(error);
  } catch (const EngineError& error) {
    return error;
  } catch (const std::bad_alloc&) {
    return EngineError("ERR_OUT_OF_MEMORY", "The engine ran out of memory");
  } catch (const std::exception& error) {
    return EngineError("ERR_ENGINE_FAILED", error.what());
  }
}

}  // namespace llama_ets
