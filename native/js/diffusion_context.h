// The JavaScript class DiffusionContext: denoising on one engine thread. Methods return a promise
// and don't block the event loop, except for cache, progress, shown and abort, which return at
// once. Calls run in the order in which they are made.
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
  int32_t vocab_size_ = 0;  // open() sets this and the options
  DiffusionSessionOptions options_ = {};
  // The cache that the session uses. The engine thread sets it, JavaScript's thread reads it.
  std::shared_ptr<std::atomic<DiffusionCache>> cache_ =
      std::make_shared<std::atomic<DiffusionCache>>(DiffusionCache::kNone);
};

}  // namespace llama_ets
