#include "files/gguf_header.h"

#include <cstring>
#include <fstream>
#include <utility>

#include "files/engine_error.h"

namespace llama_ets {
namespace {

constexpr char kArchitecture[] = "general.architecture";

uint64_t SizeOf(uint32_t type) {
  switch (type) {
    case GGUF_TYPE_UINT8:
    case GGUF_TYPE_INT8:
    case GGUF_TYPE_BOOL:
      return 1;
    case GGUF_TYPE_UINT16:
    case GGUF_TYPE_INT16:
      return 2;
    case GGUF_TYPE_UINT64:
    case GGUF_TYPE_INT64:
    case GGUF_TYPE_FLOAT64:
      return 8;
    default:
      return 4;
  }
}

}  // namespace

GgufHeader::GgufHeader(const std::filesystem::path& path, uint64_t size) : bytes_(size, '\0') {
  std::ifstream(path, std::ios::binary)
      .read(bytes_.data(), static_cast<std::streamsize>(bytes_.size()));
  Skip(8);  // magic and version
  const uint64_t tensors = Take<uint64_t>();
  const uint64_t values = Take<uint64_t>();
  for (uint64_t i = 0; i < values; ++i) TakeValue();
  for (uint64_t i = 0; i < tensors; ++i) {
    const std::string_view name = TakeString();
    TensorInfo tensor = {GGML_TYPE_F32, {1, 1, 1, 1}};
    const uint32_t dimensions = Take<uint32_t>();
    for (uint32_t k = 0; k < dimensions; ++k) {
      const uint64_t size = Take<uint64_t>();
      if (k < tensor.shape.size()) tensor.shape[k] = size;
    }
    tensor.type = Take<uint32_t>();
    tensors_.emplace(name, tensor);
    Skip(sizeof(uint64_t));  // the offset
  }
}

std::optional<uint16_t> GgufHeader::FindU16(const std::string& key) const {
  return FindScalar<uint16_t>(key, GGUF_TYPE_UINT16);
}

std::optional<uint32_t> GgufHeader::FindU32(const std::string& key) const {
  return FindScalar<uint32_t>(key, GGUF_TYPE_UINT32);
}

std::optional<int64_t> GgufHeader::FindInteger(const std::string& key) const {
  if (const auto number = FindScalar<int32_t>(key, GGUF_TYPE_INT32)) return *number;
  if (const auto number = FindU32(key)) return *number;
  return std::nullopt;
}

std::optional<float> GgufHeader::FindF32(const std::string& key) const {
  return FindScalar<float>(key, GGUF_TYPE_FLOAT32);
}

std::optional<std::string> GgufHeader::FindString(const std::string& key) const {
  const auto found = values_.find(key);
  if (found == values_.end() || found->second.type != GGUF_TYPE_STRING) return std::nullopt;
  return std::string(found->second.strings.front());
}

std::vector<uint32_t> GgufHeader::FindU32s(const std::string& key) const {
  if (const auto scalar = FindU32(key)) return {*scalar};
  const auto found = values_.find(key);
  if (found == values_.end() || found->second.type != GGUF_TYPE_ARRAY) return {};
  const Value& array = found->second;
  if (array.element != GGUF_TYPE_UINT32 && array.element != GGUF_TYPE_INT32) return {};
  std::vector<uint32_t> numbers(array.bytes.size() / sizeof(uint32_t));
  if (!numbers.empty()) std::memcpy(numbers.data(), array.bytes.data(), array.bytes.size());
  return numbers;
}

std::vector<int64_t> GgufHeader::FindIntegers(const std::string& key) const {
  const auto found = values_.find(key);
  if (found == values_.end() || found->second.type != GGUF_TYPE_ARRAY) return {};
  const uint32_t element = found->second.element;
  std::vector<int64_t> numbers;
  if (element == GGUF_TYPE_BOOL) {
    for (const char byte : found->second.bytes) numbers.push_back(byte != 0 ? 1 : 0);
  } else if (element == GGUF_TYPE_INT32) {
    for (const uint32_t number : FindU32s(key)) numbers.push_back(static_cast<int32_t>(number));
  } else if (element == GGUF_TYPE_UINT32) {
    for (const uint32_t number : FindU32s(key)) numbers.push_back(number);
  }
  return numbers;
}

std::vector<std::string> GgufHeader::KeysOf(const std::string& architecture) const {
  const std::string prefix = architecture + ".";
  std::vector<std::string> keys;
  for (const auto& [key, value] : values_) {
    if (key.substr(0, prefix.size()) == prefix) keys.emplace_back(key);
  }
  return keys;
}

std::vector<std::string_view> GgufHeader::FindStrings(const std::string& key) const {
  const auto found = values_.find(key);
  if (found == values_.end() || found->second.type != GGUF_TYPE_ARRAY) return {};
  return found->second.strings;
}

std::string GgufHeader::BytesWithArchitecture(const std::string& name) const {
  std::string bytes = bytes_;
  const auto write = [&](std::string_view place) {
    bytes.replace(static_cast<size_t>(place.data() - bytes_.data()), name.size(), name);
  };
  const std::string_view old = values_.at(kArchitecture).strings.front();
  const std::string prefix = std::string(old) + ".";
  write(old);
  for (const auto& [key, value] : values_) {
    if (key.substr(0, prefix.size()) == prefix) write(key);
  }
  return bytes;
}

std::string_view GgufHeader::Skip(uint64_t size) {
  if (size > bytes_.size() - at_) {
    throw EngineError("ERR_NOT_GGUF", "the file changed while it was read");
  }
  at_ += size;
  return std::string_view(bytes_).substr(at_ - size, size);
}

template <typename T>
T GgufHeader::Take() {
  T value;
  std::memcpy(&value, Skip(sizeof value).data(), sizeof value);
  return value;
}

std::string_view GgufHeader::TakeString() {
  return Skip(Take<uint64_t>());
}

void GgufHeader::TakeValue() {
  const std::string_view key = TakeString();
  Value value;
  value.type = value.element = Take<uint32_t>();
  uint64_t count = 1;
  if (value.type == GGUF_TYPE_ARRAY) {
    value.element = Take<uint32_t>();
    count = Take<uint64_t>();
  }
  if (value.element == GGUF_TYPE_STRING) {
    for (uint64_t i = 0; i < count; ++i) value.strings.push_back(TakeString());
  } else {
    // If there are more elements than bytes, the product could overflow; Skip(count) throws then.
    value.bytes = Skip(count > bytes_.size() ? count : count * SizeOf(value.element));
  }
  values_.emplace(key, std::move(value));
}

template <typename T>
std::optional<T> GgufHeader::FindScalar(const std::string& key, uint32_t type) const {
  const auto found = values_.find(key);
  if (found == values_.end() || found->second.type != type) return std::nullopt;
  T value;
  std::memcpy(&value, found->second.bytes.data(), sizeof value);
  return value;
}

}  // namespace llama_ets
