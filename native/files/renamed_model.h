// Loads a masked diffusion model as the causal architecture that has the same graph. llama.cpp
// keeps no keys and values for diffusion models, but does so for causal ones. The contexts of such
// a model must attend in both directions (DecoderOptions::bidirectional).
#pragma once

#include <llama.h>

#include <optional>
#include <string>

#include "files/gguf_header.h"

namespace llama_ets {

// The causal architecture with the same graph as a diffusion architecture; nothing for all others.
std::optional<std::string> CachingArchitecture(const std::string& architecture);

// Loads the file as if its header had the other architecture's name. Returns null if llama.cpp
// refuses the model. Throws EngineError ERR_ENGINE_FAILED.
llama_model* LoadRenamed(const std::string& path, const GgufHeader& header,
                         const std::string& architecture, llama_model_params params);

}  // namespace llama_ets
