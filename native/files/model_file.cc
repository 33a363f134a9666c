#include "files/model_file.h"

#include <algorithm>
#include <array>
#include <cstdint>
#include <filesystem>
#include <initializer_list>
#include <optional>
#include <string_view>
#include <unordered_set>
#include <vector>

#include "files/engine.h"
#include "files/engine_error.h"

namespace llama_ets {
namespace {

namespace fs = std::filesystem;

// llama.cpp's fixed array sizes (src/llama-hparams.h); it asserts on more.
constexpr uint32_t kMaxLayers = 512;
constexpr uint32_t kMaxExperts = 1024;
// ggml maps tensors in place and asserts this alignment.
constexpr uint64_t kTensorAlignment = 32;

[[noreturn]] void Refuse(const std::string& message) {
  throw EngineError("ERR_UNSUPPORTED_MODEL", message);
}

struct FreeGguf {
  void operator()(gguf_context* file) const { Engine().gguf_free(file); }
};
using GgufFile = std::unique_ptr<gguf_context, FreeGguf>;

// Only the first part of a split model says what the model is, and finds the others.
void CheckPart(const GgufHeader& header) {
  const uint32_t part = header.FindU16("split.no").value_or(0);
  if (part == 0) return;
  Refuse("It is part " + std::to_string(part + 1) + " of " +
         std::to_string(header.FindU16("split.count").value_or(0)) + " of a split model");
}

void CheckRange(const GgufHeader& header, const std::string& key, uint32_t min, uint32_t max) {
  const std::optional<uint32_t> value = header.FindU32(key);
  if (!value || (*value >= min && *value <= max)) return;
  Refuse("Expected the model's `" + key + "` to be from " + std::to_string(min) + " to " +
         std::to_string(max) + ", got " + std::to_string(*value));
}

void CheckLayers(const GgufHeader& header, const std::string& architecture) {
  CheckRange(header, architecture + ".block_count", 1, kMaxLayers);
  CheckRange(header, architecture + ".context_length", 1, INT32_MAX);
  const uint32_t layers = header.FindU32(architecture + ".block_count").value_or(kMaxLayers);
  CheckRange(header, architecture + ".nextn_predict_layers", 0, layers);
  for (const char* name : {"layer_norm_epsilon", "layer_norm_rms_epsilon", "group_norm_epsilon"}) {
    const std::string key = architecture + ".attention." + name;
    const float epsilon = header.FindF32(key).value_or(0);
    if (!(epsilon >= 0)) {
      Refuse("Expected the model's `" + key + "` to be at least 0, got " + std::to_string(epsilon));
    }
  }
}

void CheckExperts(const GgufHeader& header, const std::string& architecture) {
  CheckRange(header, architecture + ".expert_count", 0, kMaxExperts);
  const uint32_t experts = header.FindU32(architecture + ".expert_count").value_or(0);
  // Dense Hunyuan models say that they have one expert, and llama.cpp takes it for none.
  const bool is_dense = architecture == "hunyuan-dense" || architecture == "hunyuan_vl";
  if (is_dense && experts <= 1) return;

  const std::string used_key = architecture + ".expert_used_count";
  const std::vector<uint32_t> per_layer = header.FindU32s(used_key);
  const uint32_t used =
      per_layer.empty() ? 0 : *std::max_element(per_layer.begin(), per_layer.end());
  if (used > experts || (used == 0 && experts > 0)) {
    Refuse("Expected the model's `" + used_key + "` to be from " + (experts > 0 ? "1" : "0") +
           " to " + std::to_string(experts) + ", its number of experts, got " +
           (per_layer.empty() ? "none" : std::to_string(used)));
  }
  const std::string groups_key = architecture + ".expert_group_count";
  const uint32_t groups = header.FindU32(groups_key).value_or(0);
  CheckRange(header, groups_key, 0, experts > 0 ? experts - 1 : 0);
  if (groups <= 1) return;
  if (experts % groups != 0) {
    Refuse("Expected the model's `" + groups_key + "` to divide its " + std::to_string(experts) +
           " experts, got " + std::to_string(groups));
  }
  const std::string used_groups_key = architecture + ".expert_group_used_count";
  if (!header.Has(used_groups_key)) Refuse("Expected the model to have `" + used_groups_key + "`");
  CheckRange(header, used_groups_key, 1, groups - 1);
}

// Architectures whose graph asserts that all of a head's dimensions are rotated, and whose loading
// doesn't check it.
constexpr std::array<std::string_view, 51> kRotatesWholeHeads = {
    "apertus",    "arcee",      "arctic",        "baichuan",    "codeshell",    "cohere2moe",
    "dbrx",       "deepseek",   "dots1",         "dream",       "ernie4_5",     "ernie4_5-moe",
    "exaone",     "exaone-moe", "exaone4",       "granite",     "granite_swa",  "granitemoe",
    "grok",       "grovemoe",   "hunyuan-dense", "hunyuan-moe", "internlm2",    "jais2",
    "llada",      "llada-moe",  "llama4",        "maincoder",   "mellum",       "minicpm",
    "mistral3",   "olmo",       "olmo2",         "olmoe",       "orion",        "pangu-embedded",
    "plamo",      "qwen2",      "qwen2moe",      "qwen2vl",     "qwen3",        "qwen3moe",
    "qwen3vl",    "qwen3vlmoe", "rnd1",          "seed_oss",    "smallthinker", "smollm3",
    "starcoder2", "talkie",     "xverse"};

void CheckRotation(const GgufHeader& header, const std::string& architecture) {
  const std::string scaling_key = architecture + ".rope.scaling.type";
  const std::string scaling = header.FindString(scaling_key).value_or("none");
  if (scaling != "none" && scaling != "linear" && scaling != "yarn" && scaling != "longrope") {
    Refuse("Expected the model's `" + scaling_key +
           "` to be none, linear, yarn or longrope, got `" + scaling + "`");
  }
  const std::string key = architecture + ".rope.dimension_count";
  const std::optional<uint32_t> rotated = header.FindU32(key);
  const std::vector<uint32_t> heads = header.FindU32s(architecture + ".attention.head_count");
  if (!rotated || heads.empty() || heads.front() == 0) return;
  const uint32_t embedding = header.FindU32(architecture + ".embedding_length").value_or(0);
  const uint32_t head_size =
      header.FindU32(architecture + ".attention.key_length").value_or(embedding / heads.front());
  const bool whole = std::find(kRotatesWholeHeads.begin(), kRotatesWholeHeads.end(),
                               architecture) != kRotatesWholeHeads.end();
  if (whole ? *rotated == head_size : *rotated % 2 == 0 && *rotated <= head_size) return;
  Refuse("Expected the model's `" + key + "` to be " + (whole ? "" : "even and at most ") +
         std::to_string(head_size) + ", the size of its attention heads, got " +
         std::to_string(*rotated));
}

bool IsOneOf(std::string_view architecture, std::initializer_list<std::string_view> names) {
  return std::find(names.begin(), names.end(), architecture) != names.end();
}

// Sizes of recurrent layers, which graphs assert or divide by.
void CheckRecurrentLayers(const GgufHeader& header, const std::string& architecture) {
  const auto number = [&](const char* name) {
    return header.FindU32(architecture + "." + name).value_or(0);
  };
  const auto require = [&](bool holds, const char* name, const std::string& expected) {
    if (holds) return;
    Refuse("Expected the model's `" + architecture + "." + name + "` to " + expected + ", got " +
           std::to_string(number(name)));
  };
  const uint64_t inner = number("ssm.inner_size");
  const uint64_t heads = number("ssm.time_step_rank");
  const uint64_t groups = number("ssm.group_count");
  if (IsOneOf(architecture, {"jamba", "granitehybrid"})) {
    const uint64_t twice = 2 * static_cast<uint64_t>(number("embedding_length"));
    require(inner == twice, "ssm.inner_size", "be " + std::to_string(twice));
  }
  const std::string divides = "divide its inner size of " + std::to_string(inner);
  if (IsOneOf(architecture, {"mamba2", "granitehybrid", "nemotron_h", "falcon-h1"})) {
    require(heads > 0 && inner % heads == 0, "ssm.time_step_rank", divides);
    require(groups > 0 && inner % groups == 0, "ssm.group_count", divides);
  }
  if (IsOneOf(architecture, {"qwen35", "qwen35moe", "qwen3next"})) {
    const bool holds = heads > 0 && inner == heads * number("ssm.state_size");
    require(holds, "ssm.time_step_rank", "be its inner size over its state size");
    require(groups > 0 && heads % groups == 0, "ssm.group_count",
            "divide its " + std::to_string(heads) + " heads");
  }
  if (IsOneOf(architecture, {"lfm2", "lfm2moe"})) {
    require(number("shortconv.l_cache") > 1, "shortconv.l_cache", "be at least 2");
  }
}

// The last layers of Gemma 4 may read the keys and values of the last but one layer before them
// where they see a window, else of the last: it has to be of their kind.
void CheckSharedLayers(const GgufHeader& header, const std::string& architecture) {
  const uint32_t shared = header.FindU32(architecture + ".attention.shared_kv_layers").value_or(0);
  if (architecture != "gemma4" || shared == 0) return;
  const uint32_t layers = header.FindU32(architecture + ".block_count").value_or(0);
  const std::vector<int64_t> windows =
      header.FindIntegers(architecture + ".attention.sliding_window_pattern");
  const bool has_own = layers >= shared && layers - shared >= 2 && windows.size() >= layers;
  const auto reads_its_kind = [&](uint32_t layer) {
    const bool is_window = windows[layer] != 0;
    return is_window == (windows[layers - shared - (is_window ? 2 : 1)] != 0);
  };
  bool holds = has_own;
  for (uint32_t i = layers - shared; holds && i < layers; ++i) holds = reads_its_kind(i);
  if (!holds) {
    Refuse("The last " + std::to_string(shared) + " of the model's " + std::to_string(layers) +
           " layers share keys and values with layers that have none of their kind");
  }
}

void CheckVocabulary(const GgufHeader& header) {
  const std::string tokenizer = header.FindString("tokenizer.ggml.model").value_or("");
  if (tokenizer == "none" || tokenizer == "no_vocab") Refuse("The model has no vocabulary");
  std::unordered_set<std::string> seen;
  uint32_t id = 0;
  for (const std::string_view token : header.FindStrings("tokenizer.ggml.tokens")) {
    // llama.cpp names empty tokens so.
    const std::string text =
        token.empty() ? "[EMPTY_" + std::to_string(id) + "]" : std::string(token);
    if (!seen.insert(text).second) {
      Refuse("Expected the vocabulary's tokens to differ; `" + text +
             "` is there twice, again as " + std::to_string(id));
    }
    ++id;
  }
}

bool EndsWith(std::string_view text, std::string_view end) {
  return text.size() >= end.size() && text.substr(text.size() - end.size()) == end;
}

// llama.cpp loads weights of any type and aborts, or worse, when it computes with them.
void CheckTensorTypes(const GgufHeader& header) {
  for (const auto& [name, type] : header.tensor_types()) {
    const bool is_small = EndsWith(name, "norm.weight") || EndsWith(name, ".bias") ||
                          EndsWith(name, "rope_freqs.weight");
    const bool is_index = type == GGML_TYPE_I32 && name.find("tid2eid") != std::string_view::npos;
    const bool is_unusable = type == GGML_TYPE_I8 || type == GGML_TYPE_I16 ||
                             type == GGML_TYPE_I32 || type == GGML_TYPE_I64 ||
                             type == GGML_TYPE_F64 || type == GGML_TYPE_Q8_1 ||
                             type == GGML_TYPE_Q8_K;
    if (is_small ? type == GGML_TYPE_F32 : is_index || !is_unusable) continue;
    Refuse("Expected tensor `" + std::string(name) + "` to be of type " +
           (is_small ? "f32" : "f32, f16, bf16 or a quantized one") + ", got type number " +
           std::to_string(type));
  }
}

void CheckTensorsInFile(const GgufFile& file, uint64_t file_size) {
  const EngineApi& engine = Engine();
  const uint64_t data = engine.gguf_get_data_offset(file.get());
  for (int64_t i = 0; i < engine.gguf_get_n_tensors(file.get()); ++i) {
    const uint64_t offset = engine.gguf_get_tensor_offset(file.get(), i);
    const uint64_t size = engine.gguf_get_tensor_size(file.get(), i);
    const std::string name = engine.gguf_get_tensor_name(file.get(), i);
    // Written so that no sum can overflow.
    const bool inside =
        data <= file_size && offset <= file_size - data && size <= file_size - data - offset;
    if (!inside) {
      throw EngineError("ERR_MODEL_TRUNCATED", "The file ends inside tensor `" + name +
                                                   "`: it has " + std::to_string(file_size) +
                                                   " bytes");
    }
    if ((data + offset) % kTensorAlignment != 0) {
      Refuse("Expected the file's tensors to be aligned to 32 bytes; `" + name +
             "` begins at byte " + std::to_string(data + offset));
    }
  }
}

}  // namespace

std::unique_ptr<const GgufHeader> CheckModelFile(const std::string& path) {
  const EngineApi& engine = Engine();
  const fs::path file_path = fs::u8path(path);
  LogCapture log;
  const GgufFile file(
      engine.gguf_init_from_file(path.c_str(), gguf_init_params{/*no_alloc=*/true, nullptr}));
  if (!file) throw EngineError("ERR_NOT_GGUF", log.Reason("the header could not be read"));

  auto checked =
      std::make_unique<const GgufHeader>(file_path, engine.gguf_get_data_offset(file.get()));
  const GgufHeader& header = *checked;
  CheckPart(header);
  const std::optional<std::string> architecture = header.FindString("general.architecture");
  if (!architecture) {
    Refuse("The GGUF file names no `general.architecture`; it is not a language model");
  }
  CheckLayers(header, *architecture);
  CheckExperts(header, *architecture);
  CheckRotation(header, *architecture);
  CheckRecurrentLayers(header, *architecture);
  CheckSharedLayers(header, *architecture);
  CheckVocabulary(header);
  CheckTensorTypes(header);
  CheckTensorsInFile(file, fs::file_size(file_path));
  return checked;
}

}  // namespace llama_ets
