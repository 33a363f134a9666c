// The tokens that a policy which cuts off or forbids some leaves of a row of logits.
#pragma once

#include <llama.h>

#include <cstddef>
#include <cstdint>
#include <vector>

#include "sampling/policy.h"

namespace llama_ets {

// Rows are summed by blocks of so many logits: in float within a block, in double across blocks.
constexpr int32_t kBlock = 1024;

// What one pass over a row finds.
struct RowSums {
  float max = 0;
  double log_sum = 0;            // of exp(logit - max), over the whole row
  double tempered_sum = 0;       // of exp((logit - max) / T), over the whole row
  double drawn_sum = 0;          // of exp(power (logit - max) / T), over the whole row
  std::vector<float> block_max;  // one a block
  std::vector<float> block_sum;  // the parts of drawn_sum, one a block
};

struct Candidate {
  llama_token token;
  float logit;
};

// The order of the largest logits first; of equal ones the lower id comes first.
inline bool IsHigher(const Candidate& a, const Candidate& b) {
  return a.logit != b.logit ? a.logit > b.logit : a.token < b.token;
}

class Support {
 public:
  // `policy` outlives it; it looks at the first `vocab_size` tokens.
  Support(const Sampling& policy, int32_t vocab_size);

  // Whether the policy leaves all tokens.
  bool IsAll() const { return !truncates_ && policy_.allowed.empty(); }

  // Finds the policy's support in a row, in any order. Throws EngineError ERR_INVALID_LOGITS where
  // nothing has probability.
  void Find(const float* logits, const RowSums& row);
  // Takes the row's tokens from a logit up and below another instead, in the order of their ids,
  // whatever the policy cuts off; max() and sum() are the row's.
  void FindBetween(const float* logits, const RowSums& row, float threshold, float below);
  // Takes the row's `count` largest instead, whatever the policy; max() and sum() are the row's.
  void FindLargest(const float* logits, const RowSums& row, size_t count);
  // Leaves the `count` largest, in descending order; max() and sum() stay.
  void KeepHighest(size_t count);

  const std::vector<Candidate>& tokens() const { return tokens_; }
  std::vector<Candidate>* mutable_tokens() { return &tokens_; }
  float max() const { return max_; }   // the largest logit
  double sum() const { return sum_; }  // of exp((logit - max) / T)
  // A logit's distance from `max` under the policy's temperature, which is not 0.
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
