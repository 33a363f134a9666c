// The metadata of a GGUF file and the types and shapes of its tensors. The engine's own reader must
// have accepted the file before. We read the header again because the functions that we resolve
// from the engine do not give arrays, tensor types and shapes.
#pragma once

#include <ggml.h>
#include <gguf.h>

#include <array>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace llama_ets {

struct TensorInfo {
  uint32_t type;                  // a ggml_type, or an unknown number
  std::array<uint64_t, 4> shape;  // missing dimensions are 1
};

class GgufHeader {
 public:
  // `size` is the offset of the tensors' data, in bytes. Throws EngineError ERR_NOT_GGUF if the
  // file changed after the engine has read it.
  GgufHeader(const std::filesystem::path& path, uint64_t size);
  GgufHeader(const GgufHeader&) = delete;
  GgufHeader& operator=(const GgufHeader&) = delete;

  bool Has(const std::string& key) const { return values_.count(key) > 0; }
  // The Find methods return nothing if the value has another type. llama.cpp refuses such a file
  // without aborting.
  std::optional<uint16_t> FindU16(const std::string& key) const;
  std::optional<uint32_t> FindU32(const std::string& key) const;
  // A signed or unsigned 32-bit number.
  std::optional<int64_t> FindInteger(const std::string& key) const;
  std::optional<float> FindF32(const std::string& key) const;
  std::optional<std::string> FindString(const std::string& key) const;
  // One number for all layers, or an array with one number per layer.
  std::vector<uint32_t> FindU32s(const std::string& key) const;
  // The elements of an array of 32-bit integers or booleans.
  std::vector<int64_t> FindIntegers(const std::string& key) const;
  // The keys that begin with the architecture's name and a dot.
  std::vector<std::string> KeysOf(const std::string& architecture) const;
  std::vector<std::string_view> FindStrings(const std::string& key) const;
  const std::unordered_map<std::string_view, TensorInfo>& tensors() const { return tensors_; }

  // The header's bytes with the architecture's name replaced by another name of the same length: in
  // the value of `general.architecture` and at the beginning of the architecture's keys.
  std::string BytesWithArchitecture(const std::string& name) const;

 private:
  struct Value {
    uint32_t type;                          // a gguf_type, or an unknown number
    uint32_t element;                       // the type of an array's elements; else equals `type`
    std::string_view bytes;                 // numbers, as the file stores them
    std::vector<std::string_view> strings;  // the string, or the elements of an array of strings
  };

  std::string_view Skip(uint64_t size);
  template <typename T>
  T Take();
  std::string_view TakeString();
  void TakeValue();
  template <typename T>
  std::optional<T> FindScalar(const std::string& key, uint32_t type) const;

  std::string bytes_;
  uint64_t at_ = 0;
  std::unordered_map<std::string_view, Value> values_;
  std::unordered_map<std::string_view, TensorInfo> tensors_;
};

}  // namespace llama_ets
