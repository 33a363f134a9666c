#include "decode/engine_context.h"

#include <algorithm>
#include <string>
#include <utility>

#include "attention/shared_attention.h"
#include "files/engine.h"
#include "files/engine_error.h"

namespace llama_ets {
namespace {

// A row of logits takes a fraction of a millisecond. With more threads, some would wake up after
// all rows are taken.
constexpr int32_t kMaxTeam = 32;

bool MayShareAttention(const DecoderOptions& options) {
  return HasSharedAttention() && options.flash_attention != 0 &&
         options.flash_attention != kEnginesFlashAttention;
}

llama_flash_attn_type FlashAttentionOf(const DecoderOptions& options, bool shares) {
  if (shares || options.flash_attention == kEnginesFlashAttention) {
    return LLAMA_FLASH_ATTN_TYPE_ENABLED;
  }
  if (options.flash_attention == kSharedAttentionOrNone) return LLAMA_FLASH_ATTN_TYPE_DISABLED;
  return static_cast<llama_flash_attn_type>(options.flash_attention);
}

bool KeepsStates(const llama_model* model) {
  return Engine().llama_model_is_recurrent(model) || Engine().llama_model_is_hybrid(model);
}

bool IsQuantized(ggml_type type) {
  return type != GGML_TYPE_F32 && type != GGML_TYPE_F16 && type != GGML_TYPE_BF16;
}

// Pooling needs an output for every token.
int32_t MaxOutputs(const DecoderOptions& options) {
  return static_cast<int32_t>(options.classes > 0 ? options.batch_size : options.max_outputs);
}

// The engine decodes a recurrent model's batch in parts, and only the rows of the last part would
// remain on the device. Models that attend in both directions and diffusion models are excluded
// too.
bool KeepsLogitsOnDevice(const llama_model* model, const DecoderOptions& options) {
  return options.samples_on_device && options.classes == 0 && !options.bidirectional &&
         !Engine().llama_model_is_recurrent(model) && !Engine().llama_model_is_hybrid(model) &&
         !Engine().llama_model_is_diffusion(model);
}

}  // namespace

EngineContext::EngineContext(SharedModel model, const DecoderOptions& options)
    : batch(static_cast<int32_t>(options.batch_size), MaxOutputs(options)),
      model_(std::move(model)),
      classes_(options.classes),
      shares_attention_(MayShareAttention(options)),
      threads_(options.threads),
      batch_threads_(options.batch_threads) {
  llama_context_params params = Engine().llama_context_default_params();
  params.n_ctx = options.cells;
  params.n_batch = options.batch_size;
  params.n_ubatch = options.batch_size;
  params.n_seq_max = options.max_sequences;
  params.n_outputs_max = static_cast<uint32_t>(MaxOutputs(options));
  params.n_threads = options.threads;
  params.n_threads_batch = options.batch_threads;
  params.type_k = params.type_v = options.cache_type;
  params.kv_unified = true;  // so that a fork copies metadata only
  params.swa_full = true;    // because a sliding-window cache can't be forked or truncated
  params.no_perf = true;
  // A decode moves recurrent states of other texts within each layer, so an abort between two
  // layers would leave those states half moved. Such a model gets no abort callback: its batches
  // run to their end.
  if (!KeepsStates(model_.get())) {
    params.abort_callback = OnAbortCheck;
    params.abort_callback_data = this;
  }
  if (options.bidirectional) params.attention_type = LLAMA_ATTENTION_TYPE_NON_CAUSAL;

  if (options.classes > 0) {
    params.embeddings = true;
    params.pooling_type = LLAMA_POOLING_TYPE_RANK;
  }

  const bool flashes =
      options.flash_attention != 0 && options.flash_attention != kSharedAttentionOrNone;
  if (IsQuantized(options.cache_type) && !flashes) {
    throw EngineError("ERR_UNSUPPORTED_MODEL",
                      "Quantized keys and values are read by flash attention alone");
  }
  const bool keeps_logits = KeepsLogitsOnDevice(model_.get(), options);
  const int32_t vocab_size =
      Engine().llama_vocab_n_tokens(Engine().llama_model_get_vocab(model_.get()));
  const bool must_share = options.flash_attention == kOwnAttention;
  if (must_share && !shares_attention_) {
    throw EngineError("ERR_UNSUPPORTED_MODEL",
                      "There is no attention of our own: " + SharedAttentionStatus().reason);
  }
  LogCapture log;
  const auto open = [&] {
    const SharedAttention attention(shares_attention_);
    params.flash_attn_type = FlashAttentionOf(options, shares_attention_);
    if (keeps_logits) {  // each context needs its own
      device_logits_ =
          std::make_unique<DeviceLogits>(options.max_sequences, vocab_size, options.threads);
      device_logits_->Configure(&params);
    }
    context_.reset(Engine().llama_init_from_model(model_.get(), params));
    return attention.lacks_kernel;
  };
  if (open() && context_ != nullptr) {  // our kernel does not support the model's attention
    context_.reset();
    if (must_share) {
      throw EngineError("ERR_UNSUPPORTED_MODEL",
                        "Our attention has no way for the model's (sinks, ALiBi, or its shape)");
    }
    shares_attention_ = false;
    open();
  }
  if (context_ == nullptr) {
    throw EngineError("ERR_OUT_OF_MEMORY", "The engine could not make a context of " +
                                               std::to_string(options.cells) +
                                               " tokens: " + log.Reason("no reason given"));
  }
  SetAdapters(options.adapters);
}

void EngineContext::SetAdapters(const std::vector<Adapter>& adapters) {
  if (adapters.empty()) return;
  std::vector<llama_adapter_lora*> loras;
  std::vector<float> scales;
  for (const Adapter& adapter : adapters) {
    loras.push_back(adapter.lora);
    scales.push_back(adapter.scale);
  }
  if (Engine().llama_set_adapters_lora(context(), loras.data(), loras.size(), scales.data()) != 0) {
    throw EngineError("ERR_ENGINE_FAILED", "The engine could not apply the adapters");
  }
}

void EngineContext::Free::operator()(llama_context* context) const {
  Engine().llama_free(context);
}

bool EngineContext::IsAborted() const {
  return !callers_.empty() &&
         std::all_of(callers_.begin(), callers_.end(),
                     [](const JobMonitor* caller) { return caller->IsAborted(); });
}

bool EngineContext::OnAbortCheck(void* self) {
  return static_cast<EngineContext*>(self)->IsAborted();
}

int64_t EngineContext::Decode(const std::vector<const JobMonitor*>& callers) {
  callers_ = callers;
  if (IsAborted()) throw EngineError("ERR_ABORTED", "The work was aborted");
  LogCapture log;
  SharedAttention attention(shares_attention_);
  attention.forgets_writes = std::exchange(holds_only_restored_, false);
  const int32_t status = Engine().llama_decode(context(), batch.View());
  Engine().llama_synchronize(context());  // because a GPU decodes in the background
  decodes += 1;
  if (device_logits_) device_logits_->Forget();
  if (status == 0) return attention.nanoseconds;
  if (status == 1) throw EngineError("ERR_CONTEXT_FULL", "No KV cells are left for the batch");
  if (status == 2) throw EngineError("ERR_ABORTED", "The work was aborted");
  throw EngineError("ERR_ENGINE_FAILED", "The engine's decode failed with status " +
                                             std::to_string(status) + ": " +
                                             log.Reason("no reason given"));
}

int32_t EngineContext::team_size() const {
  return std::min(threads_, kMaxTeam);
}

ThreadTeam& EngineContext::team() {
  if (!team_) team_ = std::make_unique<ThreadTeam>(team_size());
  return *team_;
}

}  // namespace llama_ets
