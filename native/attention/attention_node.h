// A graph of one flash attention operation on random operands, to hold one device's attention
// against another's.
#pragma once

#include <ggml-backend.h>
#include <ggml.h>

#include <cstdint>
#include <vector>

namespace llama_ets {

// The first half of the cells is attended to by all rows, as a shared prompt is; the others by one
// row each.
struct AttentionNodeShape {
  int32_t rows;
  int32_t heads;  // a multiple of kv_heads
  int32_t kv_heads;
  int32_t key_size;
  int32_t value_size;
  int32_t cells;
  float softcap = 0;
  float bias = 0;       // ALiBi's largest slope
  bool sinks = false;   // a sink for each head
  int32_t operand = 0;  // above 4: where an operand stands that no attention has today
};

class AttentionNode {
 public:
  // Operands are the same for the same shape.
  explicit AttentionNode(const AttentionNodeShape& shape);
  ~AttentionNode();
  AttentionNode(const AttentionNode&) = delete;
  AttentionNode& operator=(const AttentionNode&) = delete;

  const ggml_tensor* operation() const { return operation_; }

  // [row][head][value_size], computed by a new backend of the device, with `threads` threads or, if
  // 0, as many as it has from the beginning. Throws EngineError ERR_ENGINE_FAILED.
  std::vector<float> Compute(ggml_backend_dev_t device, int32_t threads);

 private:
  ggml_tensor* New(ggml_type type, int64_t a, int64_t b, int64_t c);
  ggml_tensor* NewRandom(ggml_type type, int64_t a, int64_t b, int64_t c, float size);
  ggml_tensor* NewMask(const AttentionNodeShape& shape);

  ggml_context* context_;
  uint32_t random_ = 1;
  ggml_tensor* operation_;
  ggml_cgraph* graph_;
};

}  // namespace llama_ets
