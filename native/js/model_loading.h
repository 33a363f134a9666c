// Loading a model off JavaScript's thread, with progress and cancelling.
#pragma once

#include <napi.h>

namespace llama_ets {

// loadModel({ path, gpuLayers, remoteOnly?, cachesDiffusion, onProgress }) -> { promise, cancel }
// With `cachesDiffusion` keys and values can be kept of diffusion models whose architecture allows
// it; they are then not mapped from the file but read into memory.
Napi::Value LoadModel(const Napi::CallbackInfo& info);

// checkModel(path): throws what loadModel would reject with before it reads weights
Napi::Value CheckModel(const Napi::CallbackInfo& info);

}  // namespace llama_ets
