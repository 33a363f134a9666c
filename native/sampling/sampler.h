// Draws tokens from one row of logits and reports exact log-probabilities.
//
// One pass finds the largest logit, one fused pass sums exp(z), exp(z / T) and, for a power,
// exp(power z / T); the draw inverts the cumulative distribution by blocks. Sums are float within a
// block and double across blocks; the error of a log-probability is below 1e-6.
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

  // Uniform on [0, 1), for numbers below 256. The first is what an unconstrained token is drawn
  // with.
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
  // EngineError ERR_INVALID_LOGITS when the row holds NaN or +inf, or when nothing has probability
  // (a broken model file).
  void Draw(const float* logits, const double* uniforms, size_t count, TokenProbability* drawn);

  // As Draw, of what the grammar allows: exactly the policy's law renormalised. `log_mass` is the
  // log of an unbiased estimate of what is allowed, made independently of the token, and mostly
  // exact. The token is kNoToken where nothing that has probability is allowed.
  void DrawAllowed(const float* logits, const Grammar& grammar, const TokenRandom* random,
                   size_t count, TokenProbability* drawn);
  // As Score, with the mass of what the grammar allows, exactly; -inf where it allows nothing.
  TokenProbability ScoreAllowed(const float* logits, const Grammar& grammar, llama_token token);
  // As Top, of what the grammar allows. Each has the row's `log_mass`, exactly.
  std::vector<TokenProbability> TopAllowed(const float* logits, const Grammar& grammar,
                                           size_t count);

  // A draw in two steps, of a policy that leaves all tokens at a temperature above 0, where a row's
  // sums are known: they say in which block a uniform number falls, and the block's logits on which
  // token.
  bool IsPlain() const { return sampling_.temperature > 0 && support_.IsAll(); }
  struct Place {
    size_t block;
    double left;  // of the weight, in that block
  };
  // `weight` is on [0, the sum of the blocks' sums), of which one at least is positive.
  static Place PlaceOf(const std::vector<float>& block_sums, double weight);
  TokenProbability DrawAt(const RowSums& row, const Place& place, const float* block) const;
  // As Score, where the row's sums and the token's block are known.
  static Place PlaceOfToken(llama_token token) { return {static_cast<size_t>(token / kBlock), 0}; }
  TokenProbability ScoreAt(const RowSums& row, llama_token token, const float* block) const;

  // The log-probabilities of `token` in this row. Throws as Draw does.
  TokenProbability Score(const float* logits, llama_token token);

  // The `count` most probable tokens of the row, or all that have probability, in descending order;
  // of a greedy policy, one. Throws as Draw does.
  std::vector<TokenProbability> Top(const float* logits, size_t count);

 private:
  // Sums a row into row_; all below is said of that row, and of its support where the policy
  // doesn't leave all tokens.
  void SumRow(const float* logits);
  double Entropy(const float* logits) const;
  double SelfCertainty(const float* logits) const;
  TokenProbability ScoreFound(const float* logits, llama_token token) const;
  TokenProbability Greedy(const float* logits) const;
  TokenProbability DrawPlain(const float* logits, double uniform) const;
  TokenProbability DrawFromSupport(const float* logits, double uniform) const;
  TokenProbability At(const float* logits, llama_token token, double log_prob,
                      double drawn_log_prob) const;
  // What a grammar leaves of a row's tokens that have probability.
  struct Allowed {
    std::vector<Candidate> tokens;
    float max = 0;         // the largest logit; the sums are relative to it
    double sum = 0;        // of the tokens' weights
    double drawn_sum = 0;  // of the tokens' weights to the policy's power
    double log_mass = 0;   // of what is allowed, under the policy
  };
  Allowed FindAllowed(const float* logits, const Grammar& grammar);
  Allowed SumAllowed(std::vector<Candidate> tokens) const;
  std::vector<float> SumUnder(const float* logits, float threshold) const;
  // The allowed ones of a row's likely tokens, and the weight of all that are less likely, where
  // that is little beside theirs.
  struct Likely {
    Allowed allowed;
    float threshold = 0;             // tokens of this logit and above are likely
    double rest = 0;                 // of the others' weights, relative to the row's largest logit
    std::vector<float> rest_blocks;  // its parts, one a block
    double share = 0;                // the others' weights beside those of the allowed ones
  };
  std::optional<Likely> FindLikely(const float* logits, const Grammar& grammar);
  TokenProbability DrawLikely(const Likely& likely, const float* logits, const Grammar& grammar,
                              const TokenRandom& random);
  llama_token DrawUnlikely(const Likely& likely, const float* logits, double uniform) const;
  TokenProbability DrawFrom(const Allowed& allowed, const float* logits, double uniform) const;
  TokenProbability AtAllowed(const Allowed& allowed, const float* logits, llama_token token) const;
  // exp of a logit's distance from another under the policy's temperature; at 0, under
  // temperature 1.
  double WeightBelow(float max, float logit) const;
  double MassTemperature() const { return sampling_.temperature > 0 ? sampling_.temperature : 1; }
  // exp of a logit's distance from the support's largest, under temperature and power.
  double DrawnWeight(const Candidate& candidate) const;

  const Sampling sampling_;
  const int32_t vocab_size_;
  const Metrics metrics_;
  RowSums row_;
  Support support_;
};

}  // namespace llama_ets
