// Passes of a diffusion model over texts in given states, packed into as few decodes as fit, and
// the rows of logits that predict the positions asked for.
#pragma once

#include <cstdint>
#include <functional>
#include <vector>

#include "diffusion/diffusion_session.h"

namespace llama_ets {

// One pass over a text.
struct StateRead {
  const std::vector<llama_token>* tokens;  // prompt and text
  std::vector<int32_t> positions;          // to predict, in `tokens`; ascending
  // Tokens decoded; the whole text, unless the others are cached.
  int32_t first, last;
  // Where keys and values are kept: a slot a view. Without, the pass leaves none.
  llama_seq_id slot = -1;
};

class StateReader {
 public:
  // `guidance`: 0 is off. The first `prompt_length` tokens are masked in the unconditional view.
  StateReader(DiffusionSession* session, int32_t prompt_length, double guidance)
      : session_(session), prompt_length_(prompt_length), guidance_(guidance) {}

  int32_t views() const { return guidance_ > 0 ? 2 : 1; }

  // Called after each decode with the reads in it, and for each its rows, one a position, where the
  // mask token has no probability. The rows are overwritten after the call. False: reads no more.
  using Use = std::function<bool(size_t begin, size_t end,
                                 const std::vector<std::vector<const float*>>& rows)>;
  // All of the reads keep keys and values, or none does.
  void Read(const std::vector<StateRead>& reads, const Use& use);

 private:
  // Adds reads from `begin` on to the batch, as many as fit; returns the first that does not.
  size_t Fill(const std::vector<StateRead>& reads, size_t begin);
  void Add(const StateRead& read, llama_seq_id slot);
  std::vector<const float*> RowsOf(const StateRead& read, size_t index) const;

  DiffusionSession* session_;
  const int32_t prompt_length_;
  const double guidance_;
  // The batch indices of rows, by position: for each read in the batch, those of each view.
  std::vector<std::vector<int32_t>> indices_;
  std::vector<llama_token> masked_;  // scratch
};

}  // namespace llama_ets
