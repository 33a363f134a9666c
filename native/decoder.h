// One llama_context: batches are decoded on it and their rows of logits read. Session and
// DiffusionSession add what they keep in it. Lives on its engine thread (worker.h): nothing here is
// locked, and nothing here knows of JavaScript.
#pragma once

#include <llama.h>

#include <cstdint>
#include <memory>
#include <vector>

#include "batch.h"
#include "job_monitor.h"
#include "thread_team.h"

namespace llama_ets {

// A loaded model; freed when its last owner (Model or Decoder) lets go.
using SharedModel = std::shared_ptr<llama_model>;

struct DecoderOptions {
  uint32_t cells;           // KV cells shared by all sequences
  uint32_t max_sequences;   // at most 256
  uint32_t batch_size;      // tokens a decode
  uint32_t max_outputs;     // rows of logits a decode
  int32_t threads;          // for single tokens
  int32_t batch_threads;    // for prompts
  int32_t flash_attention;  // -1 automatic, 0 off, 1 on
  // Every token attends to all of its sequence, not only to those before it.
  bool bidirectional = false;
  ggml_type cache_type = GGML_TYPE_F16;  // of keys and values
  // Of a model with a classification head: texts are classified, not continued. 0: no head is used.
  int32_t classes = 0;
};

// What every decode counts. Time is in nanoseconds.
struct DecodeCounters {
  int64_t decodes = 0;      // calls of llama_decode
  int64_t decode_ns = 0;    // in the engine, until the logits are there
  int64_t sampling_ns = 0;  // drawing and scoring tokens from logits
  int64_t call_ns = 0;      // the whole of the calls that decode and sample
};

class Decoder {
 public:
  // `monitor` outlives the decoder: the engine stops within a few milliseconds once it says
  // aborted (CPU only; a GPU finishes its batch). Throws EngineError ERR_OUT_OF_MEMORY.
  Decoder(SharedModel model, const DecoderOptions& options, JobMonitor* monitor);
  virtual ~Decoder();
  Decoder(const Decoder&) = delete;
  Decoder& operator=(const Decoder&) = delete;

  void ThrowIfAborted() const;
  // Decodes the batch and waits for its logits.
  void Decode();
  Batch& batch() { return batch_; }
  // The logits at a token of the batch; overwritten by the next decode.
  float* RowOf(int32_t batch_index) const;

  // For work between decodes, on the threads that decode single tokens.
  int32_t team_size() const;
  ThreadTeam& team();
  void SetThreads(int32_t threads, int32_t batch_threads);

  const llama_model* model() const { return model_.get(); }
  int32_t vocab_size() const { return vocab_size_; }
  const llama_vocab* vocab() const { return vocab_; }
  int32_t max_outputs() const { return max_outputs_; }
  int32_t classes() const { return classes_; }
  // What the head says of a sequence whose tokens the last decode ended: a number a class.
  std::vector<double> ClassesOf(llama_seq_id sequence) const;
  JobMonitor* monitor() { return monitor_; }
  DecodeCounters decode_counters;

 protected:
  SharedModel model_;
  const llama_vocab* vocab_;
  llama_context* context_ = nullptr;
  llama_memory_t memory_ = nullptr;  // null: the model keeps no keys and values
  int32_t vocab_size_;
  int32_t max_outputs_;
  int32_t classes_;
  int32_t threads_;
  int32_t batch_threads_;

 private:
  static bool OnAbortCheck(void* self);

  Batch batch_;
  JobMonitor* monitor_;
  std::unique_ptr<ThreadTeam> team_;  // made when first needed
};

}  // namespace llama_ets
