// Expansion: texts grown by a given token each, and the most probable tokens that come next. What a
// beam search does at every position, for all its hypotheses in one batch.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "decode/session.h"
#include "sampling/sampler.h"

namespace llama_ets {

struct ExpandRequest {
  SequenceHandle parent;
  std::optional<llama_token> token;  // none: the parent as it is, from its stored logits
};

struct Expansion {
  SequenceHandle sequence;  // a fork of the parent that holds the token too
  std::vector<TokenProbability> next;
};

// Forks each parent, appends its token, and ranks the `count` most probable next ones under
// `sampling`. The sequences hold no logits: they are to be expanded further, or freed. Throws
// EngineError as Generate does; then nothing of the call is kept.
std::vector<Expansion> Expand(Session* session, const std::vector<ExpandRequest>& requests,
                              size_t count, const Sampling& sampling);

}  // namespace llama_ets
