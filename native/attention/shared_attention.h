// Our own attention on a CPU (attention_kernel.h), which replaces the engine's flash attention.
//
// It is a ggml backend that is registered next to the engine's backends, as a BLAS library would
// be. It takes over whole graphs. The engine's CPU backend runs them for it, except for their flash
// attention (graph_attention.h). Only graphs within the scope of a SharedAttention object use it,
// so node-llama-cpp's contexts are not affected.
#pragma once

#include <cstdint>
#include <string>

namespace llama_ets {

struct AttentionStatus {
  bool is_there = false;    // contexts may use our attention
  std::string reason;       // why they may or may not
  double milliseconds = 0;  // time that the checks took
};

// Registers the backend if the processor supports the kernel, the engine has no GPU, the engine's
// backends have the API version that we are compiled for, and our attention agrees with the
// engine's on one operation. Called once, when the engine is opened.
void RegisterSharedAttention();

const AttentionStatus& SharedAttentionStatus();

inline bool HasSharedAttention() {
  return SharedAttentionStatus().is_there;
}

// While it exists, the graphs that this thread makes or runs use shared attention, if `on` is true.
class SharedAttention {
 public:
  explicit SharedAttention(bool on);
  ~SharedAttention();
  SharedAttention(const SharedAttention&) = delete;
  SharedAttention& operator=(const SharedAttention&) = delete;

  const bool on;
  bool forgets_writes = false;  // call GraphAttention::ForgetWrites before the next graph
  int64_t nanoseconds = 0;      // time that attention took
  bool lacks_kernel = false;    // the kernel does not support some attention of the graphs

 private:
  SharedAttention* outer_;
};

}  // namespace llama_ets
