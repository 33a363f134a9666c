// The flash attention of a graph, computed by our kernel (attention_kernel.h) on ggml's own
// threads: while the graph runs, its nodes are custom operations that call it.
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

// Whether an operation is flash attention that the kernel has a way for: of its types and shapes,
// without a bias, sinks or any operand that it doesn't know.
bool KernelTakes(const ggml_tensor* node);

class GraphAttention {
 public:
  GraphAttention();
  GraphAttention(const GraphAttention&) = delete;  // operations have its address
  GraphAttention& operator=(const GraphAttention&) = delete;

  // Runs the graph on ggml's CPU backend, which is to use `threads` threads; adds the time that
  // attention took on the first of them to `nanoseconds`. Operations that the kernel has no way for
  // stay the engine's.
  ggml_status Compute(ggml_backend_t cpu, ggml_cgraph* graph, int32_t threads,
                      int64_t* nanoseconds);

  // The caches were given a text, and hold no other: see CellOrder.
  void ForgetWrites();

 private:
  using Parameters = std::array<int32_t, GGML_MAX_OP_PARAMS / sizeof(int32_t)>;

  // What rows attend to, found by the first of the operations that it is common to.
  struct Mask {
    const ggml_tensor* tensor;
    std::vector<int32_t> order;   // of the cells; empty: as they are numbered
    std::vector<uint32_t> tiles;  // [row][tile]
    std::atomic<int32_t> next{0};
    std::atomic<int32_t> found{0};
  };

  struct Operation {
    ggml_tensor* node;
    Parameters parameters;  // the node's own
    AttentionCall call;
    Mask* mask;
    int32_t rows;  // of a piece
    std::atomic<int32_t> next{0};
  };

  class Substitution;

  static void OnCompute(ggml_tensor* node, int member, int members, void* self);
  std::vector<int32_t> OrderOf(const ggml_tensor* keys, int32_t cells);
  void Add(ggml_tensor* node, int32_t threads);
  void Run(Operation* operation, int32_t member);

  Parameters custom_;  // of an operation that calls OnCompute
  std::deque<Operation> operations_;
  std::deque<Mask> masks_;
  std::vector<const ggml_tensor*> writes_;             // of the graph, to caches
  std::unordered_map<const void*, CellOrder> orders_;  // by the memory of a cache's keys
  CellOrder initial_;                                  // of caches that no graph has met yet
  std::vector<std::vector<float>> scratch_;            // of each thread that was announced
  int64_t* nanoseconds_ = nullptr;
};

}  // namespace llama_ets
