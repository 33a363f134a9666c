// The support of a policy in a row of logits: the tokens that remain after the policy has cut off
// or forbidden some.
#pragma once

#include <llama.h>

#include <cstddef>
#include <cstdint>
#include <vector>

#include "sampling/policy.h"

namespace llama_ets {

// Rows are summed in blocks of this many logits: in float within a block, in double across blocks.
constexpr int32_t kBlock = 1024;

// The largest logit and the sums of a row.
struct RowSums {
  float max = 0;
  double log_sum = 0;            // of exp(logit - max), over the whole row
  double tempered_sum = 0;       // of exp((logit - max) / T), over the whole row
  double drawn_sum = 0;          // of exp(power (logit - max) / T), over the whole row
  std::vector<float> block_max;  // one per block
  std::vector<float> block_sum;  // the parts of drawn_sum, one per block
};

struct Candidate {
  llama_token token;
  float logit;
};

// Orders candidates with the largest logit first. Of equal logits the lower id comes first.
inline bool IsHigher(const Candidate& a, const Candidate& b) {
  return a.logit != b.logit ? a.logit > b.logit : a.token < b.token;
}

class Support {
 public:
  // `policy` must outlive this object. Only the first `vocab_size` tokens are considered.
  Support(const Sampling& policy, int32_t vocab_size);

  // Whether the policy keeps all tokens.
  bool IsAll() const { return !truncates_ && policy_.allowed.empty(); }

  // Finds the policy's support in a row, in any order. Throws EngineError ERR_INVALID_LOGITS if no
  // allowed token has probability.
  void Find(const float* logits, const RowSums& row);
  // Sets the tokens to those with logits on [threshold, below), in the order of their ids. Top-k,
  // top-p and min-p do not apply. max() and sum() are those of the row.
  void FindBetween(const float* logits, const RowSums& row, float threshold, float below);
  // Sets the tokens to those with the `count` largest logits. Top-k, top-p and min-p do not apply.
  // max() and sum() are those of the row.
  void FindLargest(const float* logits, const RowSums& row, size_t count);
  // Keeps the tokens with the `count` largest logits, in descending order; max() and sum() stay.
  void KeepHighest(size_t count);

  const std::vector<Candidate>& tokens() const { return tokens_; }
  std::vector<Candidate>* mutable_tokens() { return &tokens_; }
  float max() const { return max_; }   // the largest logit
  double sum() const { return sum_; }  // of exp((logit - max) / T)
  // (logit - max) / T. The temperature must not be 0.
  double Tempered(float logit, float max) const {
    return (static_cast<double>(logit) - max) / policy_.temperature;
  }

 private:
  void CollectAbove(const float* logits, const RowSums& row, float threshold,
                    size_t limit = SIZE_MAX);
  void CollectTop(const float* logits, const RowSums& row, size_t count);
  void CollectTopP(const float* logits, const RowSums& row);
  void KeepTopP(double goal);

  const Sampling& policy_;
  const int32_t vocab_size_;
  const bool truncates_;
  std::vector<Candidate> tokens_;
  std::vector<uint16_t> steps_;  // scratch: each token's distance from the largest logit
  double sum_ = 0;
  float max_ = 0;
};

}  // namespace llama_ets
