// Checks a GGUF file before the engine loads it. A file that would abort the process inside
// llama.cpp, or fail there without a reason, gives an error with a code here.
#pragma once

#include <memory>
#include <string>
#include <unordered_map>

#include "files/gguf_header.h"

namespace llama_ets {

struct CheckedModel {
  std::unique_ptr<const GgufHeader> header;  // of the file, or of the first part of a split model
  bool is_split = false;
  std::unordered_map<std::string, TensorInfo> tensors;  // of all parts
};

// Throws EngineError: ERR_NOT_GGUF (no readable GGUF header), ERR_MODEL_NOT_FOUND (a part of a
// split model is missing), ERR_MODEL_TRUNCATED (a tensor's data lies beyond the end of the file),
// ERR_UNSUPPORTED_MODEL (not a language model; or sizes, tokens, tensor types or an alignment on
// which the engine would abort, at load or when the model is used).
CheckedModel CheckModelFile(const std::string& path);

}  // namespace llama_ets
