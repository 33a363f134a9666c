// The common part of the JavaScript classes Context and DiffusionContext: a partition of an engine
// thread's context and a session. The session is opened once, runs the calls in their order, and is
// closed.
#pragma once

#include <napi.h>

#include <memory>
#include <utility>

#include "js/engine_thread.h"

namespace llama_ets {

// `S` is the class of the session, which is a Decoder.
template <typename S>
class SessionHost {
 public:
  explicit SessionHost(Napi::Object owner) : caller_(owner) {}
  ~SessionHost() {
    if (open_) thread_->Abandon(caller_);
  }
  SessionHost(const SessionHost&) = delete;
  SessionHost& operator=(const SessionHost&) = delete;

  // Starts an engine thread, runs `make(monitor)` on it, which returns a std::unique_ptr<S>, and
  // resolves with the number `describe(session)`.
  template <typename Make, typename Describe>
  Napi::Value Open(Napi::Env env, Make make, Describe describe) {
    RefuseSecondOpening();
    const auto make_shared = [make](JobMonitor* monitor) -> std::shared_ptr<S> {
      return make(monitor);
    };
    return OpenOn(env, EngineThread::Start(env), make_shared, describe);
  }

  // Like Open, but runs `make(lender, monitor)` on the engine thread of another host. `lender` is a
  // std::shared_ptr to that host's session.
  template <typename Make, typename Describe>
  Napi::Value OpenIn(Napi::Env env, const SessionHost& other, Make make, Describe describe) {
    RefuseSecondOpening();
    other.RequireOpen();
    const auto make_in = [make, partition = other.caller_.partition](JobMonitor* monitor) {
      return make(OpenedShared(*partition), monitor);
    };
    return OpenOn(env, other.thread_, make_in, describe);
  }

  // Throws EngineError ERR_DISPOSED if the host is not open.
  void RequireOpen() const {
    if (!open_) throw EngineError("ERR_DISPOSED", "The context is not open");
  }

  // Runs `work(session)` on the engine thread and resolves with `convert(env, &result)`.
  template <typename Result, typename Work, typename Convert>
  Napi::Value Run(Napi::Env env, Work work, Convert convert) {
    RequireOpen();
    return thread_->Run<Result>(
        env, &caller_, [work, partition = partition()] { return work(Opened(*partition)); },
        [convert](Napi::Env env, Result* result) -> Napi::Value { return convert(env, result); });
  }

  // Like Run, for a task. `start(session)` returns a std::unique_ptr<Task>. The task shares decodes
  // with the tasks of the other sessions of the context.
  template <typename Result, typename Task, typename Start, typename Convert>
  Napi::Value RunTask(Napi::Env env, Start start, Convert convert) {
    RequireOpen();
    return thread_->RunTask<Result, Task>(
        env, &caller_, [start, partition = partition()] { return start(Opened(*partition)); },
        [convert](Napi::Env env, Result* result) -> Napi::Value { return convert(env, result); });
  }

  // Like Run, for work that returns nothing.
  template <typename Work>
  Napi::Value RunWithoutResult(Napi::Env env, Work work) {
    return Run<bool>(
        env,
        [work](S* session) {
          work(session);
          return true;
        },
        [](Napi::Env env, bool*) -> Napi::Value { return env.Undefined(); });
  }

  // Waits for earlier calls, then frees the session. After the last session of the context, the
  // engine thread ends. A host that could not be opened has nothing to free.
  Napi::Promise Close(Napi::Env env) {
    if (was_refused_) {
      was_refused_ = false;
      const auto deferred = Napi::Promise::Deferred::New(env);
      deferred.Resolve(env.Undefined());
      return deferred.Promise();
    }
    RequireOpen();
    open_ = false;
    return thread_->Close(env, &caller_);
  }

  JobMonitor& monitor() { return caller_.partition->monitor; }

 private:
  void RefuseSecondOpening() const {
    if (thread_) throw EngineError("ERR_INVALID_STATE", "The context was opened before");
  }

  template <typename Make, typename Describe>
  Napi::Value OpenOn(Napi::Env env, std::shared_ptr<EngineThread> thread, Make make,
                     Describe describe) {
    thread_ = std::move(thread);
    open_ = true;
    thread_->Add(caller_);
    return thread_->Run<int64_t>(
        env, &caller_,
        [make, describe, partition = partition()]() -> int64_t {
          std::shared_ptr<S> made = make(&partition->monitor);
          const int64_t description = describe(*made);
          partition->session = std::move(made);
          return description;
        },
        [](Napi::Env env, int64_t* description) -> Napi::Value {
          return Napi::Number::New(env, static_cast<double>(*description));
        },
        [this](Napi::Env env) {
          if (!open_) return;  // Close was called already
          Close(env);
          was_refused_ = true;
        });
  }

  // Jobs may hold this pointer, because an unsettled job keeps the host's owner alive.
  Partition* partition() const { return caller_.partition.get(); }

  static std::shared_ptr<S> OpenedShared(const Partition& partition) {
    if (!partition.session) throw EngineError("ERR_DISPOSED", "The context was disposed");
    return std::static_pointer_cast<S>(partition.session);
  }

  static S* Opened(const Partition& partition) { return OpenedShared(partition).get(); }

  std::shared_ptr<EngineThread> thread_;  // null before the host is opened
  Caller caller_;
  bool open_ = false;
  bool was_refused_ = false;  // opening failed, and Close was not called since
};

}  // namespace llama_ets
