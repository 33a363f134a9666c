#include "js/engine_thread.h"

#include <new>

#include "js/addon.h"

namespace llama_ets {

std::shared_ptr<EngineThread> EngineThread::Start(Napi::Env env) {
  auto started = std::make_shared<EngineThread>(env);
  env.GetInstanceData<Addon>()->engine_threads.insert(started.get());
  // Nothing can fail from here on. Hooks run in reverse order: this one before the one that
  // invalidates to_javascript_.
  started->self_ = started;
  napi_add_env_cleanup_hook(env, OnEnvironmentEnd, started.get());
  return started;
}

EngineThread::EngineThread(Napi::Env env)
    : to_javascript_(Napi::ThreadSafeFunction::New(
          env, Napi::Function::New(env, [](const Napi::CallbackInfo&) {}), "llama-ets", 0, 1)),
      env_(env) {
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
  // Refused only while the environment shuts down; then nobody waits for the promise.
  to_javascript_.NonBlockingCall([this, settle = std::move(settle),
                                  is_last = scheduler_.HasEnded()](Napi::Env env, Napi::Function) {
    const Napi::HandleScope scope(env);
    settle(env);
    if (is_last) Retire();
  });
}

void EngineThread::Retire() {
  napi_remove_env_cleanup_hook(env_, OnEnvironmentEnd, this);
  Stop();
}

void EngineThread::OnEnvironmentEnd(void* self) {
  static_cast<EngineThread*>(self)->Stop();
}

void EngineThread::Stop() {
  scheduler_.Stop();
  Napi::Env(env_).GetInstanceData<Addon>()->engine_threads.erase(this);
  to_javascript_.Release();
  const std::shared_ptr<EngineThread> last = std::move(self_);  // may end this object
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
  }
}

}  // namespace llama_ets
