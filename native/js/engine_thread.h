// Connects a scheduler with JavaScript objects: each job settles a promise.
//
// The life of an engine thread. Each line names a call and the thread that makes it (JS:
// JavaScript's thread, ET: the engine thread), in the order of the calls:
// - Start (JS): an object is opened. Makes the thread and everything else that could fail.
// - Add (JS): once for each object that uses the context.
// - Run and RunTask (JS): post a job. Its object and the event loop are kept alive until it
// settles.
// - begin (ET): runs the job or begins its task.
// - the task's steps (ET): together with those of other partitions.
// - end (ET): takes the result and hands it over to JavaScript's thread.
// - settle (JS): resolves or rejects the promise.
// - Close or Abandon (JS): posts the last job of an object that was closed, or that was garbage
// collected without being closed.
// - Scheduler::Close (ET): frees the object's session. After the last object the thread returns.
// - Retire (JS): joins the thread when that last job settles.
// If the environment ends earlier, OnEnvironmentEnd stops and joins the thread, before the objects
// of the environment are finalized. If the process exits, no hooks are called, and QuitAll does
// this.
#pragma once

#include <napi.h>

#include <exception>
#include <functional>
#include <memory>
#include <optional>
#include <utility>

#include "decode/scheduler.h"
#include "files/engine_error.h"
#include "js/arguments.h"

namespace llama_ets {

// A JavaScript object and its partition. The object is kept alive while its calls are unsettled.
struct Caller {
  explicit Caller(Napi::Object object) : owner(Napi::Weak(object)) {}

  Napi::ObjectReference owner;
  int64_t unsettled = 0;
  std::shared_ptr<Partition> partition = std::make_shared<Partition>();
};

class EngineThread {
 public:
  // Throws EngineError ERR_ENGINE_FAILED.
  static std::shared_ptr<EngineThread> Start(Napi::Env env);
  explicit EngineThread(Napi::Env env);
  EngineThread(const EngineThread&) = delete;
  EngineThread& operator=(const EngineThread&) = delete;

  void Add(const Caller& caller) { scheduler_.Add(caller.partition); }

  // Runs `work` on the engine thread and resolves with `convert(env, result)`. If `work` throws,
  // calls `refused`, if given, and then rejects.
  template <typename Result>
  Napi::Promise Run(Napi::Env env, Caller* caller, std::function<Result()> work,
                    std::function<Napi::Value(Napi::Env, Result*)> convert,
                    std::function<void(Napi::Env)> refused = nullptr) {
    auto outcome = std::make_shared<Outcome<Result>>(env, std::move(convert), std::move(refused));
    const auto begin = [outcome, work = std::move(work)]() -> DecodeTask* {
      outcome->result = work();
      return nullptr;
    };
    Post(env, caller, begin,
         [outcome](std::exception_ptr error) { return Outcome<Result>::Settled(outcome, error); });
    return outcome->deferred.Promise();
  }

  // Like Run, for a task that `start` makes. The result is that of the task's TakeResult().
  template <typename Result, typename Task>
  Napi::Promise RunTask(Napi::Env env, Caller* caller, std::function<std::unique_ptr<Task>()> start,
                        std::function<Napi::Value(Napi::Env, Result*)> convert) {
    auto outcome = std::make_shared<Outcome<Result>>(env, std::move(convert), nullptr);
    auto task = std::make_shared<std::unique_ptr<Task>>();
    const auto begin = [task, start = std::move(start)]() -> DecodeTask* {
      *task = start();
      return task->get();
    };
    Post(env, caller, begin, [outcome, task](std::exception_ptr error) {
      try {
        if (error == nullptr) outcome->result = (*task)->TakeResult();
      } catch (...) {
        error = std::current_exception();
      }
      task->reset();  // on this thread, because the task's destructor uses the session
      return Outcome<Result>::Settled(outcome, error);
    });
    return outcome->deferred.Promise();
  }

  // Frees the caller's session after its earlier calls, and resolves when that is done. After the
  // last caller of the context the thread ends.
  Napi::Promise Close(Napi::Env env, Caller* caller);
  // Like Close, for a caller that was garbage collected.
  void Abandon(const Caller& caller);
  // Aborts the calls of all environments and joins their threads. Called when the process exits.
  // After this no promise settles and no thread starts. It may be called twice.
  static void QuitAll();

 private:
  using Settle = std::function<void(Napi::Env)>;

  template <typename Result>
  struct Outcome {
    Outcome(Napi::Env env, std::function<Napi::Value(Napi::Env, Result*)> convert,
            std::function<void(Napi::Env)> refused)
        : deferred(Napi::Promise::Deferred::New(env)),
          convert(std::move(convert)),
          refused(std::move(refused)) {}

    static Settle Settled(const std::shared_ptr<Outcome>& outcome, std::exception_ptr error) {
      return [outcome, reason = Describe(error)](Napi::Env env) {
        try {
          if (!reason) return outcome->deferred.Resolve(outcome->Converted(env));
          if (outcome->refused) outcome->refused(env);
          outcome->deferred.Reject(ToJsError(env, *reason).Value());
        } catch (const Napi::Error& error) {  // e.g. there is no memory for the result
          outcome->deferred.Reject(error.Value());
        }
      };
    }

    Napi::Value Converted(Napi::Env env) {
      return Guarded(env, [&] { return convert(env, &*result); });
    }

    Napi::Promise::Deferred deferred;
    std::function<Napi::Value(Napi::Env, Result*)> convert;
    std::function<void(Napi::Env)> refused;
    std::optional<Result> result;
  };

  // A promise to settle on JavaScript's thread.
  struct Handed {
    EngineThread* thread;
    Settle settle;
    bool is_last;
  };
  // Frees `taken` also if the environment has ended before (env is null then), which
  // Napi::ThreadSafeFunction does not do.
  static void TakeHanded(Napi::Env env, Napi::Function, std::nullptr_t*, Handed* taken);
  using ToJavaScript = Napi::TypedThreadSafeFunction<std::nullptr_t, Handed, TakeHanded>;

  static std::optional<EngineError> Describe(std::exception_ptr error);

  void Post(Napi::Env env, Caller* caller, std::function<DecodeTask*()> begin,
            std::function<Settle(std::exception_ptr)> end, bool closes = false);
  // Runs `settle` on JavaScript's thread. Called on the engine thread.
  void HandOver(Settle settle);
  void Retire();
  void Stop();
  static void OnEnvironmentEnd(void* self);

  Scheduler scheduler_;
  // Only JavaScript's thread uses the members below; to_javascript_ may also be called on the
  // engine thread. The event loop is kept alive while `unsettled_` is positive.
  int64_t unsettled_ = 0;
  ToJavaScript to_javascript_;
  napi_env env_;
  std::shared_ptr<EngineThread> self_;  // keeps this object alive until the thread is joined
};

}  // namespace llama_ets
