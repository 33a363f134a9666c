// What attention of our own must show before a context has it.
#pragma once

#include <ggml-backend.h>

#include <string>

namespace llama_ets {

// Of one number of the test's operation, whose values are at most 1: the engine's CPU rounds
// queries and weighted sums to half precision.
constexpr float kAttentionTolerance = 0.01f;

struct AttentionExpectations {
  int api_version;  // of the engine's backends
  float tolerance;  // largest difference from the engine's attention
};

// Why attention of our own may not be used, or "". Throws EngineError, and std::bad_alloc.
std::string CheckSharedAttention(const AttentionExpectations& expected);

// Computes one small operation (several rows, key heads that heads share, a mask) on our device and
// on the engine's. Returns in what they differ; "": not by more than the tolerance.
std::string TestAttention(ggml_backend_dev_t own, ggml_backend_dev_t engines, float tolerance);

}  // namespace llama_ets
