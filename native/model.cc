#include "model.h"

#include <algorithm>
#include <atomic>
#include <cstring>
#include <memory>
#include <string>

#include "addon.h"
#include "arguments.h"
#include "engine.h"
#include "engine_error.h"
#include "model_file.h"

namespace llama_ets {
namespace {

// Loads a model on libuv's thread pool, reporting progress from 0 to 1.
class Loading : public Napi::AsyncWorker {
 public:
  Loading(Napi::Env env, std::string path, int32_t gpu_layers, Napi::Function on_progress,
          std::shared_ptr<std::atomic<bool>> cancelled)
      : Napi::AsyncWorker(env, "llama-ets-load"),
        deferred_(Napi::Promise::Deferred::New(env)),
        path_(std::move(path)),
        gpu_layers_(gpu_layers),
        progress_(Napi::ThreadSafeFunction::New(env, on_progress, "llama-ets-progress", 0, 1)),
        cancelled_(std::move(cancelled)) {}

  Napi::Promise Promise() const { return deferred_.Promise(); }

 protected:
  void Execute() override {
    try {
      CheckModelFile(path_);
      LoadWeights();
    } catch (const EngineError& error) {
      code_ = error.code();
      SetError(error.what());
    } catch (const std::exception& error) {
      code_ = "ERR_ENGINE_FAILED";
      SetError(error.what());
    }
  }

  void OnOK() override {
    progress_.Release();
    auto external = Napi::External<SharedModel>::New(Env(), &model_);
    deferred_.Resolve(Env().GetInstanceData<Addon>()->model.New({external}));
  }

  void OnError(const Napi::Error& error) override {
    progress_.Release();
    deferred_.Reject(ToJsError(Env(), EngineError(code_, error.Message())).Value());
  }

 private:
  void LoadWeights() {
    llama_model_params params = Engine().llama_model_default_params();
    params.n_gpu_layers = gpu_layers_;
    params.progress_callback = OnProgress;
    params.progress_callback_user_data = this;
    LogCapture log;
    llama_model* model = Engine().llama_model_load_from_file(path_.c_str(), params);
    if (*cancelled_) {
      if (model != nullptr) Engine().llama_model_free(model);
      throw EngineError("ERR_ABORTED", "Loading was cancelled");
    }
    if (model == nullptr) {
      throw EngineError("ERR_UNSUPPORTED_MODEL", log.Reason("the engine gave no reason"));
    }
    model_ = SharedModel(model, Engine().llama_model_free);
  }

  static bool OnProgress(float progress, void* user_data) {
    auto* self = static_cast<Loading*>(user_data);
    // llama.cpp reports each tensor: pass on whole percents.
    const int percent = static_cast<int>(progress * 100);
    if (percent != self->percent_) {
      self->percent_ = percent;
      self->progress_.NonBlockingCall([progress](Napi::Env env, Napi::Function on_progress) {
        on_progress.Call({Napi::Number::New(env, progress)});
      });
    }
    return !*self->cancelled_;
  }

