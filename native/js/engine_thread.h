// A scheduler as JavaScript's objects use it: each job settles a promise.
//
// The life of an engine thread, in the order of its calls, each with the thread that makes it:
// - Start, JavaScript's: an object is opened. Makes the thread, and whatever else could fail.
// - Add, JavaScript's: once for each object that uses the context.
// - Run and RunTask, JavaScript's: post a job. Its object and the event loop are held until it
// settles.
// - begin, the engine's: runs the job, or begins its task.
// - the task's steps, the engine's: side by side with those of other partitions.
// - end, the engine's: takes the result and hands it over.
// - settle, JavaScript's: resolves or rejects the promise.
// - Close, JavaScript's: posts the last job of an object that was closed, or collected unclosed.
// - Scheduler::Close, the engine's: frees what the object had. After the last one the thread
// returns.
// - Retire, JavaScript's: joins the thread, as that last job settles.
// Where the environment ends first, OnEnvironmentEnd stops and joins the thread instead, before the
// objects in it are finalized; where the process exits, which calls no hooks, QuitAll does.
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

// An object of JavaScript and its partition. It is kept alive while calls of it are unsettled.
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

  // Runs `work` on the engine thread and resolves with `convert(env, result)`; an exception
  // rejects, once `refused` was called, if it is given.
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

  // As Run, for a task that `start` makes; the result is that of its TakeResult().
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
      task->reset();  // here, where the session is
      return Outcome<Result>::Settled(outcome, error);
    });
    return outcome->deferred.Promise();
  }

  // Frees what the caller has in the context, after its earlier calls, and resolves when that is
  // done; after the last caller of the context there is no thread any more.
  Napi::Promise Close(Napi::Env env, Caller* caller);
  // As Close, for a caller that was collected.
  void Abandon(const Caller& caller);
  // Aborts what runs in all environments and joins the threads, as the process exits: no promise
  // settles any more, and no thread starts. Safe to call twice.
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
        } catch (const Napi::Error& error) {  // there is no room for the result
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

  // What JavaScript's thread is to settle.
  struct Handed {
    EngineThread* thread;
    Settle settle;
    bool is_last;
  };
  // Frees it also where the environment, null then, ended before: Napi::ThreadSafeFunction doesn't.
  static void TakeHanded(Napi::Env env, Napi::Function, std::nullptr_t*, Handed* taken);
  using ToJavaScript = Napi::TypedThreadSafeFunction<std::nullptr_t, Handed, TakeHanded>;

  static std::optional<EngineError> Describe(std::exception_ptr error);

  void Post(Napi::Env env, Caller* caller, std::function<DecodeTask*()> begin,
            std::function<Settle(std::exception_ptr)> end, bool closes = false);
  // Called on the engine thread.
  void HandOver(Settle settle);
  void Retire();
  void Stop();
  static void OnEnvironmentEnd(void* self);

  Scheduler scheduler_;
  // The rest is JavaScript's thread's. The event loop is held while `unsettled_` is positive.
  int64_t unsettled_ = 0;
  ToJavaScript to_javascript_;
  napi_env env_;
  std::shared_ptr<EngineThread> self_;  // until the thread is joined
};

}  // namespace llama_ets
