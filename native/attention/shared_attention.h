// Attention of our own on a CPU (attention_kernel.h), in the place of the engine's flash attention.
//
// It is a backend of ggml's, registered beside the engine's as a BLAS library would be. It takes
// over whole graphs, which the engine's CPU backend then runs for it, but for their flash attention
// (graph_attention.h). Only graphs run within a scope of this class use it: node-llama-cpp's
// contexts don't notice.
#pragma once

#include <cstdint>

namespace llama_ets {

// Registers the backend where the processor has the kernel and the engine no device but the CPU.
// Call once, when the engine is open.
void RegisterSharedAttention();

bool HasSharedAttention();

// While it lives, the graphs that this thread makes or runs use shared attention, if `on`.
class SharedAttention {
 public:
  explicit SharedAttention(bool on);
  ~SharedAttention();
  SharedAttention(const SharedAttention&) = delete;
  SharedAttention& operator=(const SharedAttention&) = delete;

  const bool on;
  int64_t nanoseconds = 0;    // that attention took
  bool lacks_kernel = false;  // some of the graphs' attention stays the engine's

 private:
  SharedAttention* outer_;
};

}  // namespace llama_ets
