// The sequences of an autoregressive model's context, or of one partition of it: create, fork,
// truncate, free. Decode tasks (prefilling.h, generation.h, scoring.h and others) run on it.
#pragma once

#include <llama.h>

#include <cstdint>
#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

#include "decode/cells.h"
#include "decode/decoder.h"

namespace llama_ets {

// One row of n_vocab logits, shared by a sequence and its forks.
using LogitsRow = std::shared_ptr<const std::vector<float>>;
// Names a sequence; unique in the process, so a stale one, or another context's, is recognised.
using SequenceHandle = int64_t;

struct Sequence {
  llama_seq_id slot;
  llama_pos length;
  CellPath cells;
  LogitsRow next;  // the distribution after the last token; null for an empty or truncated sequence
  bool is_lost = false;  // its cache holds another text than it says: it can only be freed
};

// Tokens and time since the context was made. Each generated token is decoded at most once, and
// only if something follows it.
struct Counters {
  int64_t prefilled = 0;
  int64_t generated = 0;
  int64_t decoded = 0;  // generated tokens fed back to the model
  int64_t scored = 0;
  int64_t forks = 0;
  int64_t restored = 0;  // tokens that came from saved texts
};

// What a sequence held, outside of its context. Contexts of its model that compute attention in the
// same way can take it over.
struct SavedText {
  std::weak_ptr<llama_model> model;
  std::vector<uint8_t> state;  // as llama_state_seq_get_data writes it
  llama_pos length;
  LogitsRow next;

  size_t bytes() const { return state.size() + (next ? next->size() * sizeof(float) : 0); }
};

// What a session takes over of another's context.
struct PartitionOptions {
  int64_t cells;
  int32_t max_sequences;
  int32_t max_outputs;
};

class Session : public Decoder {
 public:
  // Throws as Decoder does, and EngineError ERR_UNSUPPORTED_MODEL.
  Session(SharedModel model, const DecoderOptions& options, JobMonitor* monitor);
  // In the lender's context, with cells and sequences that the lender goes without until this
  // session ends. Throws EngineError ERR_CONTEXT_FULL when the lender has fewer free.
  Session(std::shared_ptr<Session> lender, const PartitionOptions& options, JobMonitor* monitor);
  ~Session();

  SequenceHandle Create();
  SequenceHandle Fork(SequenceHandle parent);
  void Truncate(SequenceHandle sequence, llama_pos length);
  void Free(SequenceHandle sequence);
  void Clear();
  LogitsRow Logits(SequenceHandle sequence) const;
  // Throws EngineError ERR_ENGINE_FAILED when the engine can't.
  std::shared_ptr<const SavedText> Save(SequenceHandle sequence) const;
  // A new sequence with the first `length` tokens of a saved text; with less than all of them it
  // has no logits. Throws EngineError: ERR_INVALID_ARGUMENT, ERR_CONTEXT_FULL when the whole text
  // does not fit, ERR_UNSUPPORTED_MODEL when it can't be cut, ERR_ENGINE_FAILED when the engine
  // doesn't take it.
  SequenceHandle Restore(const SavedText& text, llama_pos length);
  // Milliseconds for each of `count` decodes of one token on `threads` threads; stops early, with
  // what it has, once their sum passes `limit_ms`.
  std::vector<double> TimeDecodes(int32_t threads, int32_t count, double limit_ms);

  // For decode tasks. Throws EngineError: ERR_DISPOSED, ERR_INVALID_STATE for a lost sequence.
  const Sequence& Get(SequenceHandle handle) const;
  Sequence& Get(SequenceHandle handle);
  Sequence ForkSlot(const Sequence& parent);
  void FreeSlot(Sequence* sequence);
  // Takes what was decoded of a sequence behind its length out of the cache. Neither a recurrent
  // state nor a sliding window can go back: the sequence is lost then, with its cells.
  void Undo(Sequence* sequence);
  SequenceHandle Adopt(Sequence sequence);
  LogitsRow CopyRow(int32_t batch_index) const;
  // Throws EngineError ERR_CONTEXT_FULL: `what` needs so many sequences and KV cells.
  [[noreturn]] void ThrowFull(const std::string& what, int64_t sequences, int64_t cells) const;

  int64_t free_cells() const { return cells_ - used_cells_; }
  int64_t cells() const { return cells_; }
  int64_t used_cells() const { return used_cells_; }
  int32_t free_slots() const { return static_cast<int32_t>(free_slots_.size()); }
  size_t sequence_count() const { return sequences_.size(); }
  Counters counters;

 private:
  Sequence TakeSlot();
  Sequence& Find(SequenceHandle handle);
  // Then llama.cpp gives cells that the window has passed to other tokens.
  bool slides_window() const;
  bool is_shared() const { return engine_.use_count() > 1; }

  const std::shared_ptr<Session> lender_;  // null: it made the context
  int64_t cells_ = 0;
  int64_t used_cells_ = 0;
  std::vector<llama_seq_id> free_slots_;  // a stack, lowest on top
  std::unordered_map<SequenceHandle, Sequence> sequences_;
};

}  // namespace llama_ets
