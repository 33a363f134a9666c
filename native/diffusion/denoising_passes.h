// The model's passes over texts that are denoised together, and the keys and values that Fast-dLLM
// (arXiv 2505.22618) keeps of each text between the passes of a block. Texts in the same state
// share their full passes.
#pragma once

#include <functional>
#include <optional>
#include <vector>

#include "diffusion/denoising_schedule.h"
#include "diffusion/state_reader.h"

namespace llama_ets {

// A text with the data that passes need.
struct ReadText : ScheduledText {
  size_t index = 0;        // for the caller's use
  llama_seq_id slot = -1;  // the slot of its first view's keys and values; other views follow
  bool cached = false;     // the slot holds what the block's further passes need
  std::vector<int32_t> positions = {};  // indices in `tokens` to predict next, ascending
};

class DenoisingPasses {
 public:
  // All arguments must outlive this object. Empties the session.
  DenoisingPasses(DiffusionSession* session, const DenoisingSchedule* schedule,
                  const DenoisingOptions* options);

  // Like DenoisingSchedule::Advance. A new block makes the cached keys and values invalid.
  std::optional<DenoisingFinish> Advance(ReadText* text) const;

  bool HasFreeSlot() const { return !free_slots_.empty(); }
  llama_seq_id TakeSlot();
  void FreeSlot(llama_seq_id slot);
  // Takes a free slot and copies the keys and values of another slot into it.
  llama_seq_id ForkSlot(llama_seq_id slot);

  // Whether the budget is spent. Checked between decodes, so it may be exceeded by one decode.
  // Throws EngineError ERR_ABORTED.
  bool OutOfBudget() const;

  // Called with texts in the same state, all positions that are predicted for any of them
  // (ascending), and a row of logits for each position. The rows are overwritten after the call.
  // The function may unmask positions.
  using Use =
      std::function<void(const std::vector<ReadText*>& texts, const std::vector<int32_t>& positions,
                         const std::vector<const float*>& rows)>;
  // Runs one pass over every text. Returns false if the budget was spent before all were read.
  bool Run(const std::vector<ReadText*>& texts, const Use& use);

 private:
  using Group = std::vector<ReadText*>;
  StateRead ReadFor(const Group& group, bool full);
  void Keep(const Group& group);

  DiffusionSession* session_;
  const DenoisingSchedule* schedule_;
  const DenoisingOptions* options_;
  StateReader reader_;
  std::vector<llama_seq_id> free_slots_;  // the first slots of texts' views; lowest on top
};

}  // namespace llama_ets
