// Denoising: texts of a masked diffusion model, unmasked block by block, with Fast-dLLM's caches
// and parallel decoding.
//
// At each denoising step a text's masked positions in its block are predicted, a token is drawn at
// each, and some are unmasked. The draw inverts the cumulative distribution in double precision at
// a 53-bit random number, which has the law of an exact Gumbel-max draw. Random numbers are fresh
// at each step and position: what was not unmasked says something of the number it was drawn with.
#pragma once

#include <vector>

#include "diffusion/denoising_schedule.h"

namespace llama_ets {

struct NoisyText {
  std::vector<llama_token> tokens;  // the mask token where masked
  RandomStream stream;
};

struct DenoisedText {
  std::vector<llama_token> tokens;
  std::vector<int32_t> order;         // the step that unmasked a position; -1: none of this call
  std::vector<double> log_probs;      // under the policy; NaN where order is -1
  std::vector<double> raw_log_probs;  // under the model's own softmax without the mask token
  int32_t steps = 0;
  DenoisingFinish finish = DenoisingFinish::kBudget;

  // As far as the call has not unmasked anything.
  explicit DenoisedText(const std::vector<llama_token>& noisy);
  // Unmasks a position of `text`, which is this one behind its prompt.
  void Unmask(ScheduledText* text, int32_t position, const TokenProbability& drawn, int32_t step);
};

// The texts are all of one length, a multiple of the block's. Throws EngineError:
// ERR_INVALID_ARGUMENT when a text's masks are not those of the step `from`, ERR_CONTEXT_FULL,
// ERR_ABORTED, ERR_INVALID_LOGITS.
std::vector<DenoisedText> Denoise(DiffusionSession* session, const std::vector<NoisyText>& texts,
                                  const DenoisingOptions& options);

}  // namespace llama_ets
