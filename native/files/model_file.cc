#include "files/model_file.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>
#include <initializer_list>
#include <optional>
#include <string_view>
#include <unordered_set>
#include <vector>

#include "files/engine_error.h"
#include "files/gguf_file.h"
#include "files/split_model.h"

namespace llama_ets {
namespace {

// The sizes of llama.cpp's fixed arrays (src/llama-hparams.h). It aborts on larger numbers.
constexpr uint32_t kMaxLayers = 512;
constexpr uint32_t kMaxExperts = 1024;

[[noreturn]] void Refuse(const std::string& message) {
  throw EngineError("ERR_UNSUPPORTED_MODEL", message);
}

bool IsOneOf(std::string_view architecture, std::initializer_list<std::string_view> names) {
  return std::find(names.begin(), names.end(), architecture) != names.end();
}

// Refuses GGUF files that are often stored next to models but are not language models.
void CheckKind(const GgufHeader& header) {
  const std::string type = header.FindString("general.type").value_or("model");
  const std::string architecture = header.FindString("general.architecture").value_or("");
  if (type == "adapter" || header.Has("adapter.type")) {
    Refuse("It is a LoRA adapter of a model whose architecture is " + architecture);
  }
  if (type == "imatrix" || header.Has("imatrix.datasets")) {
    Refuse("It is an importance matrix, by which models are quantized");
  }
  if (type == "mmproj" || architecture == "clip") {
    Refuse("It is a projector of images or sounds (mmproj), without a language model");
  }
  if (architecture == "controlvector") Refuse("It is a control vector, without a model");
  if (IsOneOf(architecture, {"eagle3", "dflash", "gemma4-assistant"})) {
    Refuse("It is a draft of another model's next tokens (" + architecture +
           "), which only that model can use");
  }
}

// Refuses all parts of a split model but the first: only the first describes the model.
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
  // The files of dense Hunyuan models have one expert, and llama.cpp treats this as no experts.
  if (architecture == "smallthinker" && experts == 0) {
    Refuse("Expected the model's `smallthinker.expert_count` to be at least 1, got none");
  }
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

// Architectures whose graph asserts that all dimensions of a head are rotated, although llama.cpp
// does not check this at load.
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

// Checks sizes of recurrent layers that llama.cpp's graphs assert or divide by.
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

// The last `shared_kv_layers` layers of Gemma 4 share the keys and values of a layer before them: a
// sliding-window layer those of the second to last layer before them, any other layer those of the
// last. The layer that owns the keys and values must be of the same kind.
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

// The largest number of steps that llama.cpp may take for the suffixes of all tokens of a plamo2
// vocabulary. Real vocabularies take a hundredth of it.
constexpr double kMostSuffixSteps = 1e10;
// When llama.cpp frees its tries, it recurses once for each byte of a token.
constexpr size_t kMostTokenBytes = 4096;

void CheckVocabulary(const GgufHeader& header) {
  const std::string tokenizer = header.FindString("tokenizer.ggml.model").value_or("");
  if (tokenizer == "none" || tokenizer == "no_vocab") Refuse("The model has no vocabulary");
  std::unordered_set<std::string> seen;
  double suffix_steps = 0;
  uint32_t id = 0;
  for (const std::string_view whole : header.FindStrings("tokenizer.ggml.tokens")) {
    // llama.cpp reads a token up to the first NUL, and replaces an empty token by this name.
    const std::string_view token = whole.substr(0, whole.find('\0'));
    const std::string text =
        token.empty() ? "[EMPTY_" + std::to_string(id) + "]" : std::string(token);
    if (!seen.insert(text).second) {
      Refuse("Expected the vocabulary's tokens to differ; `" + text +
             "` is there twice, again as " + std::to_string(id));
    }
    if (token.size() > kMostTokenBytes) {
      Refuse("Expected the vocabulary's tokens to have at most " + std::to_string(kMostTokenBytes) +
             " bytes; " + std::to_string(id) + " has " + std::to_string(token.size()));
    }
    suffix_steps += std::pow(static_cast<double>(token.size()), 3);
    ++id;
  }
  if (tokenizer == "plamo2" && suffix_steps > kMostSuffixSteps) {
    Refuse("Expected a plamo2 vocabulary of shorter tokens: to load these would take hours");
  }
}

}  // namespace

CheckedModel CheckModelFile(const std::string& path) {
  GgufFile file(path);
  const GgufHeader& header = file.header();
  CheckKind(header);
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
  file.CheckTensors();
  CheckedModel checked;
  const auto add = [&](const GgufHeader& part) {
    for (const auto& [name, tensor] : part.tensors()) checked.tensors.emplace(name, tensor);
  };
  add(header);
  const std::vector<GgufFile> others = OpenOtherParts(path, file);
  for (const GgufFile& other : others) add(other.header());
  checked.is_split = !others.empty();
  if (checked.tensors.empty()) {
    Refuse("It has a vocabulary and no weights: tensor 'token_embd.weight' not found");
  }
  checked.header = file.TakeHeader();
  return checked;
}

}  // namespace llama_ets
