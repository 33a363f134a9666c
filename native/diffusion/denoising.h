// Denoising unmasks texts of a masked diffusion model block by block, with Fast-dLLM's caches and
// parallel decoding.
//
// Each denoising step predicts the masked positions in a text's block, draws a token at each, and
// unmasks some of them. The draw inverts the cumulative distribution in double precision at a
// 53-bit random number; it has the same distribution as an exact Gumbel-max draw. Each step and
// position uses a new random number. A number must not be used again, because the fact that its
// position was not unmasked depends on it.
#pragma once

#include <vector>

#include "diffusion/denoising_schedule.h"

namespace llama_ets {

struct NoisyText {
  std::vector<llama_token> tokens;  // masked positions hold the mask token
  RandomStream stream;
};

struct DenoisedText {
  std::vector<llama_token> tokens;
  std::vector<int32_t> order;         // the step that unmasked a position; -1: not in this call
  std::vector<double> log_probs;      // under the policy; NaN where order is -1
  std::vector<double> raw_log_probs;  // under the model's own softmax without the mask token
  int32_t steps = 0;
  DenoisingFinish finish = DenoisingFinish::kBudget;

  // The result before the call has unmasked any position.
  explicit DenoisedText(const std::vector<llama_token>& noisy);
  // Unmasks a position in `text` and here. `text` is this text after its prompt; `position` counts
  // from the prompt's first token.
  void Unmask(ScheduledText* text, int32_t position, const TokenProbability& drawn, int32_t step);
};

// All texts must have the same length, which is a multiple of the block length. Throws EngineError:
// ERR_INVALID_ARGUMENT when a text is not masked as step `options.from` requires, ERR_CONTEXT_FULL,
// ERR_ABORTED, ERR_INVALID_LOGITS.
std::vector<DenoisedText> Denoise(DiffusionSession* session, const std::vector<NoisyText>& texts,
                                  const DenoisingOptions& options);

}  // namespace llama_ets
