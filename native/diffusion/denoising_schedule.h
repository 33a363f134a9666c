// The course of a text through denoising: block by block from the left, each in a number of steps
// that its positions are spread over, as LLaDA does (Nie et al., arXiv 2502.09992).
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
  int32_t block_steps;  // denoising steps of a block
  int32_t from, to;     // steps, counted over all blocks
  Sampling sampling;
  PhiloxKey key;
  Remasking remasking;
  ParallelRule parallel;
  double guidance;
  bool stop_at_end;
  int64_t max_total_tokens;
  std::optional<std::chrono::steady_clock::time_point> deadline;
};

// Words 0..2 of a text's random counter; word 3 is the step in the upper half, the position below.
using RandomStream = std::array<uint32_t, 3>;

// kEnd: it has an end token and no mask before it; kLength: neither; kSchedule: it was denoised up
// to `to`; kBudget: the budget came first.
enum class DenoisingFinish { kEnd, kLength, kSchedule, kBudget };

// A text and how far it is.
struct ScheduledText {
  std::vector<llama_token> tokens;  // prompt and text, the mask token where masked
  int32_t block = 0;
  int32_t block_step = 0;
};

class DenoisingSchedule {
 public:
  // Both outlive the schedule.
  DenoisingSchedule(const DiffusionSession* session, const DenoisingOptions* options)
      : session_(session),
        options_(options),
        prompt_length_(static_cast<int32_t>(options->prompt.size())) {}

  // The text, the `index`-th of the call, at the step `from`. Throws EngineError
  // ERR_INVALID_ARGUMENT when its masks are not those that the step finds.
  ScheduledText Begin(const std::vector<llama_token>& text, size_t index) const;
  // Finds the text's next step, past blocks that are done; nothing but how it ended is left of one
  // that is finished.
  std::optional<DenoisingFinish> Advance(ScheduledText* text) const;

  int32_t prompt_length() const { return prompt_length_; }
  // Where the text's block begins and ends, in its tokens.
  int32_t BlockStart(const ScheduledText& text) const;
  int32_t BlockEnd(const ScheduledText& text) const;
  // The masked positions of the text's block, in its tokens; ascending.
  std::vector<int32_t> OpenPositions(const ScheduledText& text) const;
  // Positions that the text's step unmasks, unless parallel decoding chooses.
  size_t CountOf(const ScheduledText& text) const;
  int32_t StepOf(const ScheduledText& text) const;
  PhiloxCounter CounterOf(const RandomStream& stream, int32_t step, int32_t position) const;
  // The positions that the text's next pass predicts: the open ones, or, under random remasking,
  // those that it unmasks.
  std::vector<int32_t> PositionsToRead(const ScheduledText& text, const RandomStream& stream) const;

 private:
  // They don't depend on the tokens, so that no other need be predicted.
  std::vector<int32_t> RandomPositions(const ScheduledText& text, const RandomStream& stream) const;
  std::vector<int32_t> MasksIn(const ScheduledText& text, int32_t first, int32_t last) const;
  void ThrowUnlessOnSchedule(const ScheduledText& text, size_t index) const;
  bool HasEnded(const ScheduledText& text) const;

  const DiffusionSession* session_;
  const DenoisingOptions* options_;
  const int32_t prompt_length_;
};

}  // namespace llama_ets
