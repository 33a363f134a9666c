// Draws tokens from one row of logits and reports exact log-probabilities.
//
// The reference policy is: keep `allowed` tokens, divide by temperature, keep the top-k, then the
// smallest set with probability at least top-p (renormalised after top-k), then tokens with at
// least min-p of the largest probability. Ties are broken by the lower token id.
// One pass finds the largest logit, one fused pass sums exp(z) and exp(z / T); the draw inverts the
// cumulative distribution by blocks. Sums are float within a block and double across blocks; the
// error of a log-probability is below 1e-6.
#pragma once

#include <llama.h>

#include <cstdint>
#include <vector>

namespace llama_ets {

struct Sampling {
  double temperature = 1;            // 0: greedy
  int32_t top_k = 0;                 // 0: off
  double top_p = 1;                  // 1: off
  double min_p = 0;                  // 0: off
  std::vector<llama_token> allowed;  // ascending, unique; empty: all
  int32_t vocab_limit = INT32_MAX;   // ids from here on have no probability
};

// What to measure of a row besides: each takes another pass over it.
struct Metrics {
  bool entropy = false;         // of the distribution actually sampled, in nats
  bool self_certainty = false;  // of the model's own softmax p: -1/V sum log(V p), in nats
};

struct TokenProbability {
  llama_token token;
  double log_prob;      // under the distribution actually sampled; -inf outside its support
  double raw_log_prob;  // under the model's own softmax: temperature 1, nothing cut off
  double entropy = 0;   // these two are the row's, whatever the token; 0 when not asked for
  double self_certainty = 0;
};

class Sampler {
 public:
  Sampler(Sampling sampling, int32_t vocab_size, Metrics metrics = {});

  // Draws a token for each of `count` uniform numbers on [0, 1), all from one row. Throws
  // EngineError ERR_INVALID_LOGITS when the row holds NaN or +inf, or when nothing has probability
  // (a broken model file).
  void Draw(const float* logits, const double* uniforms, size_t count, TokenProbability* drawn);

  // The log-probabilities of `token` in this row. Throws as Draw does.
  TokenProbability Score(const float* logits, llama_token token);

  // The `count` most probable tokens of the row, or all that have probability, in descending order;
  // of a greedy policy, one. Throws as Draw does.
  std::vector<TokenProbability> Top(const float* logits, size_t count);

 private:
  struct Candidate {
    llama_token token;
    float logit;
    static bool IsHigher(const Candidate& a, const Candidate& b);
  };
  // Largest logit and log of the sum of exp(logit - largest), over the whole row.
  struct Softmax {
    float max;
    double log_sum;
  };

  Softmax SumRow(const float* logits);
  void FindSupport(const float* logits, const Softmax& row);
  // Fills support_ with the tokens from `threshold` up; may stop once it holds more than `limit`.
  void CollectAbove(const float* logits, float threshold, size_t limit = SIZE_MAX);
  void CollectTop(const float* logits, size_t count);
  void KeepHighest(size_t count);
  void CollectTopP(const float* logits, const Softmax& row);
  void KeepTopP(double goal);
  bool IsPlain() const { return !truncates_ && sampling_.allowed.empty(); }
  // Of the row whose sums, and support if the policy has one, were just found.
  double Entropy(const float* logits, const Softmax& row) const;
  double SelfCertainty(const float* logits, const Softmax& row) const;
  TokenProbability ScoreFound(const float* logits, const Softmax& row, llama_token token) const;
  TokenProbability Greedy(const float* logits, const Softmax& row) const;
  TokenProbability DrawPlain(const float* logits, const Softmax& row, double uniform) const;
  TokenProbability DrawFromSupport(const float* logits, const Softmax& row, double uniform) const;
  TokenProbability At(const float* logits, const Softmax& row, llama_token token,
                      double log_prob) const;
  double Tempered(float logit, float max) const;

  const Sampling sampling_;
  const int32_t vocab_size_;
  const bool truncates_;
  const Metrics metrics_;
  std::vector<float> block_max_;
  std::vector<float> block_sum_;    // of exp((z - max) / T), one a block; scratch
  double tempered_sum_ = 0;         // over the whole row
  std::vector<Candidate> support_;  // scratch: what truncation and `allowed` leave
  std::vector<uint16_t> steps_;     // scratch: each token's distance from the largest logit
  double support_sum_ = 0;          // of exp((z - largest in support) / T)
  float support_max_ = 0;
};

}  // namespace llama_ets