  Napi::Promise::Deferred deferred_;
  const std::string path_;
  const int32_t gpu_layers_;
  Napi::ThreadSafeFunction progress_;
  std::shared_ptr<std::atomic<bool>> cancelled_;
  int percent_ = -1;
  std::string code_;
  SharedModel model_;
};

// Calls an engine function that fills a buffer and returns the size it needs (negative or larger
// than the buffer when it was too small).
template <typename Fill>
std::string FillString(Fill fill) {
  std::string text(256, '\0');
  const int32_t size = fill(text.data(), static_cast<int32_t>(text.size()));
  const size_t needed = static_cast<size_t>(size < 0 ? -static_cast<int64_t>(size) : size);
  if (needed + 1 > text.size()) {
    text.assign(needed + 1, '\0');
    fill(text.data(), static_cast<int32_t>(text.size()));
  }
  text.resize(needed);
  return text;
}

}  // namespace

Napi::Function Model::Define(Napi::Env env) {
  return DefineClass(
      env, "Model",
      {InstanceMethod<&Model::Info>("info"), InstanceMethod<&Model::Metadata>("metadata"),
       InstanceMethod<&Model::Tokenize>("tokenize"),
       InstanceMethod<&Model::Detokenize>("detokenize"),
       InstanceMethod<&Model::TokenText>("tokenText"),
       InstanceMethod<&Model::FirstTokenDifference>("firstTokenDifference"),
       InstanceMethod<&Model::IsEndToken>("isEndToken"), InstanceMethod<&Model::Close>("close")});
}

Model::Model(const Napi::CallbackInfo& info) : Napi::ObjectWrap<Model>(info) {
  if (info.Length() != 1 || !info[0].IsExternal()) {
    throw Napi::TypeError::New(info.Env(), "Model is made by loadModel()");
  }
  model_ = *info[0].As<Napi::External<SharedModel>>().Data();
}

const SharedModel& Model::shared() const {
  if (!model_) throw EngineError("ERR_DISPOSED", "The model was disposed");
  return model_;
}

const llama_vocab* Model::vocab() const {
  return Engine().llama_model_get_vocab(shared().get());
}

int32_t Model::vocab_size() const {
  return Engine().llama_vocab_n_tokens(vocab());
}

Napi::Value Model::Load(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  return Guarded(env, [&]() -> Napi::Value {
    const Napi::Object options = ReadObject(info[0], "options");
    std::string path = ReadString(options.Get("path"), "path");
    const auto gpu_layers =
        static_cast<int32_t>(ReadInteger(options.Get("gpuLayers"), "gpuLayers", -1, 1 << 16));
    const Napi::Function on_progress = ReadFunction(options.Get("onProgress"), "onProgress");
    Engine();  // is open
    auto cancelled = std::make_shared<std::atomic<bool>>(false);
    auto* loading = new Loading(env, std::move(path), gpu_layers, on_progress, cancelled);
    Napi::Object handle = Napi::Object::New(env);
    handle["promise"] = loading->Promise();
    handle["cancel"] = Napi::Function::New(
        env, [cancelled](const Napi::CallbackInfo&) { *cancelled = true; }, "cancel");
    loading->Queue();  // frees itself when done
    return handle;
  });
}

Napi::Value Model::Info(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  return Guarded(env, [&]() -> Napi::Value {
    const EngineApi& engine = Engine();
    const llama_model* model = shared().get();
    const llama_vocab* vocab = this->vocab();
    const auto token_or_null = [&](llama_token token) -> Napi::Value {
      if (token < 0) return env.Null();
      return Napi::Number::New(env, token);
    };
    Napi::Object result = Napi::Object::New(env);
    result["description"] = FillString([&](char* buffer, int32_t size) {
      return engine.llama_model_desc(model, buffer, static_cast<size_t>(size));
    });
    result["parameters"] = static_cast<double>(engine.llama_model_n_params(model));
    result["sizeBytes"] = static_cast<double>(engine.llama_model_size(model));
    result["contextLength"] = engine.llama_model_n_ctx_train(model);
    result["layers"] = engine.llama_model_n_layer(model);
    result["heads"] = engine.llama_model_n_head(model);
    result["kvHeads"] = engine.llama_model_n_head_kv(model);
    result["embeddingSize"] = engine.llama_model_n_embd(model);
    result["slidingWindow"] = engine.llama_model_n_swa(model);
    result["vocabSize"] = engine.llama_vocab_n_tokens(vocab);
    result["hasEncoder"] = engine.llama_model_has_encoder(model);
    result["hasDecoder"] = engine.llama_model_has_decoder(model);
    result["isRecurrent"] = engine.llama_model_is_recurrent(model);
    result["isHybrid"] = engine.llama_model_is_hybrid(model);
    result["isDiffusion"] = engine.llama_model_is_diffusion(model);
    result["bos"] = token_or_null(engine.llama_vocab_bos(vocab));
    result["eos"] = token_or_null(engine.llama_vocab_eos(vocab));
    result["eot"] = token_or_null(engine.llama_vocab_eot(vocab));
    result["pad"] = token_or_null(engine.llama_vocab_pad(vocab));
    result["mask"] = token_or_null(engine.llama_vocab_mask(vocab));
    result["addBos"] = engine.llama_vocab_get_add_bos(vocab);
    result["addEos"] = engine.llama_vocab_get_add_eos(vocab);
    const char* chat_template = engine.llama_model_chat_template(model, nullptr);
    result["chatTemplate"] =
        chat_template == nullptr ? env.Null() : Napi::Value(Napi::String::New(env, chat_template));
    return result;
  });
}

Napi::Value Model::Metadata(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  return Guarded(env, [&]() -> Napi::Value {
    const EngineApi& engine = Engine();
    const llama_model* model = shared().get();
    Napi::Object result = Napi::Object::New(env);
    for (int32_t i = 0; i < engine.llama_model_meta_count(model); ++i) {
      const std::string key = FillString([&](char* buffer, int32_t size) {
        return engine.llama_model_meta_key_by_index(model, i, buffer, static_cast<size_t>(size));
      });
      const std::string value = FillString([&](char* buffer, int32_t size) {
        return engine.llama_model_meta_val_str_by_index(model, i, buffer,
                                                        static_cast<size_t>(size));
      });
      result.Set(key, value);
    }
    return result;
  });
}

Napi::Value Model::Tokenize(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  return Guarded(env, [&]() -> Napi::Value {
    const std::string text = ReadString(info[0], "text");
    const bool add_special = ReadBoolean(info[1], "addSpecial");
    const bool parse_special = ReadBoolean(info[2], "parseSpecial");
    if (text.size() > INT32_MAX / 4) {
      throw EngineError("ERR_INVALID_ARGUMENT", "Expected `text` of less than 512 MiB");
    }
    // No tokenizer makes more tokens than bytes, besides BOS, EOS and a leading space.
    std::vector<llama_token> tokens(text.size() + 8);
    const int32_t count = Engine().llama_tokenize(
        vocab(), text.data(), static_cast<int32_t>(text.size()), tokens.data(),
        static_cast<int32_t>(tokens.size()), add_special, parse_special);
    if (count < 0) throw EngineError("ERR_ENGINE_FAILED", "The engine could not tokenize the text");
    tokens.resize(static_cast<size_t>(count));
    return ToInt32Array(env, tokens);
  });
}

Napi::Value Model::Detokenize(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  return Guarded(env, [&]() -> Napi::Value {
    const std::vector<llama_token> tokens = ReadTokens(info[0], "tokens", vocab_size());
    const bool special = ReadBoolean(info[1], "special");
    if (tokens.empty()) return Napi::String::New(env, "");
    const std::string text = FillString([&](char* buffer, int32_t size) {
      return Engine().llama_detokenize(vocab(), tokens.data(), static_cast<int32_t>(tokens.size()),
                                       buffer, size, false, special);
    });
    return Napi::String::New(env, text);
  });
}

Napi::Value Model::TokenText(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  return Guarded(env, [&]() -> Napi::Value {
    const int64_t token = ReadInteger(info[0], "token", 0, vocab_size() - 1);
    return Napi::String::New(
        env, Engine().llama_vocab_get_text(vocab(), static_cast<llama_token>(token)));
  });
}

// firstTokenDifference(other) -> the lowest id that the two vocabularies give another text or end
// differently at, or that only one has and uses; null: none
Napi::Value Model::FirstTokenDifference(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  return Guarded(env, [&]() -> Napi::Value {
    const EngineApi& engine = Engine();
    const llama_vocab* mine = vocab();
    const Napi::Object object = ReadObject(info[0], "other");
    if (!object.InstanceOf(env.GetInstanceData<Addon>()->model.Value())) {
      throw EngineError("ERR_INVALID_ARGUMENT", "Expected `other` to be a Model");
    }
    const llama_vocab* theirs = Model::Unwrap(object)->vocab();
    const int32_t my_size = engine.llama_vocab_n_tokens(mine);
    const int32_t their_size = engine.llama_vocab_n_tokens(theirs);
    const int32_t shared = std::min(my_size, their_size);
    for (llama_token token = 0; token < shared; ++token) {
      const bool same_text = std::strcmp(engine.llama_vocab_get_text(mine, token),
                                         engine.llama_vocab_get_text(theirs, token)) == 0;
      const bool same_end =
          engine.llama_vocab_is_eog(mine, token) == engine.llama_vocab_is_eog(theirs, token);
      if (!same_text || !same_end) return Napi::Number::New(env, token);
    }
    // Sizes of one family differ in padding at the end of the vocabulary.
    const llama_vocab* larger = my_size > their_size ? mine : theirs;
    for (llama_token token = shared; token < std::max(my_size, their_size); ++token) {
      const bool is_unused =
          (engine.llama_vocab_get_attr(larger, token) & LLAMA_TOKEN_ATTR_UNUSED) != 0;
      const bool is_padding =
          std::strncmp(engine.llama_vocab_get_text(larger, token), "[PAD", 4) == 0;
      if (!is_unused && !is_padding) return Napi::Number::New(env, token);
    }
    return env.Null();
  });
}

Napi::Value Model::IsEndToken(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  return Guarded(env, [&]() -> Napi::Value {
    const int64_t token = ReadInteger(info[0], "token", 0, vocab_size() - 1);
    return Napi::Boolean::New(
        env, Engine().llama_vocab_is_eog(vocab(), static_cast<llama_token>(token)));
  });
}

// Lets go of the model; it is freed once no context uses it.
Napi::Value Model::Close(const Napi::CallbackInfo& info) {
  model_.reset();
  return info.Env().Undefined();
}

}  // namespace llama_ets
