#include "js/diffusion_context.h"

#include <memory>
#include <vector>

#include "files/engine.h"
#include "js/arguments.h"
#include "js/diffusion_values.h"
#include "js/model.h"

namespace llama_ets {

Napi::Function DiffusionContext::Define(Napi::Env env) {
  return DefineClass(env, "DiffusionContext",
                     {InstanceMethod<&DiffusionContext::Open>("open"),
                      InstanceMethod<&DiffusionContext::Denoise>("denoise"),
                      InstanceMethod<&DiffusionContext::Search>("search"),
                      InstanceMethod<&DiffusionContext::Score>("score"),
                      InstanceMethod<&DiffusionContext::Status>("status"),
                      InstanceMethod<&DiffusionContext::Cache>("cache"),
                      InstanceMethod<&DiffusionContext::Progress>("progress"),
                      InstanceMethod<&DiffusionContext::Shown>("shown"),
                      InstanceMethod<&DiffusionContext::Abort>("abort"),
                      InstanceMethod<&DiffusionContext::Close>("close")});
}

DiffusionContext::DiffusionContext(const Napi::CallbackInfo& info)
    : Napi::ObjectWrap<DiffusionContext>(info), host_(info.This().As<Napi::Object>()) {}

// open(model,
//      { length, texts, cache, singlePrecision, knowsState, guidance, batchTokens, threads })
//   -> the mask token
Napi::Value DiffusionContext::Open(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  return Guarded(env, [&]() -> Napi::Value {
    const Model& model = Model::Read(info[0], "model");
    const SharedModel shared = model.with_weights();
    const DiffusionSessionOptions options = ReadDiffusionOptions(info[1]);
    if (!model.is_diffusion()) {
      throw EngineError("ERR_UNSUPPORTED_MODEL", "The model is not a diffusion model");
    }
    const Napi::Value mask = host_.Open(
        env,
        [shared, options](JobMonitor* monitor) {
          return std::make_unique<DiffusionSession>(shared, options, monitor);
        },
        [cache = cache_](const DiffusionSession& session) -> int64_t {
          *cache = session.cache();
          return session.mask();
        });
    vocab_size_ = Engine().llama_vocab_n_tokens(Engine().llama_model_get_vocab(shared.get()));
    options_ = options;
    return mask;
  });
}

// denoise({ prompt, texts: [{ tokens, stream: [3] }], blockLength, steps, from, to, sampling,
//   key: [2], remasking, threshold, factor, cfgScale, stopAtEnd, maxTotalTokens, timeLimitMs })
//   -> [{ tokens, order, logProbs, rawLogProbs, steps, finish }]
Napi::Value DiffusionContext::Denoise(const Napi::CallbackInfo& info) {
  return Guarded(info.Env(), [&]() -> Napi::Value {
    host_.RequireOpen();
    const DenoiseRequest request = ReadDenoiseRequest(info[0], vocab_size_, options_);
    return host_.Run<std::vector<DenoisedText>>(
        info.Env(),
        [request](DiffusionSession* session) {
          return llama_ets::Denoise(session, request.texts, request.options);
        },
        [](Napi::Env env, std::vector<DenoisedText>* result) { return ToJs(env, *result); });
  });
}

// search({ prompt, texts: [{ tokens, logProb }], stream: [3], width, wanted, blockLength, steps,
//   from, to, sampling, key: [2], remasking, cfgScale, maxTotalTokens, timeLimitMs })
//   -> [{ tokens, order, logProbs, rawLogProbs, steps, finish, logProb, origin }]
Napi::Value DiffusionContext::Search(const Napi::CallbackInfo& info) {
  return Guarded(info.Env(), [&]() -> Napi::Value {
    host_.RequireOpen();
    const SearchRequest request = ReadSearchRequest(info[0], vocab_size_, options_);
    return host_.Run<std::vector<FoundText>>(
        info.Env(),
        [request](DiffusionSession* session) {
          return SearchTexts(session, request.hypotheses, request.options);
        },
        [](Napi::Env env, std::vector<FoundText>* result) { return ToJs(env, *result); });
  });
}

// score({ prompt, states: [{ tokens, targets }], sampling, cfgScale }) -> [Float64Array]
Napi::Value DiffusionContext::Score(const Napi::CallbackInfo& info) {
  return Guarded(info.Env(), [&]() -> Napi::Value {
    host_.RequireOpen();
    const ScoreStatesRequest request = ReadScoreStatesRequest(info[0], vocab_size_, options_);
    return host_.Run<std::vector<std::vector<double>>>(
        info.Env(),
        [request](DiffusionSession* session) {
          return ScoreStates(session, request.prompt, request.states, request.sampling,
                             request.guidance);
        },
        [](Napi::Env env, std::vector<std::vector<double>>* result) { return ToJs(env, *result); });
  });
}

// status() -> counters
Napi::Value DiffusionContext::Status(const Napi::CallbackInfo& info) {
  return Guarded(info.Env(), [&]() -> Napi::Value {
    return host_.Run<DiffusionStatus>(
        info.Env(),
        [](DiffusionSession* session) -> DiffusionStatus {
          return {session->counters, session->decode_counters};
        },
        [](Napi::Env env, DiffusionStatus* status) { return ToJs(env, *status); });
  });
}

// cache() -> "none", "prefix" or "dual": the cache that an open context uses. Returns at once, not
// with a promise.
Napi::Value DiffusionContext::Cache(const Napi::CallbackInfo& info) {
  return ToJs(info.Env(), *cache_);
}

// progress() -> the number of positions unmasked so far by the running denoise call. Returns at
// once, not with a promise.
Napi::Value DiffusionContext::Progress(const Napi::CallbackInfo& info) {
  return Napi::Number::New(info.Env(), static_cast<double>(host_.monitor().generated.load()));
}

// shown() -> Int32Array: the first text of the latest denoise call, with the positions unmasked so
// far. Returns at once, not with a promise.
Napi::Value DiffusionContext::Shown(const Napi::CallbackInfo& info) {
  return ToInt32Array(info.Env(), host_.monitor().Shown());
}

// abort(): running and waiting calls reject with ERR_ABORTED
Napi::Value DiffusionContext::Abort(const Napi::CallbackInfo& info) {
  host_.monitor().Abort();
  return info.Env().Undefined();
}

// close(): waits for earlier calls, then frees the context
Napi::Value DiffusionContext::Close(const Napi::CallbackInfo& info) {
  return Guarded(info.Env(), [&]() -> Napi::Value { return host_.Close(info.Env()); });
}

}  // namespace llama_ets
