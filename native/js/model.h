// Model, as JavaScript sees it: a loaded GGUF model's vocabulary and metadata.
#pragma once

#include <napi.h>

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "decode/decoder.h"

namespace llama_ets {

// What a model's file calls its architecture, and what it was loaded as.
struct RenamedArchitecture {
  std::string own, loaded;
};

struct LoadedModel {
  SharedModel model;
  std::optional<RenamedArchitecture> renamed;
  std::vector<std::string> labels;  // of a classification head's classes; none without a head
  bool is_split = false;            // lies in several files
  bool has_weights = true;          // false: it was read to be looked at, and computes nothing
  std::vector<Adapter> adapters;    // which every context of it has
  // The architecture's numbers that differ by layer, which the engine's metadata lacks, by their
  // keys: "[0, 2, 0]".
  std::map<std::string, std::string> layer_numbers;
};

class Model : public Napi::ObjectWrap<Model> {
 public:
  static Napi::Function Define(Napi::Env env);
  explicit Model(const Napi::CallbackInfo& info);
  // The Model that the argument `name` is. Throws EngineError ERR_INVALID_ARGUMENT.
  static const Model& Read(Napi::Value value, const std::string& name);

  // Throws EngineError ERR_DISPOSED after close().
  const SharedModel& shared() const;
  // As `shared`, for what computes. Throws EngineError ERR_INVALID_STATE without weights.
  const SharedModel& with_weights() const;
  // Whether it fills in masks, instead of extending a text.
  bool is_diffusion() const;
  // The names of its classification head's classes; none without a head.
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
