#include "js/model.h"

#include <algorithm>
#include <cstring>
#include <string>

#include "decode/token_text.h"
#include "files/engine.h"
#include "files/engine_error.h"
#include "files/renamed_model.h"
#include "js/arguments.h"
#include "text/tokenized.h"

namespace llama_ets {
namespace {

// Calls an engine function that fills a buffer. The function returns the size that it needs, or a
// negative number if there is no such text.
template <typename Fill>
std::string FillString(Fill fill) {
  std::string text(256, '\0');
  const size_t needed = static_cast<size_t>(std::max(fill(text.data(), text.size()), 0));
  if (needed + 1 > text.size()) {
    text.assign(needed + 1, '\0');
    fill(text.data(), text.size());
  }
  text.resize(needed);
  return text;
}

// Replaces `from` by `to` at the beginning of a text.
void ReplacePrefix(std::string* text, const std::string& from, const std::string& to) {
  if (text->compare(0, from.size(), from) == 0) text->replace(0, from.size(), to);
}

// The architecture as which the model can be loaded so that the engine keeps its keys and values;
// nothing for most models.
std::optional<std::string> CachingArchitectureOf(const llama_model* model) {
  const std::string architecture = FillString([&](char* buffer, size_t size) {
    return Engine().llama_model_meta_val_str(model, "general.architecture", buffer, size);
  });
  return CachingArchitecture(architecture);
}

// Marks the objects that wrap a Model. The prototype can't prove it, because JavaScript code can
// give any object this prototype.
constexpr napi_type_tag kModelTag = {0x1f0a3c5be2d94786, 0x8b67c4d9015ea23f};

}  // namespace

Napi::Function Model::Define(Napi::Env env) {
  return DefineClass(
      env, "Model",
      {InstanceMethod<&Model::Info>("info"), InstanceMethod<&Model::Metadata>("metadata"),
       InstanceMethod<&Model::Tokenize>("tokenize"),
       InstanceMethod<&Model::Detokenize>("detokenize"),
       InstanceMethod<&Model::SpecialTokens>("specialTokens"),
       InstanceMethod<&Model::TokenText>("tokenText"),
       InstanceMethod<&Model::FirstTokenDifference>("firstTokenDifference"),
       InstanceMethod<&Model::IsEndToken>("isEndToken"), InstanceMethod<&Model::Close>("close")});
}

Model::Model(const Napi::CallbackInfo& info) : Napi::ObjectWrap<Model>(info) {
  if (info.Length() != 1 || !info[0].IsExternal()) {
    throw Napi::TypeError::New(info.Env(), "Model is made by loadModel()");
  }
  const LoadedModel& loaded = *info[0].As<Napi::External<LoadedModel>>().Data();
  model_ = loaded.model;
  renamed_ = loaded.renamed;
  is_split_ = loaded.is_split;
  has_weights_ = loaded.has_weights;
  adapters_ = loaded.adapters;
  labels_ = loaded.labels;
  layer_numbers_ = loaded.layer_numbers;
  info.This().As<Napi::Object>().TypeTag(&kModelTag);
}

const Model& Model::Read(Napi::Value value, const std::string& name) {
  if (!value.IsObject() || !value.As<Napi::Object>().CheckTypeTag(&kModelTag)) {
    throw EngineError("ERR_INVALID_ARGUMENT", "Expected `" + name + "` to be a Model");
  }
  return *Model::Unwrap(value.As<Napi::Object>());
}

const SharedModel& Model::shared() const {
  if (!model_) throw EngineError("ERR_DISPOSED", "The model was disposed");
  return model_;
}

const SharedModel& Model::with_weights() const {
  const SharedModel& model = shared();
  if (!has_weights_)
    throw EngineError("ERR_INVALID_STATE", "The model was read without its weights");
  return model;
}

const llama_vocab* Model::vocab() const {
  return Engine().llama_model_get_vocab(shared().get());
}

int32_t Model::vocab_size() const {
  return Engine().llama_vocab_n_tokens(vocab());
}

bool Model::is_diffusion() const {
  return renamed_ || Engine().llama_model_is_diffusion(shared().get());
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
    std::string description = FillString(
        [&](char* buffer, size_t size) { return engine.llama_model_desc(model, buffer, size); });
    if (renamed_) ReplacePrefix(&description, renamed_->loaded + " ", renamed_->own + " ");
    result["description"] = description;
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
    result["isDiffusion"] = is_diffusion();
    // A renamed model is read into memory, because a mapped file would have the original header.
    result["isMapped"] = !renamed_;
    // A split model can't be renamed, because the names are replaced in the header of one file
    // only.
    const std::optional<std::string> caching =
        is_split_ ? std::nullopt : CachingArchitectureOf(model);
    result["cachingArchitecture"] =
        caching ? Napi::Value(Napi::String::New(env, *caching)) : env.Null();
    result["bos"] = token_or_null(engine.llama_vocab_bos(vocab));
    result["eos"] = token_or_null(engine.llama_vocab_eos(vocab));
    result["eot"] = token_or_null(engine.llama_vocab_eot(vocab));
    result["pad"] = token_or_null(engine.llama_vocab_pad(vocab));
    result["mask"] = token_or_null(engine.llama_vocab_mask(vocab));
    result["addBos"] = engine.llama_vocab_get_add_bos(vocab);
    result["addEos"] = engine.llama_vocab_get_add_eos(vocab);
    Napi::Array labels = Napi::Array::New(env, labels_.size());
    for (uint32_t i = 0; i < labels_.size(); ++i) labels[i] = labels_[i];
    result["labels"] = labels;
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
      std::string key = FillString([&](char* buffer, size_t size) {
        return engine.llama_model_meta_key_by_index(model, i, buffer, size);
      });
      std::string value = FillString([&](char* buffer, size_t size) {
        return engine.llama_model_meta_val_str_by_index(model, i, buffer, size);
      });
      if (renamed_) {
        if (key == "general.architecture") value = renamed_->own;
        ReplacePrefix(&key, renamed_->loaded + ".", renamed_->own + ".");
      }
      result.Set(key, value);
    }
    for (const auto& [key, numbers] : layer_numbers_) result.Set(key, numbers);
    return result;
  });
}

