// Computes the flash attention of a graph with our kernel (attention_kernel.h) on ggml's own
// threads. While the graph runs, its attention nodes are custom operations that call the kernel.
#pragma once

#include <ggml-backend.h>
#include <ggml.h>

#include <array>
#include <atomic>
#include <cstdint>
#include <deque>
#include <unordered_map>
#include <vector>

#include "attention/attention_kernel.h"
#include "attention/cell_order.h"

namespace llama_ets {

// Whether an operation is flash attention that the kernel supports: with supported types and
// shapes, a mask, and without a bias, sinks or unknown operands.
bool KernelTakes(const ggml_tensor* node);

class GraphAttention {
 public:
  GraphAttention();
  GraphAttention(const GraphAttention&) = delete;  // operations have its address
  GraphAttention& operator=(const GraphAttention&) = delete;

  // Runs the graph on ggml's CPU backend, which uses `threads` threads. Adds the time that
  // attention took on the first of them to `nanoseconds`. The engine computes attention operations
  // that the kernel does not support.
  ggml_status Compute(ggml_backend_t cpu, ggml_cgraph* graph, int32_t threads,
                      int64_t* nanoseconds);

  // Must be called when a text was restored into empty caches: see CellOrder::Forget.
  void ForgetWrites();

 private:
  using Parameters = std::array<int32_t, GGML_MAX_OP_PARAMS / sizeof(int32_t)>;

  // The cells that each row attends to. Several operations can share a mask; the first of them
  // fills `tiles`.
  struct Mask {
    const ggml_tensor* tensor;
    std::vector<int32_t> order;     // AttentionCall::order; empty: ascending
    std::vector<uint32_t> tiles;    // [row][tile]
    std::atomic<int32_t> next{0};   // the next row that a thread takes
    std::atomic<int32_t> found{0};  // the number of rows that are done
  };

  struct Operation {
    ggml_tensor* node;
    Parameters parameters;  // the node's original parameters
    AttentionCall call;
    Mask* mask;
    int32_t rows;                  // rows per piece
    std::atomic<int32_t> next{0};  // the next piece that a thread takes
  };

  class Substitution;

  static void OnCompute(ggml_tensor* node, int member, int members, void* self);
  std::vector<int32_t> OrderOf(const ggml_tensor* keys, int32_t cells);
  void Add(ggml_tensor* node, int32_t threads);
  void Run(Operation* operation, int32_t member);

  Parameters custom_;  // the parameters of a custom operation that calls OnCompute
  std::deque<Operation> operations_;
  std::deque<Mask> masks_;
  std::vector<const ggml_tensor*> writes_;             // the graph's writes to caches
  std::unordered_map<const void*, CellOrder> orders_;  // keyed by the memory of a cache's keys
  CellOrder initial_;                                  // the initial order of a new cache
  std::vector<std::vector<float>> scratch_;            // one for each thread
  int64_t* nanoseconds_ = nullptr;
};

}  // namespace llama_ets
