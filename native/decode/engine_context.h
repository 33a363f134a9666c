// One llama_context with its batch and threads, on which one or several sessions decode. Only the
// engine thread (scheduler.h) uses it, so nothing here is locked. Nothing here depends on
// JavaScript.
#pragma once

#include <llama.h>

#include <cstdint>
#include <memory>
#include <vector>

#include "decode/batch.h"
#include "decode/device_logits.h"
#include "decode/job_monitor.h"
#include "decode/thread_team.h"

namespace llama_ets {

// A loaded model. It is freed with its last owner (Model or EngineContext).
using SharedModel = std::shared_ptr<llama_model>;

// Values of DecoderOptions::flash_attention, besides llama.cpp's -1, 0 and 1.
constexpr int32_t kEnginesFlashAttention = 2;
constexpr int32_t kSharedAttentionOrNone = 3;
constexpr int32_t kOwnAttention = 4;

// A LoRA adapter, which adds to a model's weights. It is freed with the model.
struct Adapter {
  llama_adapter_lora* lora;
  float scale;
};

struct DecoderOptions {
  uint32_t cells;          // KV cells shared by all sequences
  uint32_t max_sequences;  // at most 256
  uint32_t batch_size;     // tokens per decode
  uint32_t max_outputs;    // rows of logits per decode
  int32_t threads;         // for decodes of single tokens
  int32_t batch_threads;   // for decodes of prompts
  // -1: automatic; 0: off; 1: on. -1 and 1 use shared attention (shared_attention.h) where it
  // supports the model, otherwise the engine's flash attention. kEnginesFlashAttention: always the
  // engine's. kSharedAttentionOrNone: shared attention, or none where our kernel does not support
  // the model. kOwnAttention: shared attention, or an error there.
  int32_t flash_attention;
  // Every token attends to all of its sequence, not only to those before it.
  bool bidirectional = false;
  ggml_type cache_type = GGML_TYPE_F16;  // of keys and values; quantized types need flash attention
  std::vector<Adapter> adapters;
  // The number of classes of the model's classification head. Above 0, the context classifies texts
  // and does not continue them; 0: the head is not used.
  int32_t classes = 0;
  // Keeps rows of logits on the device where that is possible (device_logits.h).
  bool samples_on_device = false;
};

class EngineContext {
 public:
  // Throws EngineError ERR_OUT_OF_MEMORY, or ERR_UNSUPPORTED_MODEL when the options do not fit the
  // model.
  EngineContext(SharedModel model, const DecoderOptions& options);
  EngineContext(const EngineContext&) = delete;
  EngineContext& operator=(const EngineContext&) = delete;

  // Decodes the batch for `callers` and waits for its logits. Once all callers are aborted, the
  // engine stops within a few milliseconds; on a GPU, and for models with recurrent states, it
  // finishes the batch first. Returns the nanoseconds that shared attention took.
  int64_t Decode(const std::vector<const JobMonitor*>& callers);

  // For work between decodes, on the threads that decode single tokens.
  int32_t team_size() const;
  ThreadTeam& team();
  int32_t threads() const { return threads_; }
  int32_t batch_threads() const { return batch_threads_; }

  const SharedModel& model() const { return model_; }
  llama_context* context() const { return context_.get(); }
  int32_t classes() const { return classes_; }
  // Null where rows of logits are copied to the host.
  DeviceLogits* device_logits() const { return device_logits_.get(); }
  // Called when a text that another context decoded is restored into an empty cache, so that the
  // cache holds no other text.
  void HoldsOnlyRestored() { holds_only_restored_ = true; }
  Batch batch;
  int64_t decodes = 0;  // calls of llama_decode

 private:
  struct Free {
    void operator()(llama_context* context) const;
  };

  void SetAdapters(const std::vector<Adapter>& adapters);
  static bool OnAbortCheck(void* self);
  bool IsAborted() const;

  SharedModel model_;
  std::unique_ptr<DeviceLogits> device_logits_;
  std::unique_ptr<llama_context, Free> context_;  // declared last, so freed before these two
  int32_t classes_;
  bool shares_attention_;
  bool holds_only_restored_ = false;  // HoldsOnlyRestored was called since the last decode
  int32_t threads_;
  int32_t batch_threads_;
  std::vector<const JobMonitor*> callers_;  // callers of the running decode
  std::unique_ptr<ThreadTeam> team_;        // made on first use
};

}  // namespace llama_ets
