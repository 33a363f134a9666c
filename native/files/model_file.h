// Checks a GGUF file before the engine loads it: what would abort the process inside llama.cpp, or
// fail there without saying why, becomes an error with a code here.
#pragma once

#include <memory>
#include <string>

#include "files/gguf_header.h"

namespace llama_ets {

// Returns the file's header. Throws EngineError: ERR_NOT_GGUF (no readable GGUF header),
// ERR_MODEL_TRUNCATED (a tensor's data lies beyond the end of the file), ERR_UNSUPPORTED_MODEL
// (sizes, tokens, tensor types or an alignment that the engine would abort on, at load or when the
// model is used).
std::unique_ptr<const GgufHeader> CheckModelFile(const std::string& path);

}  // namespace llama_ets
