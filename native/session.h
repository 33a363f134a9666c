// One llama_context and its sequences: create, fork, truncate, free, prefill; generation.h and
// scoring.h run on it. Lives on its engine thread (worker.h): nothing here is locked, and nothing
// here knows of JavaScript.
#pragma once

#include <llama.h>

#include <cstdint>
#include <memory>
#include <unordered_map>
#include <vector>

#include "batch.h"
#include "cells.h"
#include "job_monitor.h"
#include "thread_team.h"

namespace llama_ets {

// A loaded model; freed when its last owner (Model or Session) lets go.
using SharedModel = std::shared_ptr<llama_model>;
// One row of n_vocab logits, shared by a sequence and its forks.
using LogitsRow = std::shared_ptr<const std::vector<float>>;
// Names a sequence; unique in the process, so a stale one, or another context's, is recognised.
using SequenceHandle = int64_t;

struct SessionOptions {
  uint32_t cells;           // KV cells shared by all sequences
  uint32_t max_sequences;   // at most 256
  uint32_t batch_size;      // tokens a decode
  uint32_t max_outputs;     // rows of logits a decode
  int32_t threads;          // for single tokens
  int32_t batch_threads;    // for prompts
  int32_t flash_attention;  // -1 automatic, 0 off, 1 on
};

struct Sequence {
  llama_seq_id slot;
  llama_pos length;
  CellPath cells;
  LogitsRow next;  // the distribution after the last token; null for an empty or truncated sequence
};

struct PrefillRequest {
  SequenceHandle sequence;
  std::vector<llama_token> tokens;
};

// Tokens and time since the context was made. Each generated token is decoded at most once, and
// only if something follows it.
struct Counters {
  int64_t prefilled = 0;
  int64_t generated = 0;
  int64_t decoded = 0;  // generated tokens fed back to the model
  int64_t scored = 0;
  int64_t forks = 0;
  int64_t decodes = 0;      // calls of llama_decode
  int64_t decode_ns = 0;    // in the engine, until the logits are there
  int64_t sampling_ns = 0;  // drawing and scoring tokens from logits
  int64_t call_ns = 0;      // the whole of prefill, generate and score calls
};

class Session {
 public:
  // `monitor` outlives the session: the engine stops within a few milliseconds once it says
  // aborted (CPU only; a GPU finishes its batch). Throws EngineError ERR_OUT_OF_MEMORY.
  Session(SharedModel model, const SessionOptions& options, JobMonitor* monitor);
  ~Session();
  Session(const Session&) = delete;
  Session& operator=(const Session&) = delete;

  void ThrowIfAborted() const;

  SequenceHandle Create();
  SequenceHandle Fork(SequenceHandle parent);
  void Truncate(SequenceHandle sequence, llama_pos length);
  void Free(SequenceHandle sequence);
  void Clear();
  // Appends tokens to sequences, packed into as few decodes as fit, and stores the logits after
  // each one's last. On an error nothing is appended to any of them.
  void Prefill(const std::vector<PrefillRequest>& requests);
  LogitsRow Logits(SequenceHandle sequence) const;
  // Milliseconds for each of `count` decodes of one token on `threads` threads; stops early, with
  // what it has, once their sum passes `limit_ms`.
  std::vector<double> TimeDecodes(int32_t threads, int32_t count, double limit_ms);
  void SetThreads(int32_t threads, int32_t batch_threads);

  // For generation and scoring.
  const Sequence& Get(SequenceHandle handle) const;
  Sequence ForkSlot(const Sequence& parent);
  void FreeSlot(Sequence* sequence);
  SequenceHandle Adopt(Sequence sequence);
  // Decodes the batch and waits for its logits; cells are accounted for by the caller.
  void Decode();
  Batch& batch() { return batch_; }
  const float* RowOf(int32_t batch_index) const;
  LogitsRow CopyRow(int32_t batch_index) const;

  // For work between decodes, on the threads that decode single tokens.
  int32_t team_size() const;
  ThreadTeam& team();

  int32_t vocab_size() const { return vocab_size_; }
  const llama_vocab* vocab() const { return vocab_; }
  int64_t free_cells() const { return cells_ - used_cells_; }
  int64_t cells() const { return cells_; }
  int64_t used_cells() const { return used_cells_; }
  int32_t free_slots() const { return static_cast<int32_t>(free_slots_.size()); }
  int32_t max_outputs() const { return max_outputs_; }
  size_t sequence_count() const { return sequences_.size(); }
  JobMonitor* monitor() { return monitor_; }
  Counters counters;

 private:
  Sequence& Find(SequenceHandle handle);
  Sequence TakeSlot();
  static bool OnAbortCheck(void* self);

  SharedModel model_;
  const llama_vocab* vocab_;
  llama_context* context_ = nullptr;
  llama_memory_t memory_ = nullptr;
  int32_t vocab_size_;
  int64_t cells_ = 0;
  int64_t used_cells_ = 0;
  int32_t max_outputs_;
  int32_t threads_;
  int32_t batch_threads_;
  Batch batch_;
  std::vector<llama_seq_id> free_slots_;  // a stack, lowest on top
  std::unordered_map<SequenceHandle, Sequence> sequences_;
  JobMonitor* monitor_;
  std::unique_ptr<ThreadTeam> team_;  // made when first needed
};

}  // namespace llama_ets
