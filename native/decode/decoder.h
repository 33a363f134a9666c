// A session's view of the context that it decodes on, alone or with other sessions: the batch and
// its rows of logits, and the session's own counters and aborts. Session and DiffusionSession
// extend it with the data that they keep in the context.
#pragma once

#include <llama.h>

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "decode/engine_context.h"

namespace llama_ets {

// Counters of a session. Times are in nanoseconds. The time of a decode that several sessions share
// counts in each of them.
struct DecodeCounters {
  int64_t decodes = 0;       // calls of llama_decode
  int64_t decode_ns = 0;     // in the engine, until the logits are ready
  int64_t attention_ns = 0;  // the part of decode_ns that shared attention took
  int64_t sampling_ns = 0;   // drawing and scoring tokens from logits
  int64_t device_draws = 0;  // tokens drawn from rows that stayed on the device
  int64_t call_ns = 0;       // whole calls, which decode and sample
};

class Decoder {
 public:
  // Makes a context of its own. `monitor` must outlive the decoder. Throws EngineError
  // ERR_OUT_OF_MEMORY or ERR_UNSUPPORTED_MODEL.
  Decoder(SharedModel model, const DecoderOptions& options, JobMonitor* monitor);
  // Shares the context of another decoder.
  Decoder(const Decoder& other, int32_t max_outputs, JobMonitor* monitor);
  Decoder(const Decoder&) = delete;
  Decoder& operator=(const Decoder&) = delete;

  void ThrowIfAborted() const;
  // Whether the running call has generated `max_tokens` tokens or the deadline has passed. Throws
  // as ThrowIfAborted does.
  bool OutOfBudget(int64_t max_tokens,
                   const std::optional<std::chrono::steady_clock::time_point>& deadline) const;
  // Decodes the batch and waits for its logits.
  void Decode() { DecodeTogether({this}); }
  // Like Decode, for several sessions of one context that have tokens in the batch.
  static void DecodeTogether(const std::vector<Decoder*>& decoders);
  Batch& batch() { return engine_->batch; }
  // The `vocab_size` logits at a token of the batch. The next decode overwrites them.
  float* RowOf(int32_t batch_index) const;
  // The rows of logits on the device, or null where the rows are copied to the host. DeviceRowOf
  // returns the number of a token's row among them.
  DeviceLogits* device_logits() const { return engine_->device_logits(); }
  int32_t DeviceRowOf(int32_t batch_index) const { return engine_->batch.RowOf(batch_index); }

  // For work between decodes, on the threads that decode single tokens.
  int32_t team_size() const { return engine_->team_size(); }
  ThreadTeam& team() { return engine_->team(); }

  const llama_model* model() const { return engine_->model().get(); }
  int32_t vocab_size() const { return vocab_size_; }
  const llama_vocab* vocab() const { return vocab_; }
  // Rows of logits that this decoder may add to one batch.
  int32_t max_outputs() const { return max_outputs_; }
  const EngineContext& engine() const { return *engine_; }
  int32_t classes() const { return engine_->classes(); }
  // The output of the classification head, one number per class, for a sequence whose last token
  // was in the last decode.
  std::vector<double> ClassesOf(llama_seq_id sequence) const;
  JobMonitor* monitor() { return monitor_; }
  DecodeCounters decode_counters;

 protected:
  std::shared_ptr<EngineContext> engine_;
  const llama_vocab* vocab_;
  llama_context* context_;
  llama_memory_t memory_;  // null if the model keeps no keys and values
  int32_t vocab_size_;
  int32_t max_outputs_;

 private:
  Decoder(std::shared_ptr<EngineContext> engine, int32_t max_outputs, JobMonitor* monitor);

  JobMonitor* monitor_;
};

}  // namespace llama_ets