Napi::Value Model::Tokenize(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  return Guarded(env, [&]() -> Napi::Value {
    const std::string text = ReadString(info[0], "text");
    const bool add_special = ReadBoolean(info[1], "addSpecial");
    const bool parse_special = ReadBoolean(info[2], "parseSpecial");
    return ToInt32Array(env, Tokenized(vocab(), text, add_special, parse_special));
  });
}

// detokenize(tokens, special) -> the bytes of the tokens' text
Napi::Value Model::Detokenize(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  return Guarded(env, [&]() -> Napi::Value {
    const std::vector<llama_token> tokens = ReadTokens(info[0], "tokens", vocab_size());
    const bool special = ReadBoolean(info[1], "special");
    const std::string text = TextOf(vocab(), tokens, special);
    return Napi::Buffer<char>::Copy(env, text.data(), text.size());
  });
}

// specialTokens() -> [{ token, text, stripsLeft, stripsRight }]: the tokens that stand for no text,
// and whether they remove white space next to them
Napi::Value Model::SpecialTokens(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  return Guarded(env, [&]() -> Napi::Value {
    constexpr int kSpecial = LLAMA_TOKEN_ATTR_CONTROL | LLAMA_TOKEN_ATTR_UNKNOWN;
    Napi::Array result = Napi::Array::New(env);
    for (llama_token token = 0; token < vocab_size(); ++token) {
      const int attributes = Engine().llama_vocab_get_attr(vocab(), token);
      if ((attributes & kSpecial) == 0) continue;
      const Napi::HandleScope scope(env);
      Napi::Object object = Napi::Object::New(env);
      object["token"] = token;
      object["text"] = Engine().llama_vocab_get_text(vocab(), token);
      object["stripsLeft"] = (attributes & LLAMA_TOKEN_ATTR_LSTRIP) != 0;
      object["stripsRight"] = (attributes & LLAMA_TOKEN_ATTR_RSTRIP) != 0;
      result[result.Length()] = object;
    }
    return result;
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

// firstTokenDifference(other) -> the lowest id at which the two vocabularies differ: in the token's
// text, in whether it ends a text, or because only one vocabulary has and uses it; null if there is
// none
Napi::Value Model::FirstTokenDifference(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  return Guarded(env, [&]() -> Napi::Value {
    const EngineApi& engine = Engine();
    const llama_vocab* mine = vocab();
    const llama_vocab* theirs = Model::Read(info[0], "other").vocab();
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
    // Models of one family have different amounts of padding at the ends of their vocabularies.
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

// Releases the model, which is freed once no context uses it.
Napi::Value Model::Close(const Napi::CallbackInfo& info) {
  model_.reset();
  return info.Env().Undefined();
}

}  // namespace llama_ets
