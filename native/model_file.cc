#include "model_file.h"

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>

#include "engine.h"
#include "engine_error.h"

namespace llama_ets {
namespace {

// llama.cpp's fixed array sizes (src/llama-hparams.h); it asserts on more.
constexpr uint32_t kMaxLayers = 512;
constexpr uint32_t kMaxExperts = 1024;

struct FreeGguf {
  void operator()(gguf_context* file) const { Engine().gguf_free(file); }
};
using GgufFile = std::unique_ptr<gguf_context, FreeGguf>;

std::optional<uint32_t> FindU32(const GgufFile& file, const std::string& key) {
  const int64_t id = Engine().gguf_find_key(file.get(), key.c_str());
  if (id < 0 || Engine().gguf_get_kv_type(file.get(), id) != GGUF_TYPE_UINT32) return std::nullopt;
  return Engine().gguf_get_val_u32(file.get(), id);
}

std::string FindArchitecture(const GgufFile& file) {
  const int64_t id = Engine().gguf_find_key(file.get(), "general.architecture");
  if (id < 0 || Engine().gguf_get_kv_type(file.get(), id) != GGUF_TYPE_STRING) {
    throw EngineError("ERR_UNSUPPORTED_MODEL",
                      "The GGUF file names no `general.architecture`; it is not a language model");
  }
  return Engine().gguf_get_val_str(file.get(), id);
}

void CheckRange(const GgufFile& file, const std::string& key, uint32_t min, uint32_t max) {
  const std::optional<uint32_t> value = FindU32(file, key);
  if (!value || (*value >= min && *value <= max)) return;
  throw EngineError("ERR_UNSUPPORTED_MODEL",
                    "Expected the model's `" + key + "` to be from " + std::to_string(min) +
                        " to " + std::to_string(max) + ", got " + std::to_string(*value));
}

void CheckTensorsInFile(const GgufFile& file, uint64_t file_size) {
  const EngineApi& engine = Engine();
  const uint64_t data = engine.gguf_get_data_offset(file.get());
  for (int64_t i = 0; i < engine.gguf_get_n_tensors(file.get()); ++i) {
    const uint64_t offset = engine.gguf_get_tensor_offset(file.get(), i);
    const uint64_t size = engine.gguf_get_tensor_size(file.get(), i);
    // Written so that no sum can overflow.
    const bool inside =
        data <= file_size && offset <= file_size - data && size <= file_size - data - offset;
    if (inside) continue;
    throw EngineError("ERR_MODEL_TRUNCATED", std::string("The file ends inside tensor `") +
                                                 engine.gguf_get_tensor_name(file.get(), i) +
                                                 "`: it has " + std::to_string(file_size) +
                                                 " bytes");
  }
}

}  // namespace

void CheckModelFile(const std::string& path) {
  LogCapture log;
  const GgufFile file(
      Engine().gguf_init_from_file(path.c_str(), gguf_init_params{/*no_alloc=*/true, nullptr}));
  if (!file) {
    throw EngineError("ERR_NOT_GGUF", log.Reason("the header could not be read"));
  }
  const std::string architecture = FindArchitecture(file);
  CheckRange(file, architecture + ".block_count", 1, kMaxLayers);
  CheckRange(file, architecture + ".expert_count", 0, kMaxExperts);
  const uint32_t experts = FindU32(file, architecture + ".expert_count").value_or(0);
  CheckRange(file, architecture + ".expert_used_count", experts > 0 ? 1 : 0, experts);
  CheckTensorsInFile(file, std::filesystem::file_size(std::filesystem::u8path(path)));
}

}  // namespace llama_ets
