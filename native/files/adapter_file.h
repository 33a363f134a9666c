// Checks a LoRA adapter before the engine loads it, as model_file.h does a model.
#pragma once

#include <string>

#include "files/model_file.h"

namespace llama_ets {

// Throws EngineError: ERR_NOT_GGUF, ERR_MODEL_TRUNCATED, and ERR_UNSUPPORTED_MODEL for what is no
// LoRA adapter, or one of another model.
void CheckAdapterFile(const std::string& path, const CheckedModel& model);

}  // namespace llama_ets
