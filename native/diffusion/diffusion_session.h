// The context of a masked diffusion model, whose tokens attend to their whole text, and the keys
// and values that it keeps of texts between passes. denoising.h and state_scoring.h use it.
#pragma once

#include <llama.h>

#include <cstdint>
#include <vector>

#include "decode/decoder.h"

namespace llama_ets {

// What is kept of a text while one of its blocks is denoised. kNone: nothing. kPrefix: the keys and
// values before the block. kDual: those before and after the block.
enum class DiffusionCache { kNone, kPrefix, kDual };

struct DiffusionSessionOptions {
  int32_t length;     // largest number of tokens of a prompt and its text together
  int32_t max_texts;  // number of texts that are denoised together
  DiffusionCache cache;
  bool single_precision;  // kept keys and values are f32; otherwise f16
  bool guidance;          // room for a second view of each text, with its prompt masked
  // Whether kDual may edit the engine's saved state, after a test that its layout is the known one.
  // If false, the session behaves as if the layout was unknown and uses kPrefix.
  bool knows_state;
  int32_t batch_tokens;  // tokens per decode; at least one text always fits
  int32_t threads;
};

// Counts since the session was made. Passes count texts, not decodes; a text with guidance counts
// twice.
struct DiffusionCounters {
  int64_t full_passes = 0;
  int64_t block_passes = 0;
  int64_t positions = 0;
  int64_t unmasked = 0;
  int64_t scored = 0;
  int64_t shared = 0;  // texts that used the full pass of another text in the same state
};

class DiffusionSession : public Decoder {
 public:
  // Throws as Decoder does, and EngineError ERR_UNSUPPORTED_MODEL if the model has no mask token,
  // or if a cache is asked for and the engine keeps no keys and values of the model. kDual becomes
  // kPrefix if the layout of the engine's saved state is unknown, because keys and values after the
  // block can't be moved then.
  DiffusionSession(SharedModel model, const DiffusionSessionOptions& options, JobMonitor* monitor);

  // Adds the tokens [first, last) of a text to the batch. For each position i at which `row_of` is
  // not negative, sets `row_of[i]` to the batch index of the logits that predict that position.
  void Add(const std::vector<llama_token>& tokens, int32_t first, int32_t last, llama_seq_id slot,
           std::vector<int32_t>* row_of);
  // The first token that a pass must read to predict a position.
  int32_t FirstReadFor(int32_t position) const { return position - shift_; }

  // Reset empties all slots, Clear empties one.
  void Reset();
  void Clear(llama_seq_id slot);
  // Copies the keys and values of a slot to an empty slot.
  void Fork(llama_seq_id from, llama_seq_id to);
  // Removes the keys and values of the tokens from `first` on, except those of a parked suffix.
  void KeepBefore(llama_seq_id slot, int32_t first);
  // Removes the keys and values of the tokens [first, end) of a text and parks those from `end` on:
  // their cells get position 0, which precedes all tokens. llama.cpp requires that the positions of
  // a sequence are consecutive, so decoding could not go on before cells with later positions. It
  // uses the positions only for this check and for causal masks, which diffusion models don't have.
  void ParkSuffix(llama_seq_id slot, int32_t first, int32_t end);

  llama_token mask() const { return mask_; }
  int32_t length() const { return options_.length; }
  int32_t max_texts() const { return options_.max_texts; }
  DiffusionCache cache() const { return options_.cache; }
  bool guidance() const { return options_.guidance; }
  int32_t slots() const { return spare_; }
  int32_t batch_size() const { return batch_size_; }
  DiffusionCounters counters;

 private:
  DiffusionSession(SharedModel model, const DiffusionSessionOptions& options,
                   const DecoderOptions& decoder, JobMonitor* monitor);
  // Tries on two tokens whether ParkSuffix works.
  bool CanParkSuffix();
  // Does the work of ParkSuffix. Returns false if the layout of the state is unknown; the suffix is
  // then lost.
  bool MoveSuffix(llama_seq_id slot, int32_t first, int32_t end);

  DiffusionSessionOptions options_;
  const int32_t batch_size_;
  llama_token mask_;
  int32_t shift_;               // 1: the logits at a token predict the next one
  int32_t offset_;              // added to positions, so that 0 is free for parked suffixes
  llama_seq_id spare_;          // a slot that is used to move cells
  std::vector<uint8_t> state_;  // scratch
};

}  // namespace llama_ets
