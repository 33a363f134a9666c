// Computes log-probabilities of tokens at positions of texts in given states, with full passes.
#pragma once

#include <vector>

#include "diffusion/diffusion_session.h"
#include "sampling/sampler.h"

namespace llama_ets {

struct ScoredState {
  std::vector<llama_token> tokens;
  std::vector<llama_token> targets;  // the token to score at each position; -1: none
};

// Returns for each state one log-probability per position, under `sampling`; NaN without a target.
// Throws EngineError ERR_ABORTED or ERR_INVALID_LOGITS.
std::vector<std::vector<double>> ScoreStates(DiffusionSession* session,
                                             const std::vector<llama_token>& prompt,
                                             const std::vector<ScoredState>& states,
                                             const Sampling& sampling, double guidance);

}  // namespace llama_ets
