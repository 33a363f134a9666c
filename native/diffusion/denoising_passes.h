// The passes of texts that are denoised side by side, and the keys and values that Fast-dLLM
// (arXiv 2505.22618) keeps of each between the passes of a block. Texts in the same state share
// their full passes.
#pragma once

#include <functional>
#include <optional>
#include <vector>

#include "diffusion/denoising_schedule.h"
#include "diffusion/state_reader.h"

namespace llama_ets {

// A text that passes read.
struct ReadText : ScheduledText {
  size_t index = 0;        // the caller's
  llama_seq_id slot = -1;  // where its keys and values are kept; the first of its views
  bool cached = false;     // the slot holds what the block's further passes need
  std::vector<int32_t> positions = {};  // to predict in the coming pass; in `tokens`, ascending
};

class DenoisingPasses {
 public:
  // All outlive the passes. Empties the session.
  DenoisingPasses(DiffusionSession* session, const DenoisingSchedule* schedule,
                  const DenoisingOptions* options);

  // As the schedule does; what is cached is of one block.
  std::optional<DenoisingFinish> Advance(ReadText* text) const;

  bool HasFreeSlot() const { return !free_slots_.empty(); }
  llama_seq_id TakeSlot();
  void FreeSlot(llama_seq_id slot);
  // Takes a slot that holds what another does.
  llama_seq_id ForkSlot(llama_seq_id slot);

  // Whether the budget has ended: checked between decodes, so that it holds within one. Throws
  // EngineError ERR_ABORTED.
  bool OutOfBudget() const;

  // Called with texts in one state, the positions predicted for any of them, ascending, and for
  // each a row of logits, which is overwritten after the call. It may unmask positions.
  using Use =
      std::function<void(const std::vector<ReadText*>& texts, const std::vector<int32_t>& positions,
                         const std::vector<const float*>& rows)>;
  // One pass of every text, or, with false, of as many as the budget allowed.
  bool Run(const std::vector<ReadText*>& texts, const Use& use);

 private:
  using Group = std::vector<ReadText*>;
  StateRead ReadFor(const Group& group, bool full);
  void Keep(const Group& group);

  DiffusionSession* session_;
  const DenoisingSchedule* schedule_;
  const DenoisingOptions* options_;
  StateReader reader_;
  std::vector<llama_seq_id> free_slots_;  // each the first of a text's views; lowest on top
};

}  // namespace llama_ets
