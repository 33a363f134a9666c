// A graph with one flash attention operation on random operands, with which the attention of two
// devices is compared.
#pragma once

#include <ggml-backend.h>
#include <ggml.h>

#include <cstdint>
#include <vector>

namespace llama_ets {

// All rows attend to the first half of the cells, as to a shared prompt. Each other cell is
// attended to by one row.
struct AttentionNodeShape {
  int32_t rows;
  int32_t heads;  // a multiple of kv_heads
  int32_t kv_heads;
  int32_t key_size;
  int32_t value_size;
  int32_t cells;
  float softcap = 0;
  float bias = 0;      // ALiBi's largest slope
  bool sinks = false;  // a sink for each head
  int32_t operand =
      0;  // above 4: the index of an additional operand that today's engines don't have
};

class AttentionNode {
 public:
  // The random operands are the same for the same shape.
  explicit AttentionNode(const AttentionNodeShape& shape);
  ~AttentionNode();
  AttentionNode(const AttentionNode&) = delete;
  AttentionNode& operator=(const AttentionNode&) = delete;

  const ggml_tensor* operation() const { return operation_; }

  // Computes the operation on a new backend of the device and returns [row][head][value_size].
  // `threads` is the number of threads; 0 keeps the backend's default. Throws EngineError
  // ERR_ENGINE_FAILED.
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
