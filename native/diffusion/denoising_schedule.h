// The order in which a text is denoised: block by block from the left, as in LLaDA (Nie et al.,
// arXiv 2502.09992). The positions of a block are spread evenly over its steps.
#pragma once

#include <llama.h>

#include <array>
#include <chrono>
#include <cstdint>
#include <optional>
#include <vector>

#include "diffusion/diffusion_session.h"
#include "diffusion/unmasking.h"
#include "sampling/philox.h"
#include "sampling/sampler.h"

namespace llama_ets {

struct DenoisingOptions {
  std::vector<llama_token> prompt;
  int32_t block_length;
  int32_t block_steps;  // denoising steps per block
  int32_t from, to;     // the steps to take, from `from` to `to` - 1, counted over all blocks
  Sampling sampling;
  PhiloxKey key;
  Remasking remasking;
  ParallelRule parallel;
  double guidance;  // scale of classifier-free guidance; 0: off
  bool stop_at_end;
  int64_t max_total_tokens;
  std::optional<std::chrono::steady_clock::time_point> deadline;
};

// Words 0..2 of a text's random counter. Word 3 has the step in its upper 16 bits and the position
// in its lower 16 bits.
using RandomStream = std::array<uint32_t, 3>;

// How a text finished. kEnd: it has an end token and no mask before it. kLength: it has no mask and
// no end token. kSchedule: it still has masks, but was denoised up to the step `to`. kBudget: the
// budget was spent first.
enum class DenoisingFinish { kEnd, kLength, kSchedule, kBudget };

// A text, and its current block and step.
struct ScheduledText {
  std::vector<llama_token> tokens;  // prompt and text; masked positions hold the mask token
  int32_t block = 0;
  int32_t block_step = 0;
};

class DenoisingSchedule {
 public:
  // Both arguments must outlive the schedule.
  DenoisingSchedule(const DiffusionSession* session, const DenoisingOptions* options)
      : session_(session),
        options_(options),
        prompt_length_(static_cast<int32_t>(options->prompt.size())) {}

  // The prompt and the text at the step `from`. The error message names the text by `index`. Throws
  // EngineError ERR_INVALID_ARGUMENT when the text is not masked as this step requires.
  ScheduledText Begin(const std::vector<llama_token>& text, size_t index) const;
  // Moves the text to its next step, past blocks that are done. Returns nothing if there is such a
  // step, and otherwise how the text finished.
  std::optional<DenoisingFinish> Advance(ScheduledText* text) const;

  int32_t prompt_length() const { return prompt_length_; }
  // The index in the text's tokens where its block begins, and the index after the block's last
  // token.
  int32_t BlockStart(const ScheduledText& text) const;
  int32_t BlockEnd(const ScheduledText& text) const;
  // The indices of the masked tokens in the text's block; ascending.
  std::vector<int32_t> OpenPositions(const ScheduledText& text) const;
  // The number of positions that the text's step unmasks. Parallel decoding does not use it.
  size_t CountOf(const ScheduledText& text) const;
  int32_t StepOf(const ScheduledText& text) const;
  PhiloxCounter CounterOf(const RandomStream& stream, int32_t step, int32_t position) const;
  // The positions that the text's next pass predicts: all open positions, or, with random
  // remasking, only those that the step unmasks.
  std::vector<int32_t> PositionsToRead(const ScheduledText& text, const RandomStream& stream) const;

 private:
  // The positions that random remasking unmasks. They don't depend on the predicted tokens, so the
  // pass need not predict the others.
  std::vector<int32_t> RandomPositions(const ScheduledText& text, const RandomStream& stream) const;
  std::vector<int32_t> MasksIn(const ScheduledText& text, int32_t first, int32_t last) const;
  void ThrowUnlessOnSchedule(const ScheduledText& text, size_t index) const;
  bool HasEnded(const ScheduledText& text) const;

  const DiffusionSession* session_;
  const DenoisingOptions* options_;
  const int32_t prompt_length_;
};

}  // namespace llama_ets
