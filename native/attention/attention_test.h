// The tests that our attention must pass before contexts may use it.
#pragma once

#include <ggml-backend.h>

#include <string>

namespace llama_ets {

// The largest allowed difference of one number, for values of at most 1. There is a difference
// because the engine's CPU attention rounds queries and weighted sums to half precision.
constexpr float kAttentionTolerance = 0.01f;

struct AttentionExpectations {
  int api_version;  // of the engine's backends
  float tolerance;  // largest difference from the engine's attention
};

// Returns the reason why our attention may not be used, or "". Throws EngineError or
// std::bad_alloc.
std::string CheckSharedAttention(const AttentionExpectations& expected);

// Computes one small operation (several rows, key heads that heads share, a mask) on our device and
// on the engine's. Returns how the results differ, or "" if they agree within the tolerance.
std::string TestAttention(ggml_backend_dev_t own, ggml_backend_dev_t engines, float tolerance);

}  // namespace llama_ets
