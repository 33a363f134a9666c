// The JavaScript class Model: a loaded GGUF model with its vocabulary and metadata.
#pragma once

#include <napi.h>

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "decode/decoder.h"

namespace llama_ets {

// The name of a model's architecture in its file, and the name with which it was loaded.
struct RenamedArchitecture {
  std::string own, loaded;
};

struct LoadedModel {
  SharedModel model;
  std::optional<RenamedArchitecture> renamed;
  std::vector<std::string>
      labels;                     // names of a classification head's classes; empty without a head
  bool is_split = false;          // the model is stored in several files
  bool has_weights = true;        // false: it can be inspected but can't compute
  std::vector<Adapter> adapters;  // every context of the model applies them
  // The architecture's arrays with one number per layer, which the engine's metadata lacks, such as
  // "[0, 2, 0]"; by their keys.
  std::map<std::string, std::string> layer_numbers;
};

class Model : public Napi::ObjectWrap<Model> {
 public:
  static Napi::Function Define(Napi::Env env);
  explicit Model(const Napi::CallbackInfo& info);
  // The Model of a JavaScript value. Throws EngineError ERR_INVALID_ARGUMENT, with the argument's
  // `name`, if the value is not a Model.
  static const Model& Read(Napi::Value value, const std::string& name);

  // Throws EngineError ERR_DISPOSED after close().
  const SharedModel& shared() const;
  // Like `shared`, for callers that compute. Throws EngineError ERR_INVALID_STATE if the model was
  // loaded without weights.
  const SharedModel& with_weights() const;
  // Whether the model fills in masks instead of extending a text.
  bool is_diffusion() const;
  // The names of the classification head's classes; empty without a head.
  const std::vector<std::string>& labels() const { return labels_; }
  const std::vector<Adapter>& adapters() const { return adapters_; }

 private:
  Napi::Value Info(const Napi::CallbackInfo& info);
  Napi::Value Metadata(const Napi::CallbackInfo& info);
  Napi::Value Tokenize(const Napi::CallbackInfo& info);
  Napi::Value Detokenize(const Napi::CallbackInfo& info);
  Napi::Value SpecialTokens(const Napi::CallbackInfo& info);
  Napi::Value TokenText(const Napi::CallbackInfo& info);
  Napi::Value FirstTokenDifference(const Napi::CallbackInfo& info);
  Napi::Value IsEndToken(const Napi::CallbackInfo& info);
  Napi::Value Close(const Napi::CallbackInfo& info);
  const llama_vocab* vocab() const;
  int32_t vocab_size() const;

  SharedModel model_;
  std::optional<RenamedArchitecture> renamed_;
  bool is_split_;
  bool has_weights_;
  std::vector<Adapter> adapters_;
  std::vector<std::string> labels_;
  std::map<std::string, std::string> layer_numbers_;
};

}  // namespace llama_ets
