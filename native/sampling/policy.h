// The policy with which tokens are drawn, and the numbers that are reported for a token.
//
// The policy keeps the `allowed` tokens, divides their logits by the temperature, keeps the top-k
// tokens, then the smallest set with probability at least top-p (renormalized after top-k), then
// the tokens with at least min-p times the largest probability. Between equal logits the lower
// token id comes first. A token is drawn with probability proportional to its policy probability
// raised to `power`. This distribution is normalized over the tokens that the policy keeps, and
// over those of them that a grammar allows (constrained_draw.cc).
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
  std::vector<llama_token> allowed;         // ascending, unique; empty: all tokens
  int32_t vocab_limit = INT32_MAX;          // ids from this one on have probability 0
  double power = 1;                         // applies to draws; scores ignore it
  std::string grammar;                      // restricts texts, in GBNF; empty: no grammar
  std::vector<llama_token> grammar_tokens;  // control tokens that the grammar reads by their names
};

// Further numbers to measure of a row. Each takes another pass over the row.
struct Metrics {
  bool entropy = false;         // of the policy, in nats
  bool self_certainty = false;  // of the model's own softmax p: -1/V sum log(V p), in nats
};

struct TokenProbability {
  llama_token token;
  double log_prob;        // under the policy; -inf outside its support
  double raw_log_prob;    // under the model's own softmax: temperature 1, no token cut off
  double drawn_log_prob;  // under the policy to its power, normalized: the drawn distribution
  double entropy = 0;     // these two belong to the row, not the token; 0 if not asked for
  double self_certainty = 0;
  // Under a grammar, the log of the total policy probability of the allowed tokens; otherwise 0.
  double log_mass = 0;
};

// The drawn token if a grammar allows no token that has probability.
constexpr llama_token kNoToken = -1;

}  // namespace llama_ets
