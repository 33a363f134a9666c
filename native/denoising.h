// Denoising: texts of a masked diffusion model, unmasked block by block from the left, as LLaDA
// does (Nie et al., arXiv 2502.09992), with Fast-dLLM's caches and parallel decoding.
//
// At each denoising step a text's masked positions in its block are predicted, a token is drawn at
// each, and some are unmasked. The draw inverts the cumulative distribution in double precision at
// a 53-bit random number, which has the law of an exact Gumbel-max draw. Random numbers are fresh
// at each step and position: what was not unmasked says something of the number it was drawn with.
// Texts in the same state share their full passes.
#pragma once

#include <array>
#include <chrono>
#include <optional>
#include <vector>

#include "diffusion_session.h"
#include "philox.h"
#include "sampler.h"
#include "unmasking.h"

namespace llama_ets {

struct NoisyText {
  std::vector<llama_token> tokens;  // the mask token where masked
  // Words 0..2 of the random counter; word 3 is the step in the upper half, the position below.
  std::array<uint32_t, 3> stream;
};

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

// kEnd: it has an end token and no mask before it; kLength: neither; kSchedule: it was denoised up
// to `to`; kBudget: the budget came first.
enum class DenoisingFinish { kEnd, kLength, kSchedule, kBudget };

struct DenoisedText {
  std::vector<llama_token> tokens;
  std::vector<int32_t> order;         // the step that unmasked a position; -1: none of this call
  std::vector<double> log_probs;      // under the policy; NaN where order is -1
  std::vector<double> raw_log_probs;  // under the model's own softmax without the mask token
  int32_t steps = 0;
  DenoisingFinish finish = DenoisingFinish::kBudget;
};

// The texts are all of one length, a multiple of the block's. Throws EngineError:
// ERR_INVALID_ARGUMENT when a text's masks are not those of the step `from`, ERR_CONTEXT_FULL,
// ERR_ABORTED, ERR_INVALID_LOGITS.
std::vector<DenoisedText> Denoise(DiffusionSession* session, const std::vector<NoisyText>& texts,
                                  const DenoisingOptions& options);

}  // namespace llama_ets
