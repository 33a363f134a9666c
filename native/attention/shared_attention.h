// Attention of our own on a CPU (attention_kernel.h), in the place of the engine's flash attention.
//
// It is a backend of ggml's, registered beside the engine's as a BLAS library would be. It takes
// over whole graphs, which the engine's CPU backend then runs for it, but for their flash attention
// (graph_attention.h). Only graphs run within a scope of this class use it: node-llama-cpp's
// contexts don't notice.
#pragma once

#include <cstdint>
#include <string>

namespace llama_ets {

struct AttentionStatus {
  bool is_there = false;    // contexts may have attention of our own
  std::string reason;       // why they may, or may not
  double milliseconds = 0;  // that finding out took
};

// Registers the backend if the processor has the kernel, the engine no device but the CPU and the
// backends that we describe, and its attention agrees with the engine's on one operation. Call
// once, when the engine is open.
void RegisterSharedAttention();

const AttentionStatus& SharedAttentionStatus();

inline bool HasSharedAttention() {
  return SharedAttentionStatus().is_there;
}

// While it lives, the graphs that this thread makes or runs use shared attention, if `on`.
class SharedAttention {
 public:
  explicit SharedAttention(bool on);
  ~SharedAttention();
  SharedAttention(const SharedAttention&) = delete;
  SharedAttention& operator=(const SharedAttention&) = delete;

  const bool on;
  bool forgets_writes = false;  // before the next graph: see GraphAttention
  int64_t nanoseconds = 0;      // that attention took
  bool lacks_kernel = false;    // it has no way for some of the graphs' attention

 private:
  SharedAttention* outer_;
};

}  // namespace llama_ets
