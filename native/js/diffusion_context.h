// DiffusionContext, as JavaScript sees it: denoising on one engine thread. Every method returns a
// promise and leaves the event loop free; calls run in the order they are made.
#pragma once

#include <napi.h>

#include <atomic>
#include <memory>

#include "diffusion/diffusion_session.h"
#include "js/session_host.h"

namespace llama_ets {

class DiffusionContext : public Napi::ObjectWrap<DiffusionContext> {
 public:
  static Napi::Function Define(Napi::Env env);
  // new DiffusionContext(); call open() first.
  explicit DiffusionContext(const Napi::CallbackInfo& info);

 private:
  Napi::Value Open(const Napi::CallbackInfo& info);
  Napi::Value Denoise(const Napi::CallbackInfo& info);
  Napi::Value Search(const Napi::CallbackInfo& info);
  Napi::Value Score(const Napi::CallbackInfo& info);
  Napi::Value Status(const Napi::CallbackInfo& info);
  Napi::Value Cache(const Napi::CallbackInfo& info);
  Napi::Value Progress(const Napi::CallbackInfo& info);
  Napi::Value Shown(const Napi::CallbackInfo& info);
  Napi::Value Abort(const Napi::CallbackInfo& info);
  Napi::Value Close(const Napi::CallbackInfo& info);

  SessionHost<DiffusionSession> host_;
  int32_t vocab_size_ = 0;  // known, as the options are, once open() was called
  DiffusionSessionOptions options_ = {};
  // The session's, which has its own thread.
  std::shared_ptr<std::atomic<DiffusionCache>> cache_ =
      std::make_shared<std::atomic<DiffusionCache>>(DiffusionCache::kNone);
};

}  // namespace llama_ets
