#include "js/engine_thread.h"

#include <algorithm>
#include <mutex>
#include <new>
#include <vector>

namespace llama_ets {
namespace {

// The process's engine threads that are not stopped yet. Threads are joined under the mutex,
// because an environment may end while the process exits, and both join threads.
struct Started {
  std::mutex mutex;
  std::vector<EngineThread*> threads;
  bool is_exiting = false;
};

// This is never freed, because other threads use it until the process has ended.
Started& AllStarted() {
  static auto* started = new Started();
  return *started;
}

}  // namespace

std::shared_ptr<EngineThread> EngineThread::Start(Napi::Env env) {
  auto started = std::make_shared<EngineThread>(env);
  {
    const std::lock_guard<std::mutex> lock(AllStarted().mutex);
    if (AllStarted().is_exiting) {
      throw EngineError("ERR_ENGINE_FAILED", "The process is exiting");
    }
    AllStarted().threads.push_back(started.get());
  }
  // Nothing can fail from here on. Hooks run in reverse order, so this hook runs before the one
  // that invalidates to_javascript_.
  started->self_ = started;
  napi_add_env_cleanup_hook(env, OnEnvironmentEnd, started.get());
  return started;
}

EngineThread::EngineThread(Napi::Env env)
    : to_javascript_(ToJavaScript::New(env, "llama-ets", 0, 1)), env_(env) {
  to_javascript_.Unref(env);  // an idle context does not keep the process alive
}

Napi::Promise EngineThread::Close(Napi::Env env, Caller* caller) {
  const auto deferred = Napi::Promise::Deferred::New(env);
  const Settle settle = [deferred](Napi::Env env) { deferred.Resolve(env.Undefined()); };
  Post(
      env, caller, nullptr, [settle](std::exception_ptr) { return settle; }, true);
  return deferred.Promise();
}

void EngineThread::Abandon(const Caller& caller) {
  if (self_ == nullptr) return;  // the environment ended first
  scheduler_.Post({caller.partition, nullptr,
                   [this](std::exception_ptr) { HandOver([](Napi::Env) {}); }, true});
}

void EngineThread::Post(Napi::Env env, Caller* caller, std::function<DecodeTask*()> begin,
                        std::function<Settle(std::exception_ptr)> end, bool closes) {
  if (unsettled_++ == 0) to_javascript_.Ref(env);
  if (caller->unsettled++ == 0) caller->owner.Ref();
  const auto hand_over = [this, caller, end = std::move(end)](std::exception_ptr error) {
    HandOver([this, caller, settle = end(error)](Napi::Env env) {
      settle(env);
      if (--caller->unsettled == 0) caller->owner.Unref();
      if (--unsettled_ == 0) to_javascript_.Unref(env);
    });
  };
  scheduler_.Post({caller->partition, std::move(begin), hand_over, closes});
}

void EngineThread::HandOver(Settle settle) {
  auto handed = std::make_unique<Handed>(Handed{this, std::move(settle), scheduler_.HasEnded()});
  // The call is refused only while the environment shuts down. Then nobody waits for the promise.
  if (to_javascript_.NonBlockingCall(handed.get()) == napi_ok) handed.release();
}

void EngineThread::TakeHanded(Napi::Env env, Napi::Function, std::nullptr_t*, Handed* taken) {
  const std::unique_ptr<Handed> handed(taken);
  if (env == nullptr) return;  // the environment ended while this call was queued
  const Napi::HandleScope scope(env);
  try {
    handed->settle(env);
  } catch (const Napi::Error&) {
    // The environment is being terminated and runs no more JavaScript.
  }
  if (handed->is_last) handed->thread->Retire();
}

void EngineThread::Retire() {
  napi_remove_env_cleanup_hook(env_, OnEnvironmentEnd, this);
  Stop();
}

void EngineThread::OnEnvironmentEnd(void* self) {
  static_cast<EngineThread*>(self)->Stop();
}

void EngineThread::QuitAll() {
  const std::lock_guard<std::mutex> lock(AllStarted().mutex);
  AllStarted().is_exiting = true;
  for (EngineThread* thread : AllStarted().threads) thread->scheduler_.Stop();
}

void EngineThread::Stop() {
  {
    const std::lock_guard<std::mutex> lock(AllStarted().mutex);
    scheduler_.Stop();
    std::vector<EngineThread*>& threads = AllStarted().threads;
    threads.erase(std::remove(threads.begin(), threads.end(), this), threads.end());
  }
  to_javascript_.Release();
  const std::shared_ptr<EngineThread> last =
      std::move(self_);  // may destroy this object at the end
}

std::optional<EngineError> EngineThread::Describe(std::exception_ptr error) {
  if (error == nullptr) return std::nullopt;
  try {
    std::rethrow_exception(error);
  } catch (const EngineError& error) {
    return error;
  } catch (const std::bad_alloc&) {
    return EngineError("ERR_OUT_OF_MEMORY", "The engine ran out of memory");
  } catch (const std::exception& error) {
    return EngineError("ERR_ENGINE_FAILED", error.what());
  } catch (...) {
    return EngineError("ERR_ENGINE_FAILED", "The engine threw what is no error");
  }
}

}  // namespace llama_ets
