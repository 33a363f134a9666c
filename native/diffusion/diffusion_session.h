// The context of a masked diffusion model, whose tokens attend to all of their text, and the keys
// and values it keeps of texts between passes; denoising.h and state_scoring.h run on it.
#pragma once

#include <llama.h>

#include <cstdint>
#include <vector>

#include "decode/decoder.h"

namespace llama_ets {

// What is kept of a text while a block of it is denoised: nothing, the keys and values of what is
// before the block, or of what is before and after it.
enum class DiffusionCache { kNone, kPrefix, kDual };

struct DiffusionSessionOptions {
  int32_t length;     // of the longest prompt and text together
  int32_t max_texts;  // side by side
  DiffusionCache cache;
  bool single_precision;  // of kept keys and values; else half
  bool guidance;          // room for a second view of each text, with its prompt masked
  // Whether the engine's state may be taken for the known one, after a look; false: as where it has
  // another layout.
  bool knows_state;
  int32_t batch_tokens;  // of one decode, where more than one text fits
  int32_t threads;
};

// Passes count texts, not decodes; a guided text counts twice.
struct DiffusionCounters {
  int64_t full_passes = 0;
  int64_t block_passes = 0;
  int64_t positions = 0;
  int64_t unmasked = 0;
  int64_t scored = 0;
  int64_t shared = 0;  // texts that got their full pass from another in the same state
};

class DiffusionSession : public Decoder {
 public:
  // Throws as Decoder does, and EngineError ERR_UNSUPPORTED_MODEL: no diffusion model, or one that
  // keeps no keys and values where a cache is asked for. Keeps those before a block alone where the
  // engine's state has a layout by which those after it can't be moved.
  DiffusionSession(SharedModel model, const DiffusionSessionOptions& options, JobMonitor* monitor);

  // Adds tokens [first, last) of a text to the batch. `row_of[i]` becomes the batch index of the
  // logits that predict position i, for those where it is not negative.
  void Add(const std::vector<llama_token>& tokens, int32_t first, int32_t last, llama_seq_id slot,
           std::vector<int32_t>* row_of);
  // The first token that a pass must read so that position i is predicted.
  int32_t FirstReadFor(int32_t position) const { return position - shift_; }

  // Empties all slots, or one.
  void Reset();
  void Clear(llama_seq_id slot);
  // Makes an empty slot hold what another does.
  void Fork(llama_seq_id from, llama_seq_id to);
  // Takes out what was computed of the tokens from `first` on, but for a parked suffix.
  void KeepBefore(llama_seq_id slot, int32_t first);
  // Takes out the tokens [first, end) of a text, and moves those from `end` on to where decoding
  // goes on before them: llama.cpp asks that the positions of a sequence are consecutive, but reads
  // them only there and to mask what is causal.
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
  // Whether ParkSuffix works, by trying it on two tokens.
  bool CanParkSuffix();
  // ParkSuffix; false, and the suffix is lost, where the state has another layout.
  bool MoveSuffix(llama_seq_id slot, int32_t first, int32_t end);

  DiffusionSessionOptions options_;
  const int32_t batch_size_;
  llama_token mask_;
  int32_t shift_;               // 1: the logits at a token predict the next one
  int32_t offset_;              // of llama.cpp's positions, leaving 0 to parked suffixes
  llama_seq_id spare_;          // a slot for moving cells
  std::vector<uint8_t> state_;  // scratch
};

}  // namespace llama_ets
