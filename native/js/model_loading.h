// Loading a model off JavaScript's thread, with progress and cancelling.
#pragma once

#include <napi.h>

namespace llama_ets {

// loadModel({ path, gpuLayers, remoteOnly?, cachesDiffusion, withoutWeights?, onProgress })
//   -> { promise, cancel }
// With `cachesDiffusion` keys and values can be kept of diffusion models whose architecture allows
// it; they are then not mapped from the file but read into memory. With `withoutWeights` the model
// says what it is and has its vocabulary, and no context can be opened of it.
Napi::Value LoadModel(const Napi::CallbackInfo& info);

// checkModel(path): throws what loadModel would reject with before it reads weights
Napi::Value CheckModel(const Napi::CallbackInfo& info);

}  // namespace llama_ets
