// The engine thread of one context: a queue of jobs, run one after another, each settling a promise
// on JavaScript's thread. Only the engine thread touches the session.
#pragma once

#include <napi.h>

#include <condition_variable>
#include <deque>
#include <exception>
#include <functional>
#include <memory>
#include <mutex>
#include <new>
#include <thread>
#include <utility>

#include "arguments.h"
#include "decoder.h"
#include "engine_error.h"
#include "job_monitor.h"

namespace llama_ets {

class Worker {
 public:
  // `owner`, the JavaScript object that holds the worker, is kept alive while jobs are unsettled.
  Worker(Napi::Env env, Napi::Object owner);
  // Aborts what runs, drops what waits, and waits for the thread; the end of the environment does
  // so too, before the objects in it are finalized.
  ~Worker();
  Worker(const Worker&) = delete;
  Worker& operator=(const Worker&) = delete;

  // Runs `work` on the engine thread and resolves with `convert(env, result)`; an exception
  // rejects. The session is null before the job that opens it, and after the one that closes it.
  template <typename Result>
  Napi::Promise Run(Napi::Env env, std::function<Result(std::unique_ptr<Decoder>*)> work,
                    std::function<Napi::Value(Napi::Env, Result*)> convert) {
    auto deferred = std::make_shared<Napi::Promise::Deferred>(Napi::Promise::Deferred::New(env));
    Post(env,
         [work = std::move(work), convert = std::move(convert),
          deferred](std::unique_ptr<Decoder>* session) -> Settle {
           const auto reject = [deferred](const char* code, const std::string& message) -> Settle {
             return [deferred, error = EngineError(code, message)](Napi::Env env) {
               deferred->Reject(ToJsError(env, error).Value());
             };
           };
           try {
             auto result = std::make_shared<Result>(work(session));
             return [convert, deferred, result](Napi::Env env) {
               deferred->Resolve(convert(env, result.get()));
             };
           } catch (const EngineError& error) {
             return reject(error.code().c_str(), error.what());
           } catch (const std::bad_alloc&) {
             return reject("ERR_OUT_OF_MEMORY", "The engine ran out of memory");
           } catch (const std::exception& error) {
             return reject("ERR_ENGINE_FAILED", error.what());
           }
         });
    return deferred->Promise();
  }

  JobMonitor& monitor() { return monitor_; }

 private:
  using Settle = std::function<void(Napi::Env)>;
  using Job = std::function<Settle(std::unique_ptr<Decoder>*)>;

  void Post(Napi::Env env, Job job);
  void Loop();
  void ShutDown();
  static void OnEnvironmentEnd(void* self);

  JobMonitor monitor_;
  std::unique_ptr<Decoder> session_;
  std::mutex mutex_;
  std::condition_variable wake_;
  std::deque<std::pair<int64_t, Job>> queue_;
  bool stopping_ = false;
  // On JavaScript's thread; the event loop and the owner are held while it is positive.
  int64_t unsettled_ = 0;
  Napi::ObjectReference owner_;
  Napi::ThreadSafeFunction settle_;
  napi_env env_;
  std::thread thread_;
};

}  // namespace llama_ets
