// Loads a model on another thread than JavaScript's. A call reports progress and can be cancelled.
#pragma once

#include <napi.h>

namespace llama_ets {

// loadModel({ path, gpuLayers, remoteOnly?, cachesDiffusion, withoutWeights?, onProgress, adapters?
// })
//   -> { promise, cancel }
// With `cachesDiffusion`, contexts can keep keys and values of diffusion models whose architecture
// allows it. Such a model is not mapped from the file but read into memory. With `withoutWeights`
// the model has its metadata and vocabulary, but no context can be opened for it.
Napi::Value LoadModel(const Napi::CallbackInfo& info);

// checkModel(path): does the checks of loadModel that don't need the weights, and throws their
// errors
Napi::Value CheckModel(const Napi::CallbackInfo& info);

}  // namespace llama_ets
