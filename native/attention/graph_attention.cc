#include "attention/graph_attention.h"

#include "attention/attention_build.h"

#ifndef LLAMA_ETS_NO_ATTENTION

#include <algorithm>
#include <cstring>
#include <thread>

#include "decode/stopwatch.h"
#include "files/engine.h"

namespace llama_ets {
namespace {

AttentionCall CallOf(const ggml_tensor* node) {
  const ggml_tensor* q = node->src[0];
  const ggml_tensor* k = node->src[1];
  const ggml_tensor* v = node->src[2];
  const ggml_tensor* mask = node->src[3];
  AttentionCall call{};
  call.queries = static_cast<const char*>(q->data);
  call.query_row = q->nb[1];
  call.query_head = q->nb[2];
  call.keys = static_cast<const char*>(k->data);
  call.key_cell = k->nb[1];
  call.key_head = k->nb[2];
  call.values = static_cast<const char*>(v->data);
  call.value_cell = v->nb[1];
  call.value_head = v->nb[2];
  call.mask = static_cast<const char*>(mask->data);
  call.mask_row = mask->nb[1];
  call.out = static_cast<float*>(node->data);
  call.rows = static_cast<int32_t>(q->ne[1]);
  call.heads = static_cast<int32_t>(q->ne[2]);
  call.kv_heads = static_cast<int32_t>(k->ne[2]);
  call.key_size = static_cast<int32_t>(k->ne[0]);
  call.value_size = static_cast<int32_t>(v->ne[0]);
  call.cells = static_cast<int32_t>(k->ne[1]);
  std::memcpy(&call.scale, node->op_params, sizeof(float));
  std::memcpy(&call.softcap, node->op_params + 2, sizeof(float));
  return call;
}

// The memory of the cache to which a tensor belongs.
const void* CacheOf(const ggml_tensor* tensor) {
  return tensor->view_src != nullptr ? tensor->view_src->data : tensor->data;
}

// The number of rows in a piece. With more rows, more of them share the converted cells. But their
// data should fit into a core's cache, and each thread should have a piece.
int32_t RowsTogether(const AttentionCall& call, int32_t threads) {
  constexpr int32_t kMostQueries = 128;
  constexpr int32_t kFewest = 4;
  const int32_t cached = std::max(1, kMostQueries / (call.heads / call.kv_heads));
  int32_t rows = std::min({AttentionPiece::kMostRows, call.rows, cached});
  while (rows > kFewest && PiecesOf(call, rows) < threads) rows /= 2;
  return rows;
}

// Whether the attention has sinks, ALiBi, or an operand that a later engine may add. The kernel
// can't compute these.
bool HasUnknownOperands(const ggml_tensor* node) {
  float bias;
  std::memcpy(&bias, node->op_params + 1, sizeof bias);
  for (int i = 4; i < GGML_MAX_SRC; ++i) {
    if (node->src[i] != nullptr) return true;
  }
  return node->src[3] == nullptr || bias != 0;
}

}  // namespace

bool KernelTakes(const ggml_tensor* node) {
  if (node->op != GGML_OP_FLASH_ATTN_EXT || HasUnknownOperands(node)) return false;
  const ggml_tensor* q = node->src[0];
  const ggml_tensor* k = node->src[1];
  const ggml_tensor* v = node->src[2];
  const ggml_tensor* mask = node->src[3];
  const bool is_typed = q->type == GGML_TYPE_F32 && k->type == GGML_TYPE_F16 &&
                        v->type == GGML_TYPE_F16 && mask->type == GGML_TYPE_F16 &&
                        node->type == GGML_TYPE_F32;
  const bool is_contiguous = q->nb[0] == sizeof(float) && k->nb[0] == sizeof(uint16_t) &&
                             v->nb[0] == sizeof(uint16_t) && mask->nb[0] == sizeof(uint16_t);
  const bool is_one_stream = q->ne[3] == 1 && k->ne[3] == 1 && v->ne[3] == 1;
  const bool fits_mask =
      mask->ne[0] >= k->ne[1] && mask->ne[1] >= q->ne[1] && mask->ne[2] == 1 && mask->ne[3] == 1;
  const bool fits_keys = k->ne[0] == q->ne[0] && k->ne[2] == v->ne[2] && k->ne[1] == v->ne[1] &&
                         k->ne[2] > 0 && q->ne[2] % k->ne[2] == 0;
  const bool has_vectors = k->ne[0] % kAttentionWidth == 0 && v->ne[0] % kAttentionWidth == 0;
  return is_typed && is_contiguous && is_one_stream && fits_mask && fits_keys && has_vectors;
}

// Turns the graph's attention operations into custom operations, and restores them when it is
// destroyed.
class GraphAttention::Substitution {
 public:
  Substitution(GraphAttention* attention, ggml_cgraph* graph, int32_t threads)
      : attention_(attention) {
    for (int i = 0; i < Engine().ggml_graph_n_nodes(graph); ++i) {
      ggml_tensor* node = Engine().ggml_graph_node(graph, i);
      if (node->op == GGML_OP_SET_ROWS && node->src[1]->type == GGML_TYPE_I64) {
        attention_->writes_.push_back(node);
      }
      if (KernelTakes(node)) attention_->Add(node, threads);
    }
    for (Operation& operation : attention_->operations_) {
      operation.node->op = GGML_OP_CUSTOM;
      std::memcpy(operation.node->op_params, attention_->custom_.data(), sizeof(Parameters));
    }
  }

