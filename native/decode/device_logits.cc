#include "decode/device_logits.h"

#include <algorithm>
#include <cmath>

#include "files/engine.h"
#include "files/engine_error.h"

namespace llama_ets {
namespace {

constexpr size_t kGraphNodes = 32;

[[noreturn]] void Fail(const std::string& what) {
  throw EngineError("ERR_ENGINE_FAILED", "Sampling on the device: " + what);
}

// A ggml context for the tensors of one graph, without their data.
struct FreeContext {
  void operator()(ggml_context* context) const { Engine().ggml_free(context); }
};
using Graph = std::unique_ptr<ggml_context, FreeContext>;

std::vector<float> Read(const ggml_tensor* tensor, size_t count) {
  std::vector<float> numbers(count);
  Engine().ggml_backend_tensor_get(tensor, numbers.data(), 0, count * sizeof(float));
  return numbers;
}

}  // namespace

void DeviceLogits::FreeBackend::operator()(ggml_backend_t backend) const {
  Engine().ggml_backend_free(backend);
}

void DeviceLogits::FreeAllocator::operator()(ggml_gallocr_t allocator) const {
  Engine().ggml_gallocr_free(allocator);
}

llama_sampler_i* DeviceLogits::Interface() {
  static llama_sampler_i interface = [] {
    llama_sampler_i made{};
    made.name = [](const llama_sampler*) { return "llama-ets"; };
    made.apply = [](llama_sampler*, llama_token_data_array*) {};
    made.backend_init = [](llama_sampler*, ggml_backend_buffer_type_t, uint32_t) { return true; };
    made.backend_apply = [](llama_sampler* self, ggml_context*, ggml_cgraph*,
                            llama_sampler_data* data) {
      // The given tensor is a view of all rows plus a row of padding; we keep the tensor of all
      // rows. The engine also builds graphs without rows. Those must not replace the kept tensor,
      // because the engine may compute the earlier graph again without calling this function.
      const ggml_tensor* padded = data->logits->view_src;
      ggml_tensor* all = padded == nullptr ? nullptr : padded->src[0];
      if (all != nullptr && all->ne[1] > 0) static_cast<DeviceLogits*>(self->ctx)->logits_ = all;
      data->logits = nullptr;  // the engine then copies nothing to the host
    };
    return made;
  }();
  return &interface;
}

DeviceLogits::DeviceLogits(uint32_t sequences, int32_t vocab_size, int32_t threads)
    : vocab_size_(vocab_size), threads_(threads) {
  const EngineApi& engine = Engine();
  for (uint32_t i = 0; i < sequences; ++i) {
    llama_sampler* chain =
        engine.llama_sampler_chain_init(engine.llama_sampler_chain_default_params());
    engine.llama_sampler_chain_add(chain, engine.llama_sampler_init(Interface(), this));
    chains_.push_back(chain);
    configs_.push_back({static_cast<llama_seq_id>(i), chain});
  }
}

DeviceLogits::~DeviceLogits() {
  for (llama_sampler* chain : chains_) Engine().llama_sampler_free(chain);
}

void DeviceLogits::Configure(llama_context_params* params) {
  params->samplers = configs_.data();
  params->n_samplers = configs_.size();
  params->n_outputs_max_per_seq = params->n_outputs_max;  // scoring wants many of one sequence
}

void DeviceLogits::Forget() {
  for (std::vector<float>& row : rows_) row.clear();
  summed_at_ = 0;
}

ggml_tensor* DeviceLogits::Logits() const {
  if (logits_ == nullptr || logits_->type != GGML_TYPE_F32 || logits_->ne[0] != vocab_size_) {
    Fail("the engine's graph has no logits of the expected shape");
  }
  return logits_;
}

float* DeviceLogits::Row(int32_t row) {
  const auto at = static_cast<size_t>(row);
  if (rows_.size() <= at) rows_.resize(at + 1);
  if (rows_[at].empty()) {
    rows_[at].resize(static_cast<size_t>(vocab_size_));
    const size_t bytes = rows_[at].size() * sizeof(float);
    Engine().ggml_backend_tensor_get(Logits(), rows_[at].data(), at * bytes, bytes);
  }
  return rows_[at].data();
}

const RowSums& DeviceLogits::SumsOf(int32_t row, double temperature) {
  if (summed_at_ != temperature) SumAll(temperature);
  return sums_[static_cast<size_t>(row)];
}

void DeviceLogits::CopyBlocks(const std::vector<Block>& blocks, std::vector<float>* logits) {
  const EngineApi& engine = Engine();
  const ggml_tensor* all = Logits();
  logits->resize(blocks.size() * kBlock);
  OpenBackend();
  for (size_t i = 0; i < blocks.size(); ++i) {
    const int64_t first = static_cast<int64_t>(blocks[i].block) * kBlock;
    const int64_t count = std::min<int64_t>(kBlock, vocab_size_ - first);
    const int64_t at = static_cast<int64_t>(blocks[i].row) * vocab_size_ + first;
    engine.ggml_backend_tensor_get_async(backend_.get(), all, logits->data() + i * kBlock,
                                         static_cast<size_t>(at) * sizeof(float),
                                         static_cast<size_t>(count) * sizeof(float));
  }
  engine.ggml_backend_synchronize(backend_.get());
}

// Opens a backend of our own on the device that holds the logits, because the engine uses its
// backend for its own work.
void DeviceLogits::OpenBackend() {
  if (backend_ != nullptr) return;
  const EngineApi& engine = Engine();
  const ggml_backend_buffer_type_t memory = engine.ggml_backend_buffer_get_type(Logits()->buffer);
  // Host memory belongs to the CPU device, even if a GPU backend allocated it.
  const bool is_host = engine.ggml_backend_buft_is_host(memory);
  ggml_backend_dev_t device = is_host ? nullptr : engine.ggml_backend_buft_get_device(memory);
  for (size_t i = 0; is_host && i < engine.ggml_backend_dev_count(); ++i) {
    const ggml_backend_dev_t other = engine.ggml_backend_dev_get(i);
    if (engine.ggml_backend_dev_type(other) == GGML_BACKEND_DEVICE_TYPE_CPU) device = other;
  }
  if (device == nullptr) Fail("the logits are on no device");
  backend_.reset(engine.ggml_backend_dev_init(device, nullptr));
  if (backend_ == nullptr) Fail("the device has no room for another backend");
  const auto set_threads =
      reinterpret_cast<ggml_backend_set_n_threads_t>(engine.ggml_backend_reg_get_proc_address(
          engine.ggml_backend_dev_backend_reg(device), "ggml_backend_set_n_threads"));
  if (set_threads != nullptr) set_threads(backend_.get(), threads_);
  allocator_.reset(engine.ggml_gallocr_new(engine.ggml_backend_dev_buffer_type(device)));
}

// Computes the softmax of each row at the temperature and sums it by blocks. It also reads each
// row's largest logit and the probability of that token at the temperature and at temperature 1.
// Those numbers convert the sums to weights relative to the largest logit.
void DeviceLogits::SumAll(double temperature) {
  OpenBackend();
  const EngineApi& engine = Engine();
  ggml_tensor* source = Logits();
  const int64_t rows = source->ne[1];
  const int64_t blocks = (vocab_size_ + kBlock - 1) / kBlock;
  const Graph graph_context(
      engine.ggml_init({kGraphNodes * engine.ggml_tensor_overhead() +
                            engine.ggml_graph_overhead_custom(kGraphNodes, false),
                        nullptr, true}));
  ggml_context* ctx = graph_context.get();

  ggml_tensor* logits = engine.ggml_new_tensor_4d(ctx, GGML_TYPE_F32, vocab_size_, rows, 1, 1);
  if (engine.ggml_backend_tensor_alloc(source->buffer, logits, source->data) !=
      GGML_STATUS_SUCCESS) {
    Fail("the logits can't be read");
  }
  ggml_tensor* best = engine.ggml_reshape_3d(ctx, engine.ggml_argmax(ctx, logits), 1, rows, 1);
  const auto at_best = [&](ggml_tensor* numbers) {
    ggml_tensor* single = engine.ggml_reshape_3d(ctx, numbers, 1, vocab_size_, rows);
    return engine.ggml_get_rows(ctx, single, best);
  };
  const auto softmax = [&](double at) {
    return engine.ggml_soft_max_ext(ctx, logits, nullptr, static_cast<float>(1 / at), 0);
  };
  ggml_tensor* tempered = softmax(temperature);
  ggml_tensor* padded =
      engine.ggml_pad(ctx, tempered, static_cast<int>(blocks * kBlock - vocab_size_), 0, 0, 0);
  ggml_tensor* sums =
      engine.ggml_sum_rows(ctx, engine.ggml_reshape_3d(ctx, padded, kBlock, blocks, rows));
  ggml_tensor* largest = at_best(logits);
  ggml_tensor* tempered_largest = at_best(tempered);
  ggml_tensor* plain_largest = temperature == 1 ? tempered_largest : at_best(softmax(1));

  ggml_cgraph* graph = engine.ggml_new_graph_custom(ctx, kGraphNodes, false);
  for (ggml_tensor* result : {sums, largest, tempered_largest, plain_largest}) {
    engine.ggml_set_output(result);
    engine.ggml_build_forward_expand(graph, result);
  }
  if (!engine.ggml_gallocr_alloc_graph(allocator_.get(), graph)) {
    throw EngineError("ERR_OUT_OF_MEMORY", "The device has no room to sum rows of logits");
  }
  if (engine.ggml_backend_graph_compute(backend_.get(), graph) != GGML_STATUS_SUCCESS) {
    Fail("the device computed no sums");
  }

  const auto count = static_cast<size_t>(rows);
  const std::vector<float> block_sums = Read(sums, count * static_cast<size_t>(blocks));
  const std::vector<float> max = Read(largest, count);
  const std::vector<float> tempered_max = Read(tempered_largest, count);
  const std::vector<float> plain_max = Read(plain_largest, count);
  sums_.resize(count);
  for (size_t row = 0; row < count; ++row) {
    RowSums& found = sums_[row];
    found.max = max[row];
    found.log_sum = -std::log(static_cast<double>(plain_max[row]));
    found.tempered_sum = 0;
    found.block_sum.resize(static_cast<size_t>(blocks));
    for (size_t b = 0; b < found.block_sum.size(); ++b) {
      // Relative to the weight of the largest logit, as on the host.
      found.block_sum[b] = block_sums[row * static_cast<size_t>(blocks) + b] / tempered_max[row];
      found.tempered_sum += found.block_sum[b];
    }
    found.drawn_sum = found.tempered_sum;  // policies with a power are not drawn on the device
  }
  summed_at_ = temperature;
}

}  // namespace llama_ets
