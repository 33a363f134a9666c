// The engine thread of one context. Each JavaScript object that uses the context has a lane, whose
// calls run one after another, each settling a promise on JavaScript's thread. Calls of several
// lanes take turns; those that decode step by step do so together. Only the engine thread touches
// the sessions.
#pragma once

#include <napi.h>

#include <condition_variable>
#include <deque>
#include <exception>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <thread>
#include <utility>
#include <vector>

#include "decode/job_monitor.h"
#include "decode/turn.h"
#include "files/engine_error.h"
#include "js/arguments.h"

namespace llama_ets {

// The calls of one JavaScript object, its owner, which is kept alive while they are unsettled.
struct Lane {
  explicit Lane(Napi::Object owner) : owner(Napi::Weak(owner)) {}

  JobMonitor monitor;
  // On the engine thread: null before the call that opens it, and after the one that closes it.
  std::shared_ptr<void> session;
  bool is_stepping = false;  // on the engine thread: a call of the lane goes on step by step
  // On JavaScript's thread.
  Napi::ObjectReference owner;
  int64_t unsettled = 0;
};

class Worker {
 public:
  explicit Worker(Napi::Env env);
  // Aborts what runs, drops what waits, and waits for the thread; the end of the environment does
  // so too, before the objects in it are finalized.
  ~Worker();
  Worker(const Worker&) = delete;
  Worker& operator=(const Worker&) = delete;

  // A lane is added before its first call and removed before it ends.
  void Add(Lane* lane);
  void Remove(Lane* lane);

  // Runs `work` on the engine thread and resolves with `convert(env, result)`; an exception
  // rejects.
  template <typename Result>
  Napi::Promise Run(Napi::Env env, Lane* lane, std::function<Result()> work,
                    std::function<Napi::Value(Napi::Env, Result*)> convert) {
    auto outcome = std::make_shared<Outcome<Result>>(env, std::move(convert));
    const auto begin = [outcome, work = std::move(work)]() -> Stepwise* {
      outcome->result = work();
      return nullptr;
    };
    Post(env, lane, begin,
         [outcome](std::exception_ptr error) { return Outcome<Result>::Settled(outcome, error); });
    return outcome->deferred.Promise();
  }

  // As Run, for work that `start` begins and that goes on step by step; the result is that of its
  // TakeResult().
  template <typename Result, typename Work>
  Napi::Promise RunStepwise(Napi::Env env, Lane* lane, std::function<std::unique_ptr<Work>()> start,
                            std::function<Napi::Value(Napi::Env, Result*)> convert) {
    auto outcome = std::make_shared<Outcome<Result>>(env, std::move(convert));
    auto work = std::make_shared<std::unique_ptr<Work>>();
    const auto begin = [work, start = std::move(start)]() -> Stepwise* {
      *work = start();
      return work->get();
    };
    Post(env, lane, begin, [outcome, work](std::exception_ptr error) {
      if (error == nullptr) outcome->result = (*work)->TakeResult();
      work->reset();  // here, where the session is
      return Outcome<Result>::Settled(outcome, error);
    });
    return outcome->deferred.Promise();
  }

 private:
  using Settle = std::function<void(Napi::Env)>;

  struct Job {
    Lane* lane;
    int64_t number;
    std::function<Stepwise*()> begin;  // null: it is done
    std::function<Settle(std::exception_ptr)> end;
  };

  // A job that goes on.
  struct Running {
    Job job;
    Stepwise* work;
  };

  template <typename Result>
  struct Outcome {
    Outcome(Napi::Env env, std::function<Napi::Value(Napi::Env, Result*)> convert)
        : deferred(Napi::Promise::Deferred::New(env)), convert(std::move(convert)) {}

    static Settle Settled(const std::shared_ptr<Outcome>& outcome, std::exception_ptr error) {
      return [outcome, reason = Describe(error)](Napi::Env env) {
        if (reason) {
          outcome->deferred.Reject(ToJsError(env, *reason).Value());
        } else {
          outcome->deferred.Resolve(outcome->convert(env, &*outcome->result));
        }
      };
    }

    Napi::Promise::Deferred deferred;
    std::function<Napi::Value(Napi::Env, Result*)> convert;
    std::optional<Result> result;
  };

  static std::optional<EngineError> Describe(std::exception_ptr error);

  void Post(Napi::Env env, Lane* lane, std::function<Stepwise*()> begin,
            std::function<Settle(std::exception_ptr)> end);
  void Loop();
  // The first job whose lane is free.
  std::deque<Job>::iterator FindReady();
  void Begin(Job job);
  void TakeTurns();
  void End(const Job& job, std::exception_ptr error);
  void ShutDown();
  static void OnEnvironmentEnd(void* self);

  std::mutex mutex_;
  std::condition_variable wake_;
  std::deque<Job> queue_;
  std::vector<Lane*> lanes_;
  bool stopping_ = false;
  std::vector<Running> running_;  // on the engine thread
  // On JavaScript's thread; the event loop is held while it is positive.
  int64_t unsettled_ = 0;
  Napi::ThreadSafeFunction settle_;
  napi_env env_;
  std::thread thread_;
};

}  // namespace llama_ets
