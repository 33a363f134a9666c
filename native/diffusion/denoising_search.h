// Beam search over denoising steps: the most probable texts of a masked diffusion model.
//
// A step unmasks the positions that the remasking rule would choose if each had its most probable
// token (of random remasking: those that the random numbers say), and tries the most probable
// tokens there. Positions follow from the text before the step, so that each text has one way to
// it; log p is that of its tokens, each given the text before its step. One hypothesis alone is
// greedy denoising.
#pragma once

#include <vector>

#include "diffusion/denoising.h"

namespace llama_ets {

struct Hypothesis {
  std::vector<llama_token> tokens;  // the mask token where masked
  double log_prob;                  // of those that are not
};

struct SearchOptions {
  DenoisingOptions denoising;  // without parallel decoding; texts stop at their end
  RandomStream stream;         // of all hypotheses
  size_t width;                // hypotheses that go on
  size_t wanted;               // texts that may end before the search does
};

struct FoundText {
  DenoisedText text;  // kEnd and kLength: it has ended; else it could go on
  double log_prob;    // of all that is unmasked
  size_t origin;      // the hypothesis that it was
};

// Extends the hypotheses by one step after the other, up to the step `to`, and keeps the `width`
// most probable that go on, and those above them that end. Those that ended are in the order of
// their steps. With a cache, the session has room for `width` texts. Throws as Denoise does.
std::vector<FoundText> SearchTexts(DiffusionSession* session,
                                   const std::vector<Hypothesis>& hypotheses,
                                   const SearchOptions& options);

}  // namespace llama_ets
