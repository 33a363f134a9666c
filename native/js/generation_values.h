// Reads and checks the draws and options of a generate call, and converts its continuations.
#pragma once

#include <napi.h>

#include <vector>

#include "decode/generation.h"

namespace llama_ets {

// The readers throw EngineError ERR_INVALID_ARGUMENT.
std::vector<Draw> ReadDraws(Napi::Value value, int32_t vocab_size);
GenerationOptions ReadGenerationOptions(Napi::Object object, int32_t vocab_size);

Napi::Value ToJs(Napi::Env env, const std::vector<Continuation>& continuations);

}  // namespace llama_ets
