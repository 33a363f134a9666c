// The metadata of a GGUF file and its tensors' types, of a file that the engine's reader has found
// well-formed: read again because arrays, types and offsets are not among the functions resolved
// from it.
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
  uint32_t type;                  // a ggml_type, or a number that is none
  std::array<uint64_t, 4> shape;  // 1 where there are fewer
};

class GgufHeader {
 public:
  // `size` is the offset of the tensors' data. Throws EngineError ERR_NOT_GGUF.
  GgufHeader(const std::filesystem::path& path, uint64_t size);
  GgufHeader(const GgufHeader&) = delete;
  GgufHeader& operator=(const GgufHeader&) = delete;

  bool Has(const std::string& key) const { return values_.count(key) > 0; }
  // A key of another type is absent: llama.cpp refuses it by itself, without aborting.
  std::optional<uint16_t> FindU16(const std::string& key) const;
  std::optional<uint32_t> FindU32(const std::string& key) const;
  // A number of 32 bits, signed or not.
  std::optional<int64_t> FindInteger(const std::string& key) const;
  std::optional<float> FindF32(const std::string& key) const;
  std::optional<std::string> FindString(const std::string& key) const;
  // A number for all layers, or one for each.
  std::vector<uint32_t> FindU32s(const std::string& key) const;
  // The elements of an array of 32-bit integers or booleans.
  std::vector<int64_t> FindIntegers(const std::string& key) const;
  // The keys that begin with the architecture's name.
  std::vector<std::string> KeysOf(const std::string& architecture) const;
  std::vector<std::string_view> FindStrings(const std::string& key) const;
  const std::unordered_map<std::string_view, TensorInfo>& tensors() const { return tensors_; }

  // The header's bytes, with an architecture of another name of the same length: as the value of
  // `general.architecture`, and at the beginning of the keys that begin with its name.
  std::string BytesWithArchitecture(const std::string& name) const;

 private:
  struct Value {
    uint32_t type;                          // a gguf_type, or a number that is none
    uint32_t element;                       // of an array; of a scalar, its type
    std::string_view bytes;                 // numbers, as they lie in the file
    std::vector<std::string_view> strings;  // for strings
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