  ~Substitution() {
    for (Operation& operation : attention_->operations_) {
      operation.node->op = GGML_OP_FLASH_ATTN_EXT;
      std::memcpy(operation.node->op_params, operation.parameters.data(), sizeof(Parameters));
    }
    attention_->operations_.clear();
    attention_->masks_.clear();
    attention_->writes_.clear();
  }

  Substitution(const Substitution&) = delete;
  Substitution& operator=(const Substitution&) = delete;

 private:
  GraphAttention* attention_;
};

GraphAttention::GraphAttention() {
  ggml_init_params params{};
  params.mem_size = 2 * Engine().ggml_tensor_overhead();
  params.no_alloc = true;
  ggml_context* context = Engine().ggml_init(params);
  const ggml_tensor* custom = Engine().ggml_custom_4d(context, GGML_TYPE_F32, 1, 1, 1, 1, nullptr,
                                                      0, OnCompute, GGML_N_TASKS_MAX, this);
  std::memcpy(custom_.data(), custom->op_params, sizeof(Parameters));
  Engine().ggml_free(context);
}

ggml_status GraphAttention::Compute(ggml_backend_t cpu, ggml_cgraph* graph, int32_t threads,
                                    int64_t* nanoseconds) {
  nanoseconds_ = nanoseconds;
  scratch_.resize(std::max(scratch_.size(), static_cast<size_t>(threads)));
  const Substitution substitution(this, graph, threads);
  return Engine().ggml_backend_graph_compute(cpu, graph);
}

void GraphAttention::ForgetWrites() {
  initial_.Forget();
  for (auto& [_, order] : orders_) order.Forget();
}

// The cells of the cache in the order in which they were written, or an empty list if this is the
// order of their numbers. The graph writes the batch's keys, and has the cells to write as an
// input; these writes are recorded first.
std::vector<int32_t> GraphAttention::OrderOf(const ggml_tensor* keys, int32_t cells) {
  CellOrder& order = orders_.try_emplace(CacheOf(keys), initial_).first->second;
  for (const ggml_tensor* write : writes_) {
    if (CacheOf(write) != CacheOf(keys)) continue;
    const ggml_tensor* to = write->src[1];
    order.Write(static_cast<const int64_t*>(to->data), to->ne[0]);
  }
  std::vector<int32_t> first = order.FirstCells(cells);
  if (std::is_sorted(first.begin(), first.end())) first.clear();
  return first;
}

void GraphAttention::Add(ggml_tensor* node, int32_t threads) {
  Operation& operation = operations_.emplace_back();
  operation.node = node;
  std::memcpy(operation.parameters.data(), node->op_params, sizeof(Parameters));
  operation.call = CallOf(node);
  operation.rows = RowsTogether(operation.call, threads);
  for (std::vector<float>& scratch : scratch_) {
    scratch.resize(std::max(scratch.size(), AttentionScratch(operation.call, operation.rows)));
  }
  const ggml_tensor* mask = node->src[3];
  const auto known = std::find_if(masks_.begin(), masks_.end(),
                                  [&](const Mask& other) { return other.tensor == mask; });
  if (known != masks_.end()) {
    operation.mask = &*known;
  } else {
    operation.mask = &masks_.emplace_back();
    operation.mask->tensor = mask;
    operation.mask->order = OrderOf(node->src[1], operation.call.cells);
    operation.mask->tiles.resize(static_cast<size_t>(operation.call.rows) *
                                 TilesOf(operation.call));
  }
  const std::vector<int32_t>& order = operation.mask->order;
  operation.call.order = order.empty() ? nullptr : order.data();
}

void GraphAttention::OnCompute(ggml_tensor* node, int member, int, void* self) {
  auto* attention = static_cast<GraphAttention*>(self);
  for (Operation& operation : attention->operations_) {
    if (operation.node != node) continue;
    if (member > 0) return attention->Run(&operation, member);
    const Stopwatch stopwatch(attention->nanoseconds_);
    return attention->Run(&operation, member);
  }
}

void GraphAttention::Run(Operation* operation, int32_t member) {
  const AttentionCall& call = operation->call;
  Mask& mask = *operation->mask;
  const auto tiles = [&](int32_t row) {
    return &mask.tiles[static_cast<size_t>(row) * TilesOf(call)];
  };
  for (int32_t row = mask.next++; row < call.rows; row = mask.next++) {
    FindAttendedCells(call, row, tiles(row));
    ++mask.found;
  }
  while (mask.found < call.rows) std::this_thread::yield();

  // A thread beyond the announced number has no scratch memory, and leaves the pieces to the
  // others.
  if (static_cast<size_t>(member) >= scratch_.size()) return;
  const int32_t pieces = PiecesOf(call, operation->rows);
  for (int32_t index = operation->next++; index < pieces; index = operation->next++) {
    Attend(call, PieceOf(call, operation->rows, index, tiles(0)), scratch_[member].data());
  }
}

}  // namespace llama_ets

#endif  // LLAMA_ETS_NO_ATTENTION
