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
// Identifies a sequence. Handles are unique in the process, so a handle of a freed sequence or of
// another context is recognized.
using SequenceHandle = int64_t;

struct Sequence {
  llama_seq_id slot;
  llama_pos length;
  CellPath cells;
  LogitsRow next;        // the logits after the last token; null for an empty or truncated sequence
  bool is_lost = false;  // its text is no longer in the cache (Undo): it can only be freed
};

// Counts since the session was made. Each generated token is decoded at most once, and only if
// something follows it.
struct Counters {
  int64_t prefilled = 0;
  int64_t generated = 0;
  int64_t decoded = 0;  // generated tokens fed back to the model
  int64_t scored = 0;
  int64_t forks = 0;
  int64_t restored = 0;  // tokens that came from saved texts
};

// A copy of a sequence's text and state outside its context. Contexts of the same model that
// compute attention in the same way can restore it.
struct SavedText {
  std::weak_ptr<llama_model> model;
  std::vector<uint8_t> state;  // as llama_state_seq_get_data writes it
  llama_pos length;
  LogitsRow next;

  size_t bytes() const { return state.size() + (next ? next->size() * sizeof(float) : 0); }
};

// The part of another session's context that a session takes over.
struct PartitionOptions {
  int64_t cells;
  int32_t max_sequences;
  int32_t max_outputs;
};

class Session : public Decoder {
 public:
  // Makes a context. Throws as Decoder does, and EngineError ERR_UNSUPPORTED_MODEL when the model
  // has no KV cache.
  Session(SharedModel model, const DecoderOptions& options, JobMonitor* monitor);
  // Uses the lender's context, and takes cells and sequences from the lender until this session
  // ends. Throws EngineError ERR_CONTEXT_FULL when the lender has fewer of them free.
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
  // Makes a new sequence with the first `length` tokens of a saved text. The sequence has no logits
  // if `length` is less than the length of the text. Throws EngineError: ERR_INVALID_ARGUMENT,
  // ERR_CONTEXT_FULL when the whole text does not fit, ERR_UNSUPPORTED_MODEL when the text can't be
  // truncated, ERR_ENGINE_FAILED when the engine does not accept the state.
  SequenceHandle Restore(const SavedText& text, llama_pos length);
  // Measures the milliseconds of each of `count` decodes of one token on `threads` threads. Stops
  // early, and returns fewer numbers, once their sum reaches `limit_ms`. The counters stay
  // unchanged.
  std::vector<double> TimeDecodes(int32_t threads, int32_t count, double limit_ms);

  // The methods below are for decode tasks. Get throws EngineError: ERR_DISPOSED for a handle that
  // is not of this session, ERR_INVALID_STATE for a lost sequence.
  const Sequence& Get(SequenceHandle handle) const;
  Sequence& Get(SequenceHandle handle);
  Sequence ForkSlot(const Sequence& parent);
  void FreeSlot(Sequence* sequence);
  // Removes from the cache what was decoded of a sequence after its length. A recurrent state and a
  // sliding window can't go back: the whole sequence is then removed, its cells are freed, and it
  // is marked as lost.
  void Undo(Sequence* sequence);
  SequenceHandle Adopt(Sequence sequence);
  LogitsRow CopyRow(int32_t batch_index) const;
  // Throws EngineError ERR_CONTEXT_FULL, which says that `what` needs this many sequences and KV
  // cells, and how many are free.
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
  // Whether the model's attention has a sliding window. llama.cpp then reuses cells that the window
  // has passed, so earlier positions can't be restored by truncation.
  bool slides_window() const;
  bool is_shared() const { return engine_.use_count() > 1; }

  const std::shared_ptr<Session> lender_;  // null if this session made the context
  int64_t cells_ = 0;
  int64_t used_cells_ = 0;
  std::vector<llama_seq_id> free_slots_;  // a stack, lowest on top
  std::unordered_map<SequenceHandle, Sequence> sequences_;
};

}  // namespace llama_ets
