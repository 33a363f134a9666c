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

// While it lives, the graphs that this thread makes or runs use shared attention, and the time that
// takes is added to `nanoseconds`; null: they use the engine's.
class SharedAttention {
 public:
  explicit SharedAttention(int64_t* nanoseconds);
  ~SharedAttention();
  SharedAttention(const SharedAttention&) = delete;
  SharedAttention& operator=(const SharedAttention&) = delete;

 private:
  int64_t* outer_;
};

}  // namespace llama_ets
