// Classification of texts by a model with a classification head: rank pooling, in llama.cpp's
// words.
#pragma once

#include <vector>

#include "decode/session.h"

namespace llama_ets {

struct ClassificationRequest {
  SequenceHandle parent;
  std::vector<llama_token> tokens;  // what follows the parent; at least one
};

// The number of each class (a probability, for the architectures that have classifiers) at the end
// of each text, all packed into as few decodes as fit. Texts are forked from their parents, and the
// forks are freed. Throws EngineError: ERR_INVALID_STATE where the session does not classify,
// ERR_CONTEXT_FULL when a text can't fit even alone, ERR_ABORTED.
std::vector<std::vector<double>> Classify(Session* session,
                                          const std::vector<ClassificationRequest>& requests);

}  // namespace llama_ets
