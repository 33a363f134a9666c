// Log-probabilities of tokens at positions of texts in given states, by full passes.
#pragma once

#include <vector>

#include "diffusion/diffusion_session.h"
#include "sampling/sampler.h"

namespace llama_ets {

struct ScoredState {
  std::vector<llama_token> tokens;
  std::vector<llama_token> targets;  // one a position; -1: none
};

// For each state one log-probability a position under `sampling`; NaN where there is no target.
// Throws EngineError ERR_ABORTED or ERR_INVALID_LOGITS.
std::vector<std::vector<double>> ScoreStates(DiffusionSession* session,
                                             const std::vector<llama_token>& prompt,
                                             const std::vector<ScoredState>& states,
                                             const Sampling& sampling, double guidance);

}  // namespace llama_ets
