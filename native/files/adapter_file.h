// Checks a LoRA adapter before the engine loads it, as model_file.h checks a model.
#pragma once

#include <string>

#include "files/model_file.h"

namespace llama_ets {

// Throws EngineError: ERR_NOT_GGUF, ERR_MODEL_TRUNCATED, or ERR_UNSUPPORTED_MODEL if the file is
// not a LoRA adapter or belongs to another model.
void CheckAdapterFile(const std::string& path, const CheckedModel& model);

}  // namespace llama_ets
