// Draws tokens from one row of logits and reports exact log-probabilities.
//
// One pass finds the largest logit. A second pass sums exp(z), exp(z / T) and, for a power,
// exp(power z / T). The draw inverts the cumulative distribution block by block. Sums are float
// within a block and double across blocks; the error of a log-probability is below 1e-6.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

#include "sampling/grammar.h"
#include "sampling/philox.h"
#include "sampling/policy.h"
#include "sampling/support.h"

namespace llama_ets {

// The random numbers of one token.
struct TokenRandom {
  PhiloxCounter counter;
  PhiloxKey key;

  // The random number with index `number`, which is below 256. It is uniform on [0, 1). A draw
  // without a grammar uses only the first.
  double Uniform(uint32_t number = 0) const {
    return PhiloxUniform(counter, {key[0], key[1] ^ number << 24});
  }
};

// Throws EngineError ERR_INVALID_LOGITS.
[[noreturn]] void ThrowBrokenLogits();

class Sampler {
 public:
  Sampler(Sampling sampling, int32_t vocab_size, Metrics metrics = {});
  Sampler(const Sampler&) = delete;
  Sampler& operator=(const Sampler&) = delete;

  // Draws a token for each of `count` uniform numbers on [0, 1), all from one row. Throws
  // EngineError ERR_INVALID_LOGITS when the row holds NaN or +inf, or when no token has probability
  // (a broken model file).
  void Draw(const float* logits, const double* uniforms, size_t count, TokenProbability* drawn);

  // Like Draw, from the tokens that the grammar allows: from exactly the drawn distribution,
  // renormalized over them. `log_mass` is the log of an unbiased estimate of their total policy
  // probability. The estimate is independent of the drawn token and mostly exact. The token is
  // kNoToken if no allowed token has probability.
  void DrawAllowed(const float* logits, const Grammar& grammar, const TokenRandom* random,
                   size_t count, TokenProbability* drawn);
  // Like Score, with the exact `log_mass` of the tokens that the grammar allows; -inf if it allows
  // none.
  TokenProbability ScoreAllowed(const float* logits, const Grammar& grammar, llama_token token);
  // Like Top, among the tokens that the grammar allows. Each has the row's exact `log_mass`.
  std::vector<TokenProbability> TopAllowed(const float* logits, const Grammar& grammar,
                                           size_t count);

  // A draw in two steps, if the sums of a row are known. The sums determine the block into which a
  // uniform number falls, and the block's logits determine the token. This needs a plain policy:
  // one that cuts off no tokens and has a temperature above 0.
  bool IsPlain() const { return sampling_.temperature > 0 && support_.IsAll(); }
  struct Place {
    size_t block;
    double left;  // the weight that is left for this block
  };
  // `weight` must be on [0, the sum of `block_sums`), and at least one block sum must be positive.
  static Place PlaceOf(const std::vector<float>& block_sums, double weight);
  TokenProbability DrawAt(const RowSums& row, const Place& place, const float* block) const;
  // ScoreAt is like Score, if the row's sums and the logits of the token's block are known.
  static Place PlaceOfToken(llama_token token) { return {static_cast<size_t>(token / kBlock), 0}; }
  TokenProbability ScoreAt(const RowSums& row, llama_token token, const float* block) const;

  // The log-probabilities of `token` in this row. Throws as Draw does.
  TokenProbability Score(const float* logits, llama_token token);

  // The `count` most probable tokens of the row in descending order. There are fewer if fewer
  // tokens have probability, and only one if the policy is greedy. Throws as Draw does.
  std::vector<TokenProbability> Top(const float* logits, size_t count);

 private:
  // Sums a row into row_. The methods below use that row, and also its support if the policy cuts
  // tokens off.
  void SumRow(const float* logits);
  double Entropy(const float* logits) const;
  double SelfCertainty(const float* logits) const;
  TokenProbability ScoreFound(const float* logits, llama_token token) const;
  TokenProbability Greedy(const float* logits) const;
  TokenProbability DrawPlain(const float* logits, double uniform) const;
  TokenProbability DrawFromSupport(const float* logits, double uniform) const;
  TokenProbability At(const float* logits, llama_token token, double log_prob,
                      double drawn_log_prob) const;
  // The tokens of a row that a grammar allows and that have probability.
  struct Allowed {
    std::vector<Candidate> tokens;
    float max = 0;         // the largest logit; the sums are relative to it
    double sum = 0;        // of the tokens' weights
    double drawn_sum = 0;  // of the tokens' weights to the policy's power
    double log_mass = 0;   // log of their total policy probability
  };
  Allowed FindAllowed(const float* logits, const Grammar& grammar);
  Allowed SumAllowed(std::vector<Candidate> tokens) const;
  std::vector<float> SumUnder(const float* logits, float threshold) const;
  // The allowed tokens among a row's likely ones, and the weight of all unlikely tokens, which is
  // small compared with that of the allowed ones.
  struct Likely {
    Allowed allowed;
    float threshold = 0;             // tokens with this logit or a higher one are likely
    double rest = 0;                 // sum of the unlikely tokens' weights, relative to row_.max
    std::vector<float> rest_blocks;  // the parts of `rest`, one per block
    double share = 0;                // weight of the unlikely tokens divided by that of `allowed`
  };
  std::optional<Likely> FindLikely(const float* logits, const Grammar& grammar);
  TokenProbability DrawLikely(const Likely& likely, const float* logits, const Grammar& grammar,
                              const TokenRandom& random);
  llama_token DrawUnlikely(const Likely& likely, const float* logits, double uniform) const;
  TokenProbability DrawFrom(const Allowed& allowed, const float* logits, double uniform) const;
  TokenProbability AtAllowed(const Allowed& allowed, const float* logits, llama_token token) const;
  // exp((logit - max) / T), with T = 1 if the temperature is 0.
  double WeightBelow(float max, float logit) const;
  double MassTemperature() const { return sampling_.temperature > 0 ? sampling_.temperature : 1; }
  // exp(power * (logit - max) / T), where max is the support's largest logit.
  double DrawnWeight(const Candidate& candidate) const;

  const Sampling sampling_;
  const int32_t vocab_size_;
  const Metrics metrics_;
  RowSums row_;
  Support support_;
};

}  // namespace llama_ets
