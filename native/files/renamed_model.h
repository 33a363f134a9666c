// Loads a masked diffusion model as the causal architecture whose graph it shares, so that
// llama.cpp keeps its keys and values; it keeps none for diffusion models. Their contexts attend in
// both directions (DecoderOptions::bidirectional).
#pragma once

#include <llama.h>

#include <optional>
#include <string>

#include "files/gguf_header.h"

namespace llama_ets {

// The architecture that serves for another one; none for most.
std::optional<std::string> CachingArchitecture(const std::string& architecture);

// Loads the file with the architecture's name replaced in its header. Null when llama.cpp refuses.
// Throws EngineError ERR_ENGINE_FAILED.
llama_model* LoadRenamed(const std::string& path, const GgufHeader& header,
                         const std::string& architecture, llama_model_params params);

}  // namespace llama_ets
