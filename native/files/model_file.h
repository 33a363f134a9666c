// Checks a GGUF file before the engine loads it: what would abort the process inside llama.cpp, or
// fail there without saying why, becomes an error with a code here.
#pragma once

#include <memory>
#include <string>
#include <unordered_map>

#include "files/gguf_header.h"

namespace llama_ets {

struct CheckedModel {
  std::unique_ptr<const GgufHeader> header;  // of the file, or of the first part
  bool is_split = false;
  std::unordered_map<std::string, TensorInfo> tensors;  // of all parts
};

// Throws EngineError: ERR_NOT_GGUF (no readable GGUF header), ERR_MODEL_NOT_FOUND (a part of a
// split model is missing), ERR_MODEL_TRUNCATED (a tensor's data lies beyond the end of the file),
// ERR_UNSUPPORTED_MODEL (another kind of file; sizes, tokens, tensor types or an alignment that the
// engine would abort on, at load or when the model is used).
CheckedModel CheckModelFile(const std::string& path);

}  // namespace llama_ets
