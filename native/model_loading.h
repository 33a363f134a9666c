// Loading a model off JavaScript's thread, with progress and cancelling.
#pragma once

#include <napi.h>

namespace llama_ets {

// loadModel({ path, gpuLayers, onProgress }) -> { promise, cancel }
Napi::Value LoadModel(const Napi::CallbackInfo& info);

}  // namespace llama_ets
