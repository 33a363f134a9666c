// The addon's entry point. It exports openEngine, devices, lockFile, holdChild, releaseChild,
// loadModel, checkModel, Context and DiffusionContext. It also exports the random numbers, the
// sampler and attention as functions, so that tests can compare them with their definitions.
#include "js/addon.h"

#include <ggml-rpc.h>
#include <napi.h>
#include <release.h>

#include <cstdlib>

#include "attention/attend.h"
#include "attention/shared_attention.h"
#include "files/engine.h"
#include "files/file_lock.h"
#include "js/arguments.h"
#include "js/context.h"
#include "js/diffusion_context.h"
#include "js/engine_thread.h"
#include "js/held_children.h"
#include "js/model.h"
#include "js/model_loading.h"
#include "js/saved_sequence.h"
#include "sampling/philox.h"
#include "sampling/sampler.h"

namespace llama_ets {
namespace {

Napi::Value JsOpenEngine(const Napi::CallbackInfo& info) {
  return Guarded(info.Env(), [&]() -> Napi::Value {
    OpenEngine(ReadCString(info[0], "directory"));
    // This handler runs before the destructors of the engine's libraries, because it is registered
    // after they were opened.
    static const int registered = std::atexit(EngineThread::QuitAll);
    (void)registered;
    return info.Env().Undefined();
  });
}

Napi::Value JsDevices(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  return Guarded(env, [&]() -> Napi::Value {
    Napi::Array result = Napi::Array::New(env);
    for (const Device& device : EngineDevices()) {
      Napi::Object object = Napi::Object::New(env);
      object["name"] = device.name;
      object["description"] = device.description;
      object["type"] = device.type;
      object["freeBytes"] = static_cast<double>(device.free_bytes);
      object["totalBytes"] = static_cast<double>(device.total_bytes);
      result[result.Length()] = object;
    }
    return result;
  });
}

// addRpcServer(endpoint)
Napi::Value JsAddRpcServer(const Napi::CallbackInfo& info) {
  return Guarded(info.Env(), [&]() -> Napi::Value {
    AddRpcServer(ReadCString(info[0], "endpoint"));
    return info.Env().Undefined();
  });
}

// attention() -> { isThere, reason, milliseconds }: the status of our own attention
Napi::Value JsAttention(const Napi::CallbackInfo& info) {
  return Guarded(info.Env(), [&]() -> Napi::Value {
    Engine();  // throws if no engine is open
    const AttentionStatus& status = SharedAttentionStatus();
    Napi::Object result = Napi::Object::New(info.Env());
    result["isThere"] = status.is_there;
    result["reason"] = status.reason;
    result["milliseconds"] = status.milliseconds;
    return result;
  });
}

// lockFile(descriptor) -> boolean
Napi::Value JsLockFile(const Napi::CallbackInfo& info) {
  return Guarded(info.Env(), [&]() -> Napi::Value {
    const int64_t descriptor = ReadInteger(info[0], "descriptor", 0, INT32_MAX);
    return Napi::Boolean::New(info.Env(), LockFile(static_cast<int>(descriptor)));
  });
}

// philox(counter: number[4], key: number[2]) -> number[4]
Napi::Value JsPhilox(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  return Guarded(env, [&]() -> Napi::Value {
    const PhiloxCounter bits =
        Philox(ReadWords<4>(info[0], "counter"), ReadWords<2>(info[1], "key"));
    Napi::Array result = Napi::Array::New(env, bits.size());
    for (uint32_t i = 0; i < bits.size(); ++i) result[i] = Napi::Number::New(env, bits[i]);
    return result;
  });
}

// No vocabulary is this large.
constexpr size_t kMaxLogits = 1 << 28;

std::vector<float> ReadLogits(Napi::Value value) {
  const bool is_floats =
      value.IsTypedArray() && value.As<Napi::TypedArray>().TypedArrayType() == napi_float32_array;
  if (!is_floats) throw EngineError("ERR_INVALID_ARGUMENT", "Expected `logits`, a Float32Array");
  const Napi::Float32Array array = value.As<Napi::Float32Array>();
  if (array.ElementLength() == 0 || array.ElementLength() > kMaxLogits) {
    throw EngineError("ERR_INVALID_ARGUMENT",
                      "Expected `logits` of 1 to " + std::to_string(kMaxLogits) + " elements");
  }
  return std::vector<float>(array.Data(), array.Data() + array.ElementLength());
}

Napi::Object ToJs(Napi::Env env, const TokenProbability& probability, Metrics metrics) {
  Napi::Object result = Napi::Object::New(env);
  result["token"] = probability.token;
  result["logProb"] = probability.log_prob;
  result["rawLogProb"] = probability.raw_log_prob;
  if (metrics.entropy) result["entropy"] = probability.entropy;
  if (metrics.self_certainty) result["selfCertainty"] = probability.self_certainty;
  return result;
}

// drawToken(logits: Float32Array, sampling, uniform, metrics)
//   -> { token, logProb, rawLogProb, drawnLogProb, entropy?, selfCertainty? }
Napi::Value JsDrawToken(const Napi::CallbackInfo& info) {
  return Guarded(info.Env(), [&]() -> Napi::Value {
    const std::vector<float> logits = ReadLogits(info[0]);
    const int32_t size = static_cast<int32_t>(logits.size());
    const Metrics metrics = ReadMetrics(info[3]);
    Sampler sampler(ReadSampling(info[1], size), size, metrics);
    const double uniform = ReadNumber(info[2], "uniform", 0, 1 - 0x1p-53);
    TokenProbability drawn;
    sampler.Draw(logits.data(), &uniform, 1, &drawn);
    Napi::Object result = ToJs(info.Env(), drawn, metrics);
    result["drawnLogProb"] = drawn.drawn_log_prob;
    return result;
  });
}

// scoreToken(logits: Float32Array, sampling, token, metrics)
//   -> { token, logProb, rawLogProb, entropy?, selfCertainty? }
Napi::Value JsScoreToken(const Napi::CallbackInfo& info) {
  return Guarded(info.Env(), [&]() -> Napi::Value {
    const std::vector<float> logits = ReadLogits(info[0]);
    const int32_t size = static_cast<int32_t>(logits.size());
    const Metrics metrics = ReadMetrics(info[3]);
    Sampler sampler(ReadSampling(info[1], size), size, metrics);
    const int64_t token = ReadInteger(info[2], "token", 0, size - 1);
    return ToJs(info.Env(), sampler.Score(logits.data(), static_cast<llama_token>(token)), metrics);
  });
}

Napi::Object Init(Napi::Env env, Napi::Object exports) {
  auto* addon = new Addon();
  env.SetInstanceData(addon);
  addon->model = Napi::Persistent(Model::Define(env));
  addon->context = Napi::Persistent(Context::Define(env));
  addon->diffusion_context = Napi::Persistent(DiffusionContext::Define(env));
  addon->saved_sequence = Napi::Persistent(SavedSequence::Define(env));
  exports["engineRelease"] = Napi::String::New(env, LLAMA_ETS_ENGINE_RELEASE);
  exports["openEngine"] = Napi::Function::New(env, JsOpenEngine, "openEngine");
  exports["rpcVersion"] = Napi::Number::New(env, RPC_PROTO_MAJOR_VERSION);
  exports["addRpcServer"] = Napi::Function::New(env, JsAddRpcServer, "addRpcServer");
  exports["devices"] = Napi::Function::New(env, JsDevices, "devices");
  exports["lockFile"] = Napi::Function::New(env, JsLockFile, "lockFile");
  exports["holdChild"] = Napi::Function::New(env, HoldChild, "holdChild");
  exports["releaseChild"] = Napi::Function::New(env, ReleaseChild, "releaseChild");
  exports["loadModel"] = Napi::Function::New(env, LoadModel, "loadModel");
  exports["checkModel"] = Napi::Function::New(env, CheckModel, "checkModel");
  exports["Context"] = addon->context.Value();
  exports["DiffusionContext"] = addon->diffusion_context.Value();
  exports["philox"] = Napi::Function::New(env, JsPhilox, "philox");
  exports["drawToken"] = Napi::Function::New(env, JsDrawToken, "drawToken");
  exports["scoreToken"] = Napi::Function::New(env, JsScoreToken, "scoreToken");
  exports["attention"] = Napi::Function::New(env, JsAttention, "attention");
  exports["attend"] = Napi::Function::New(env, JsAttend, "attend");
  exports["attendInGraph"] = Napi::Function::New(env, JsAttendInGraph, "attendInGraph");
  exports["checkAttention"] = Napi::Function::New(env, JsCheckAttention, "checkAttention");
  return exports;
}

}  // namespace
}  // namespace llama_ets

static Napi::Object InitAddon(Napi::Env env, Napi::Object exports) {
  return llama_ets::Init(env, exports);
}

NODE_API_MODULE(llama_ets, InitAddon)
