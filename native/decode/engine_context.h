// One llama_context with its batch and threads, which one session or several decode on. Lives on
// its engine thread (scheduler.h): nothing here is locked, and nothing here knows of JavaScript.
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

// A loaded model; freed when its last owner (Model or EngineContext) lets go.
using SharedModel = std::shared_ptr<llama_model>;

// Values of DecoderOptions::flash_attention, beside llama.cpp's -1, 0 and 1.
constexpr int32_t kEnginesFlashAttention = 2;
constexpr int32_t kSharedAttentionOrNone = 3;
constexpr int32_t kOwnAttention = 4;

// What is added to a model's weights; freed with the model.
struct Adapter {
  llama_adapter_lora* lora;
  float scale;
};

struct DecoderOptions {
  uint32_t cells;          // KV cells shared by all sequences
  uint32_t max_sequences;  // at most 256
  uint32_t batch_size;     // tokens a decode
  uint32_t max_outputs;    // rows of logits a decode
  int32_t threads;         // for single tokens
  int32_t batch_threads;   // for prompts
  // -1 automatic, 0 off, 1 on: shared attention where there is any (shared_attention.h), otherwise
  // the engine's; kEnginesFlashAttention: the engine's; kSharedAttentionOrNone: off where any of
  // the model's attention has no kernel; kOwnAttention: refused there.
  int32_t flash_attention;
  // Every token attends to all of its sequence, not only to those before it.
  bool bidirectional = false;
  ggml_type cache_type = GGML_TYPE_F16;  // of keys and values; quantized: with flash attention
  std::vector<Adapter> adapters;
  // Classes of the model's classification head, by which texts are classified, not continued; 0: no
  // head is used.
  int32_t classes = 0;
  // Keeps rows of logits on the device where they can be kept there (device_logits.h).
  bool samples_on_device = false;
};

class EngineContext {
 public:
  // Throws EngineError ERR_OUT_OF_MEMORY.
  EngineContext(SharedModel model, const DecoderOptions& options);
  EngineContext(const EngineContext&) = delete;
  EngineContext& operator=(const EngineContext&) = delete;

  // Decodes the batch for its callers and waits for its logits. The engine stops within a few
  // milliseconds once all of them are aborted; on a GPU, and where texts keep recurrent states, it
  // finishes the batch. Returns the nanoseconds that attention of our own took.
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
  // A text that was decoded elsewhere was put into the cache, which holds no other.
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
  std::unique_ptr<llama_context, Free> context_;  // freed before both
  int32_t classes_;
  bool shares_attention_;
  bool holds_only_restored_ = false;  // since the last decode
  int32_t threads_;
  int32_t batch_threads_;
  std::vector<const JobMonitor*> callers_;  // of the decode that runs
  std::unique_ptr<ThreadTeam> team_;        // made when first needed
};

}  // namespace llama_ets
