// Runs passes of a diffusion model over texts in given states, packed into as few decodes as
// possible, and gives the rows of logits that predict the requested positions.
#pragma once

#include <cstdint>
#include <functional>
#include <vector>

#include "diffusion/diffusion_session.h"

namespace llama_ets {

// One pass over a text.
struct StateRead {
  const std::vector<llama_token>* tokens;  // prompt and text
  std::vector<int32_t> positions;          // indices in `tokens` to predict; ascending
  // The tokens [first, last) are decoded: the whole text, unless the others are cached.
  int32_t first, last;
  // The slot in which the first view's keys and values are kept; the second view uses the next
  // slot. If negative, the pass keeps none.
  llama_seq_id slot = -1;
};

class StateReader {
 public:
  // With `guidance` above 0 each text also has an unconditional view, in which the first
  // `prompt_length` tokens are masked.
  StateReader(DiffusionSession* session, int32_t prompt_length, double guidance)
      : session_(session), prompt_length_(prompt_length), guidance_(guidance) {}

  int32_t views() const { return guidance_ > 0 ? 2 : 1; }

  // Called after each decode with the reads [begin, end) that were in it. `rows` has for each read
  // one row of logits per position; the mask token's logit is -infinity. The rows are overwritten
  // after the call. If the function returns false, no more reads are done.
  using Use = std::function<bool(size_t begin, size_t end,
                                 const std::vector<std::vector<const float*>>& rows)>;
  // Either all reads have a slot or none has.
  void Read(const std::vector<StateRead>& reads, const Use& use);

 private:
  // Adds as many reads as fit to the batch, from `begin` on. Returns the first read that did not
  // fit.
  size_t Fill(const std::vector<StateRead>& reads, size_t begin);
  void Add(const StateRead& read, llama_seq_id slot);
  std::vector<const float*> RowsOf(const StateRead& read, size_t index) const;

  DiffusionSession* session_;
  const int32_t prompt_length_;
  const double guidance_;
  // For each view of each read in the batch, the batch index of the row of each position.
  std::vector<std::vector<int32_t>> indices_;
  std::vector<llama_token> masked_;  // scratch
};

}  // namespace llama_ets
