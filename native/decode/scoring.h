// Teacher-forced scoring: log-probabilities of given continuations of cached sequences.
#pragma once

#include <vector>

#include "decode/session.h"
#include "sampling/sampler.h"

namespace llama_ets {

struct ScoreRequest {
  SequenceHandle parent;
  std::vector<llama_token> tokens;
};

struct Scores {
  std::vector<double> log_probs;      // under `sampling`; -inf outside its support
  std::vector<double> raw_log_probs;  // under the model's softmax
  std::vector<double> entropies;      // these two hold a number a token when asked for
  std::vector<double> self_certainties;
};

// Scores all continuations, packing their tokens into as few decodes as fit. Each is forked from
// its parent: the first token is scored from the parent's stored logits, the last is not decoded,
// and the forks are freed. Throws EngineError as Generate does.
std::vector<Scores> Score(Session* session, const std::vector<ScoreRequest>& requests,
                          const Sampling& sampling, Metrics metrics);

}  // namespace llama_ets
