// Beam search over denoising steps: the most probable texts of a masked diffusion model.
//
// A step unmasks the positions that the remasking rule would choose if each position got its most
// probable token (with random remasking: the positions that the random numbers choose), and tries
// the most probable tokens there. The positions depend only on the text before the step, so there
// is only one path to each text. The log-probability of a text is the sum over its tokens, each
// given the text before its step. With a width of 1 the search is greedy denoising.
#pragma once

#include <vector>

#include "diffusion/denoising.h"

namespace llama_ets {

struct Hypothesis {
  std::vector<llama_token> tokens;  // masked positions hold the mask token
  double log_prob;                  // of all tokens that are not masked
};

struct SearchOptions {
  DenoisingOptions denoising;  // without parallel decoding; texts stop at their end
  RandomStream stream;         // all hypotheses use the same
  size_t width;                // the number of hypotheses that go on
  size_t wanted;               // the search stops once this many texts have ended
};

struct FoundText {
  DenoisedText text;  // it has ended if its finish is kEnd or kLength; else it could go on
  double log_prob;    // of all unmasked tokens
  size_t origin;      // the index of the hypothesis from which it was extended
};

// Extends the hypotheses step by step, up to the step `to`. Each step keeps the `width` most
// probable extensions that go on, and the more probable ones that end. The texts that ended come in
// the order of the steps in which they ended. With a cache, the session must have room for `width`
// texts. Throws as Denoise does.
std::vector<FoundText> SearchTexts(DiffusionSession* session,
                                   const std::vector<Hypothesis>& hypotheses,
                                   const SearchOptions& options);

}  // namespace llama_ets
