#include "attention/attention_node.h"

#include "attention/attention_build.h"

#ifndef LLAMA_ETS_NO_ATTENTION

#include <cmath>
#include <cstring>
#include <memory>
#include <new>

#include "files/engine.h"
#include "files/engine_error.h"

namespace llama_ets {
namespace {

constexpr size_t kTensors = 12;  // an upper bound
constexpr size_t kGraphNodes = 8;

size_t OperandBytes(const AttentionNodeShape& shape) {
  const auto product = [](size_t a, size_t b, size_t c) { return a * b * c * sizeof(float); };
  return product(shape.rows, shape.heads, shape.key_size + shape.value_size) +
         product(shape.cells, shape.kv_heads, shape.key_size + shape.value_size) +
         product(shape.rows, shape.cells, 1) + product(shape.heads, 2, 1);
}

ggml_context* NewContext(const AttentionNodeShape& shape) {
  ggml_init_params params{};
  params.mem_size = OperandBytes(shape) + kTensors * 2 * Engine().ggml_tensor_overhead() +
                    Engine().ggml_graph_overhead_custom(kGraphNodes, false);
  ggml_context* context = Engine().ggml_init(params);
  if (context == nullptr) throw std::bad_alloc();
  return context;
}

}  // namespace

AttentionNode::AttentionNode(const AttentionNodeShape& shape) : context_(NewContext(shape)) {
  const EngineApi& engine = Engine();
  // llama.cpp stores for each token its heads, and permutes this to a view with the tokens of each
  // head.
  const auto by_head = [&](ggml_tensor* by_token) {
    return engine.ggml_permute(context_, by_token, 0, 2, 1, 3);
  };
  constexpr float kQueries = 3;  // large enough that some cells get most of the weight
  ggml_tensor* queries =
      NewRandom(GGML_TYPE_F32, shape.key_size, shape.heads, shape.rows, kQueries);
  ggml_tensor* keys = NewRandom(GGML_TYPE_F16, shape.key_size, shape.kv_heads, shape.cells, 1);
  ggml_tensor* values = NewRandom(GGML_TYPE_F16, shape.value_size, shape.kv_heads, shape.cells, 1);
  operation_ = engine.ggml_flash_attn_ext(
      context_, by_head(queries), by_head(keys), by_head(values), NewMask(shape),
      1 / std::sqrt(static_cast<float>(shape.key_size)), shape.bias, shape.softcap);
  if (shape.sinks) {
    engine.ggml_flash_attn_ext_add_sinks(operation_,
                                         NewRandom(GGML_TYPE_F32, shape.heads, 1, 1, 1));
  }
  if (shape.operand > 0) operation_->src[shape.operand] = New(GGML_TYPE_F32, 1, 1, 1);
  graph_ = engine.ggml_new_graph_custom(context_, kGraphNodes, false);
  engine.ggml_build_forward_expand(graph_, operation_);
}

AttentionNode::~AttentionNode() {
  Engine().ggml_free(context_);
}

ggml_tensor* AttentionNode::New(ggml_type type, int64_t a, int64_t b, int64_t c) {
  return Engine().ggml_new_tensor_4d(context_, type, a, b, c, 1);
}

ggml_tensor* AttentionNode::NewRandom(ggml_type type, int64_t a, int64_t b, int64_t c, float size) {
  ggml_tensor* tensor = New(type, a, b, c);
  std::vector<float> numbers(static_cast<size_t>(a * b * c));
  for (float& number : numbers) {
    random_ = random_ * 1664525 + 1013904223;
    number = size * (static_cast<float>(random_ >> 8) * 0x1p-23f - 1);
  }
  if (type == GGML_TYPE_F16) {
    Engine().ggml_fp32_to_fp16_row(numbers.data(), static_cast<ggml_fp16_t*>(tensor->data),
                                   static_cast<int64_t>(numbers.size()));
  } else {
    std::memcpy(tensor->data, numbers.data(), numbers.size() * sizeof(float));
  }
  return tensor;
}

ggml_tensor* AttentionNode::NewMask(const AttentionNodeShape& shape) {
  constexpr uint16_t kMinusInfinity = 0xfc00;
  ggml_tensor* mask = New(GGML_TYPE_F16, shape.cells, shape.rows, 1);
  auto* numbers = static_cast<uint16_t*>(mask->data);
  const int32_t shared = shape.cells / 2;
  for (int32_t row = 0; row < shape.rows; ++row) {
    for (int32_t cell = 0; cell < shape.cells; ++cell) {
      const bool is_attended = cell < shared || (cell - shared) % shape.rows == row;
      *numbers++ = is_attended ? 0 : kMinusInfinity;
    }
  }
  return mask;
}

std::vector<float> AttentionNode::Compute(ggml_backend_dev_t device, int32_t threads) {
  const EngineApi& engine = Engine();
  const std::unique_ptr<ggml_backend, decltype(engine.ggml_backend_free)> backend(
      engine.ggml_backend_dev_init(device, nullptr), engine.ggml_backend_free);
  if (backend == nullptr) throw EngineError("ERR_ENGINE_FAILED", "The engine made no backend");
  if (threads > 0) {
    const auto set_threads =
        reinterpret_cast<ggml_backend_set_n_threads_t>(engine.ggml_backend_reg_get_proc_address(
            engine.ggml_backend_dev_backend_reg(device), "ggml_backend_set_n_threads"));
    if (set_threads != nullptr) set_threads(backend.get(), threads);
  }
  const auto* out = static_cast<const float*>(operation_->data);
  const auto size = static_cast<size_t>(operation_->ne[0] * operation_->ne[1] * operation_->ne[2]);
  std::memset(operation_->data, 0, size * sizeof(float));
  if (engine.ggml_backend_graph_compute(backend.get(), graph_) != GGML_STATUS_SUCCESS) {
    throw EngineError("ERR_ENGINE_FAILED", "The engine could not compute one attention operation");
  }
  return std::vector<float>(out, out + size);
}

}  // namespace llama_ets

#endif  // LLAMA_ETS_NO_ATTENTION
