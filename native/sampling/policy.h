// The policy that tokens are drawn by, and what is said of a token.
//
// The policy is: keep `allowed` tokens, divide by temperature, keep the top-k, then the smallest
// set with probability at least top-p (renormalised after top-k), then tokens with at least min-p
// of the largest probability. Ties are broken by the lower token id. Tokens are drawn with
// probability proportional to the policy's own to a power, normalised over what the policy leaves,
// and over what a grammar allows of that (constrained_draw.cc).
#pragma once

#include <llama.h>

#include <cstdint>
#include <string>
#include <vector>

namespace llama_ets {

struct Sampling {
  double temperature = 1;                   // 0: greedy
  int32_t top_k = 0;                        // 0: off
  double top_p = 1;                         // 1: off
  double min_p = 0;                         // 0: off
  std::vector<llama_token> allowed;         // ascending, unique; empty: all
  int32_t vocab_limit = INT32_MAX;          // ids from here on have no probability
  double power = 1;                         // of the drawn distribution; what is scored knows none
  std::string grammar;                      // what texts are restricted to, in GBNF; empty: nothing
  std::vector<llama_token> grammar_tokens;  // control tokens that the grammar reads by their names
};

// What to measure of a row besides: each takes another pass over it.
struct Metrics {
  bool entropy = false;         // of the policy, in nats
  bool self_certainty = false;  // of the model's own softmax p: -1/V sum log(V p), in nats
};

struct TokenProbability {
  llama_token token;
  double log_prob;        // under the policy; -inf outside its support
  double raw_log_prob;    // under the model's own softmax: temperature 1, nothing cut off
  double drawn_log_prob;  // under the policy to its power, normalised: what tokens are drawn from
  double entropy = 0;     // these two are the row's, whatever the token; 0 when not asked for
  double self_certainty = 0;
  // Under a grammar, the log of the probability of all that it allows, under the policy.
  double log_mass = 0;
};

// Drawn where a grammar allows no token that has probability.
constexpr llama_token kNoToken = -1;

}  // namespace llama_ets
