// What the JavaScript classes Context and DiffusionContext have in common: a worker, and a session
// that is opened once, run on in the order of the calls, and closed.
#pragma once

#include <napi.h>

#include <memory>
#include <utility>

#include "worker.h"

namespace llama_ets {

// `S` is what the host's jobs run on: a Decoder.
template <typename S>
class SessionHost {
 public:
  SessionHost(Napi::Env env, Napi::Object owner) : worker_(env, owner) {}

  // Runs `make(monitor)`, a std::unique_ptr<S>, on the engine thread and resolves with the number
  // `describe(session)`.
  template <typename Make, typename Describe>
  Napi::Value Open(Napi::Env env, Make make, Describe describe) {
    if (was_opened_) throw EngineError("ERR_INVALID_STATE", "The context was opened before");
    was_opened_ = open_ = true;
    return worker_.Run<int64_t>(
        env,
        [make, describe, monitor = &worker_.monitor()](std::unique_ptr<Decoder>* session) {
          std::unique_ptr<S> made = make(monitor);
          const int64_t description = describe(*made);
          *session = std::move(made);
          return description;
        },
        [](Napi::Env env, int64_t* description) -> Napi::Value {
          return Napi::Number::New(env, static_cast<double>(*description));
        });
  }

  // Throws EngineError ERR_DISPOSED.
  void RequireOpen() const {
    if (!open_) throw EngineError("ERR_DISPOSED", "The context is not open");
  }

  // Runs `work(session)` on the engine thread and resolves with `convert(env, &result)`.
  template <typename Result, typename Work, typename Convert>
  Napi::Value Run(Napi::Env env, Work work, Convert convert) {
    RequireOpen();
    return worker_.Run<Result>(
        env, [work](std::unique_ptr<Decoder>* session) { return work(Opened(session)); },
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
    return worker_.Run<bool>(
        env,
        [](std::unique_ptr<Decoder>* session) {
          session->reset();
          return true;
        },
        [](Napi::Env env, bool*) -> Napi::Value { return env.Undefined(); });
  }

  JobMonitor& monitor() { return worker_.monitor(); }

 private:
  static S* Opened(std::unique_ptr<Decoder>* session) {
    if (!*session) throw EngineError("ERR_DISPOSED", "The context was disposed");
    return static_cast<S*>(session->get());
  }

  Worker worker_;
  bool was_opened_ = false;
  bool open_ = false;
};

}  // namespace llama_ets
