// What a session sees of the context that it decodes on, alone or with others: batches and their
// rows of logits, and its own counts and aborts. Session and DiffusionSession add what they keep in
// the context.
#pragma once

#include <llama.h>

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "decode/engine_context.h"

namespace llama_ets {

// What every decode counts. Time is in nanoseconds; that of a decode shared with other sessions
// counts in each of them.
struct DecodeCounters {
  int64_t decodes = 0;       // calls of llama_decode
  int64_t decode_ns = 0;     // in the engine, until the logits are there
  int64_t attention_ns = 0;  // of decode_ns, in shared attention
  int64_t sampling_ns = 0;   // drawing and scoring tokens from logits
  int64_t device_draws = 0;  // tokens drawn from rows that stayed on the device
  int64_t call_ns = 0;       // the whole of the calls that decode and sample
};

class Decoder {
 public:
  // In a context of its own. `monitor` outlives the decoder. Throws EngineError ERR_OUT_OF_MEMORY.
  Decoder(SharedModel model, const DecoderOptions& options, JobMonitor* monitor);
  // In another's context.
  Decoder(const Decoder& other, int32_t max_outputs, JobMonitor* monitor);
  Decoder(const Decoder&) = delete;
  Decoder& operator=(const Decoder&) = delete;

  void ThrowIfAborted() const;
  // Whether the running call has generated so many tokens, or the deadline has come. Throws as
  // ThrowIfAborted does.
  bool OutOfBudget(int64_t max_tokens,
                   const std::optional<std::chrono::steady_clock::time_point>& deadline) const;
  // Decodes the batch and waits for its logits.
  void Decode() { DecodeTogether({this}); }
  // As Decode, for several sessions of one context whose tokens are in the batch.
  static void DecodeTogether(const std::vector<Decoder*>& decoders);
  Batch& batch() { return engine_->batch; }
  // The logits at a token of the batch; overwritten by the next decode.
  float* RowOf(int32_t batch_index) const;
  // Where rows of logits stay on the device, what is there, and a row's number in it; null
  // elsewhere.
  DeviceLogits* device_logits() const { return engine_->device_logits(); }
  int32_t DeviceRowOf(int32_t batch_index) const { return engine_->batch.RowOf(batch_index); }

  // For work between decodes, on the threads that decode single tokens.
  int32_t team_size() const { return engine_->team_size(); }
  ThreadTeam& team() { return engine_->team(); }

  const llama_model* model() const { return engine_->model().get(); }
  int32_t vocab_size() const { return vocab_size_; }
  const llama_vocab* vocab() const { return vocab_; }
  int32_t max_outputs() const { return max_outputs_; }  // of its own
  const EngineContext& engine() const { return *engine_; }
  int32_t classes() const { return engine_->classes(); }
  // What the head says of a sequence whose tokens the last decode ended: a number a class.
  std::vector<double> ClassesOf(llama_seq_id sequence) const;
  JobMonitor* monitor() { return monitor_; }
  DecodeCounters decode_counters;

 protected:
  std::shared_ptr<EngineContext> engine_;
  const llama_vocab* vocab_;
  llama_context* context_;
  llama_memory_t memory_;  // null: the model keeps no keys and values
  int32_t vocab_size_;
  int32_t max_outputs_;

 private:
  Decoder(std::shared_ptr<EngineContext> engine, int32_t max_outputs, JobMonitor* monitor);

  JobMonitor* monitor_;
};

}  // namespace llama_ets
