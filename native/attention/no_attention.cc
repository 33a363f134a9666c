// Replaces the rest of this folder if our own attention isn't compiled (attention_build.h).
#include "attention/attend.h"
#include "attention/attention_build.h"
#include "attention/shared_attention.h"

#ifdef LLAMA_ETS_NO_ATTENTION

namespace llama_ets {

void RegisterSharedAttention() {}

const AttentionStatus& SharedAttentionStatus() {
  static const AttentionStatus status{false, LLAMA_ETS_NO_ATTENTION, 0};
  return status;
}

SharedAttention::SharedAttention(bool on) : on(on), outer_(nullptr) {}

SharedAttention::~SharedAttention() = default;

Napi::Value JsAttend(const Napi::CallbackInfo& info) {
  return info.Env().Null();
}

Napi::Value JsAttendInGraph(const Napi::CallbackInfo& info) {
  return info.Env().Null();
}

Napi::Value JsCheckAttention(const Napi::CallbackInfo& info) {
  return Napi::String::New(info.Env(), LLAMA_ETS_NO_ATTENTION);
}

}  // namespace llama_ets

#endif  // LLAMA_ETS_NO_ATTENTION
