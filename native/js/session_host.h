// What the JavaScript classes Context and DiffusionContext have in common: a lane of an engine
// thread, and a session that is opened once, run on in the order of the calls, and closed.
#pragma once

#include <napi.h>

#include <memory>
#include <utility>

#include "decode/worker.h"

namespace llama_ets {

// `S` is what the host's jobs run on: a Decoder.
template <typename S>
class SessionHost {
 public:
  explicit SessionHost(Napi::Object owner) : lane_(owner) {}
  ~SessionHost() {
    if (worker_) worker_->Remove(&lane_);
  }
  SessionHost(const SessionHost&) = delete;
  SessionHost& operator=(const SessionHost&) = delete;

  // Runs `make(monitor)`, a std::unique_ptr<S>, on an engine thread of its own and resolves with
  // the number `describe(session)`.
  template <typename Make, typename Describe>
  Napi::Value Open(Napi::Env env, Make make, Describe describe) {
    const auto make_shared = [make](JobMonitor* monitor) -> std::shared_ptr<S> {
      return make(monitor);
    };
    return OpenOn(env, std::make_shared<Worker>(env), make_shared, describe);
  }

  // As Open, with `make(lender, monitor)` on the engine thread of another host; `lender` is a
  // std::shared_ptr to its session.
  template <typename Make, typename Describe>
  Napi::Value OpenIn(Napi::Env env, const SessionHost& other, Make make, Describe describe) {
    other.RequireOpen();
    const auto make_in = [make, lane = &other.lane_](JobMonitor* monitor) {
      return make(OpenedShared(*lane), monitor);
    };
    return OpenOn(env, other.worker_, make_in, describe);
  }

  // Throws EngineError ERR_DISPOSED.
  void RequireOpen() const {
    if (!open_) throw EngineError("ERR_DISPOSED", "The context is not open");
  }

  // Runs `work(session)` on the engine thread and resolves with `convert(env, &result)`.
  template <typename Result, typename Work, typename Convert>
  Napi::Value Run(Napi::Env env, Work work, Convert convert) {
    RequireOpen();
    return worker_->Run<Result>(
        env, &lane_, [work, lane = &lane_] { return work(Opened(*lane)); },
        [convert](Napi::Env env, Result* result) -> Napi::Value { return convert(env, result); });
  }

  // As Run, for what `start(session)`, a std::unique_ptr<Steps>, begins: its decodes are shared
  // with those of the other sessions of the context.
  template <typename Result, typename Steps, typename Start, typename Convert>
  Napi::Value RunStepwise(Napi::Env env, Start start, Convert convert) {
    RequireOpen();
    return worker_->RunStepwise<Result, Steps>(
        env, &lane_, [start, lane = &lane_] { return start(Opened(*lane)); },
        [convert](Napi::Env env, Result* result) -> Napi::Value { return convert(env, result); });
  }

  // As Run, for work that returns nothing.
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

  // Waits for earlier calls, then frees the session.
  Napi::Value Close(Napi::Env env) {
    RequireOpen();
    open_ = false;
    return worker_->Run<bool>(
        env, &lane_,
        [lane = &lane_] {
          lane->session.reset();
          return true;
        },
        [](Napi::Env env, bool*) -> Napi::Value { return env.Undefined(); });
  }

  JobMonitor& monitor() { return lane_.monitor; }

 private:
  template <typename Make, typename Describe>
  Napi::Value OpenOn(Napi::Env env, std::shared_ptr<Worker> worker, Make make, Describe describe) {
    if (was_opened_) throw EngineError("ERR_INVALID_STATE", "The context was opened before");
    was_opened_ = open_ = true;
    worker_ = std::move(worker);
    worker_->Add(&lane_);
    return worker_->Run<int64_t>(
        env, &lane_,
        [make, describe, lane = &lane_]() -> int64_t {
          std::shared_ptr<S> made = make(&lane->monitor);
          const int64_t description = describe(*made);
          lane->session = std::move(made);
          return description;
        },
        [](Napi::Env env, int64_t* description) -> Napi::Value {
          return Napi::Number::New(env, static_cast<double>(*description));
        });
  }

  static std::shared_ptr<S> OpenedShared(const Lane& lane) {
    if (!lane.session) throw EngineError("ERR_DISPOSED", "The context was disposed");
    return std::static_pointer_cast<S>(lane.session);
  }

  static S* Opened(const Lane& lane) { return OpenedShared(lane).get(); }

  std::shared_ptr<Worker> worker_;  // null before it is opened
  Lane lane_;
  bool was_opened_ = false;
  bool open_ = false;
};

}  // namespace llama_ets
