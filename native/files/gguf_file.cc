#include "files/gguf_file.h"

#include <filesystem>
#include <string_view>

#include "files/engine.h"
#include "files/engine_error.h"

namespace llama_ets {
namespace {

namespace fs = std::filesystem;

// ggml uses tensors where the file is mapped, and asserts this alignment, in bytes.
constexpr uint64_t kTensorAlignment = 32;

[[noreturn]] void Refuse(const std::string& message) {
  throw EngineError("ERR_UNSUPPORTED_MODEL", message);
}

bool EndsWith(std::string_view text, std::string_view end) {
  return text.size() >= end.size() && text.substr(text.size() - end.size()) == end;
}

}  // namespace

void GgufFile::Free::operator()(gguf_context* file) const {
  Engine().gguf_free(file);
}

GgufFile::GgufFile(const std::string& path) : size_(0) {
  LogCapture log;
  file_.reset(
      Engine().gguf_init_from_file(path.c_str(), gguf_init_params{/*no_alloc=*/true, nullptr}));
  if (!file_) throw EngineError("ERR_NOT_GGUF", log.Reason("the header could not be read"));
  const fs::path file_path = fs::u8path(path);
  size_ = fs::file_size(file_path);
  header_ =
      std::make_unique<const GgufHeader>(file_path, Engine().gguf_get_data_offset(file_.get()));
}

void GgufFile::CheckTensors() const {
  CheckTypes();
  CheckPlaces();
}

// llama.cpp loads weights of any type, but aborts or computes garbage with some of them.
void GgufFile::CheckTypes() const {
  for (const auto& [name, tensor] : header_->tensors()) {
    const uint32_t type = tensor.type;
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

void GgufFile::CheckPlaces() const {
  const EngineApi& engine = Engine();
  const uint64_t data = engine.gguf_get_data_offset(file_.get());
  for (int64_t i = 0; i < engine.gguf_get_n_tensors(file_.get()); ++i) {
    const uint64_t offset = engine.gguf_get_tensor_offset(file_.get(), i);
    const uint64_t size = engine.gguf_get_tensor_size(file_.get(), i);
    const std::string name = engine.gguf_get_tensor_name(file_.get(), i);
    // Written so that no sum can overflow.
    const bool inside = data <= size_ && offset <= size_ - data && size <= size_ - data - offset;
    if (!inside) {
      throw EngineError("ERR_MODEL_TRUNCATED", "The file ends inside tensor `" + name +
                                                   "`: it has " + std::to_string(size_) + " bytes");
    }
    if ((data + offset) % kTensorAlignment != 0) {
      Refuse("Expected the file's tensors to be aligned to 32 bytes; `" + name +
             "` begins at byte " + std::to_string(data + offset));
    }
  }
}

}  // namespace llama_ets
