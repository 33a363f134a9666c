// Draws under a grammar.
//
// To check a whole vocabulary against the grammar takes as long as to decode a token. So only the
// likely tokens are checked, mostly some hundreds. This path is used only if the weight of the
// other tokens is small compared with the weight of the allowed likely ones. A token is then drawn
// from the allowed likely tokens and all unlikely tokens together. If an unlikely token is drawn,
// it is checked, and if it is refused the draw is repeated. The result has exactly the distribution
// of the allowed tokens, and refusals are rare. The reported mass is that of the allowed likely
// tokens, plus that of all unlikely tokens if a separately drawn unlikely token is allowed. So the
// mean of the reported mass is the true mass, independent of the drawn token.
#include <algorithm>
#include <array>
#include <cmath>
#include <numeric>
#include <utility>

#include "sampling/row_kernels.h"
#include "sampling/sampler.h"

namespace llama_ets {
namespace {

// A token is likely if its logit is at most this many nats (at the temperature) below the largest.
// The depths are tried in this order.
constexpr double kDepths[] = {10, 13, 16, 20};
// The largest weight of the unlikely tokens, relative to the weight of the allowed likely ones.
constexpr double kNextToNothing = 4e-3;
// After this many refusals the whole row is checked.
constexpr uint32_t kMostRefusals = 16;
// Indices of further random numbers of a token, after those of its draws.
constexpr uint32_t kWholeRow = kMostRefusals;
constexpr uint32_t kOther = kMostRefusals + 1;

}  // namespace

double Sampler::WeightBelow(float max, float logit) const {
  return std::exp((static_cast<double>(logit) - max) / MassTemperature());
}

// Sums the weights of all tokens whose logits are below the threshold, relative to the row's
// largest weight: one sum per block. They are summed directly, because the difference of two larger
// sums would be lost in rounding.
std::vector<float> Sampler::SumUnder(const float* logits, float threshold) const {
  const float scale = static_cast<float>(1 / MassTemperature());
  std::array<float, kBlock> under;
  std::vector<float> sums;
  for (int32_t first = 0; first < vocab_size_; first += kBlock) {
    const int32_t size = std::min(kBlock, vocab_size_ - first);
    for (int32_t i = 0; i < size; ++i) {
      under[i] = logits[first + i] < threshold ? logits[first + i] : -kInfinity;
    }
    sums.push_back(SumOfExp(under.data(), size, row_.max, scale));
  }
  return sums;
}

Sampler::Allowed Sampler::SumAllowed(std::vector<Candidate> tokens) const {
  Allowed allowed;
  allowed.tokens = std::move(tokens);
  allowed.log_mass = -HUGE_VAL;
  if (allowed.tokens.empty()) return allowed;
  allowed.max = -kInfinity;
  for (const Candidate& c : allowed.tokens) allowed.max = std::max(allowed.max, c.logit);
  for (const Candidate& c : allowed.tokens) {
    const double weight = WeightBelow(allowed.max, c.logit);
    allowed.sum += weight;
    allowed.drawn_sum += sampling_.power == 1 ? weight : std::pow(weight, sampling_.power);
  }
  const bool is_cut = sampling_.temperature > 0 && !support_.IsAll();
  const double max = is_cut ? support_.max() : row_.max;
  const double sum = is_cut ? support_.sum() : row_.tempered_sum;
  allowed.log_mass = (allowed.max - max) / MassTemperature() + std::log(allowed.sum / sum);
  return allowed;
}

// Checks all tokens of the policy's support, or of the row. If the policy cuts tokens off, the
// caller has found its support.
Sampler::Allowed Sampler::FindAllowed(const float* logits, const Grammar& grammar) {
  std::vector<Candidate> tokens;
  const auto add = [&](llama_token token) {
    if (logits[token] > -kInfinity) tokens.push_back({token, logits[token]});
  };
  if (sampling_.temperature > 0 && !support_.IsAll()) {
    tokens = support_.tokens();
  } else if (!sampling_.allowed.empty()) {
    for (const llama_token token : sampling_.allowed) add(token);
  } else {
    tokens.reserve(static_cast<size_t>(vocab_size_));
    for (llama_token token = 0; token < vocab_size_; ++token) add(token);
  }
  grammar.Keep(&tokens);
  Allowed allowed = SumAllowed(std::move(tokens));
  allowed.log_mass = std::min(allowed.log_mass, 0.0);
  return allowed;
}

std::optional<Sampler::Likely> Sampler::FindLikely(const float* logits, const Grammar& grammar) {
  const bool is_plain = support_.IsAll() && sampling_.power == 1;
  if (!is_plain) return std::nullopt;
  std::vector<Candidate> allowed;
  double sum = 0;  // of the allowed tokens' weights, relative to the row's largest weight
  float below = kInfinity;
  for (const double depth : kDepths) {
    const float threshold = static_cast<float>(row_.max - depth * MassTemperature());
    support_.FindBetween(logits, row_, threshold, below);
    std::vector<Candidate>& tokens = *support_.mutable_tokens();
    grammar.Keep(&tokens);
    for (const Candidate& c : tokens) sum += WeightBelow(row_.max, c.logit);
    allowed.insert(allowed.end(), tokens.begin(), tokens.end());
    below = threshold;
    std::vector<float> blocks = SumUnder(logits, threshold);
    const double rest = std::accumulate(blocks.begin(), blocks.end(), 0.0);
    if (sum == 0 || rest > kNextToNothing * sum) continue;
    Likely likely{SumAllowed(std::move(allowed)), threshold, rest, std::move(blocks)};
    likely.share = rest * WeightBelow(likely.allowed.max, row_.max) / likely.allowed.sum;
    return likely;
  }
  return std::nullopt;
}

TokenProbability Sampler::AtAllowed(const Allowed& allowed, const float* logits,
                                    llama_token token) const {
  if (sampling_.temperature == 0) {
    TokenProbability greedy = At(logits, token, 0, 0);
    greedy.log_mass = allowed.log_mass;
    return greedy;
  }
  const double below = (static_cast<double>(logits[token]) - allowed.max) / sampling_.temperature;
  const double log_prob = below - std::log(allowed.sum) + allowed.log_mass;
  TokenProbability drawn =
      At(logits, token, log_prob, sampling_.power * below - std::log(allowed.drawn_sum));
  drawn.log_mass = allowed.log_mass;
  return drawn;
}

TokenProbability Sampler::DrawFrom(const Allowed& allowed, const float* logits,
                                   double uniform) const {
  if (allowed.tokens.empty()) {
    TokenProbability none{kNoToken, -HUGE_VAL, -HUGE_VAL, -HUGE_VAL};
    none.log_mass = -HUGE_VAL;
    return none;
  }
  if (sampling_.temperature == 0) {
    const auto& tokens = allowed.tokens;
    // IsHigher orders the highest logit first, so the minimum is the greedy token.
    return AtAllowed(allowed, logits,
                     std::min_element(tokens.begin(), tokens.end(), IsHigher)->token);
  }
  double left = uniform * allowed.drawn_sum;
  llama_token drawn = allowed.tokens.front().token;
  for (const Candidate& c : allowed.tokens) {
    const double weight = std::pow(WeightBelow(allowed.max, c.logit), sampling_.power);
    if (weight <= 0) continue;
    drawn = c.token;
    left -= weight;
    if (left < 0) break;
  }
  return AtAllowed(allowed, logits, drawn);
}

// Draws one of the unlikely tokens, with probability proportional to their weights.
llama_token Sampler::DrawUnlikely(const Likely& likely, const float* logits, double uniform) const {
  const float scale = static_cast<float>(1 / MassTemperature());
  const Place place = PlaceOf(likely.rest_blocks, uniform * likely.rest);
  const int32_t first = static_cast<int32_t>(place.block) * kBlock;
  const int32_t last = std::min(first + kBlock, vocab_size_);
  double left = place.left;
  llama_token drawn = kNoToken;
  for (llama_token token = first; token < last && (drawn == kNoToken || left >= 0); ++token) {
    if (logits[token] >= likely.threshold) continue;
    const float weight = NegativeExp((logits[token] - row_.max) * scale);
    if (weight <= 0) continue;
    drawn = token;
    left -= weight;
  }
  return drawn;
}

TokenProbability Sampler::DrawLikely(const Likely& likely, const float* logits,
                                     const Grammar& grammar, const TokenRandom& random) {
  const Allowed& allowed = likely.allowed;
  const auto is_allowed = [&](llama_token token) {
    return token != kNoToken && grammar.Allows(token);
  };
  std::optional<TokenProbability> drawn;
  if (sampling_.temperature == 0) drawn = DrawFrom(allowed, logits, 0);
  for (uint32_t n = 0; !drawn && n < kMostRefusals; ++n) {
    // A number on [0, 1) draws an allowed likely token, a number from 1 on an unlikely one.
    const double place = random.Uniform(n) * (1 + likely.share);
    if (place < 1) {
      drawn = DrawFrom(allowed, logits, place);
      break;
    }
    const llama_token token = DrawUnlikely(likely, logits, (place - 1) / likely.share);
    if (is_allowed(token)) drawn = AtAllowed(allowed, logits, token);
  }
  if (!drawn) drawn = DrawFrom(FindAllowed(logits, grammar), logits, random.Uniform(kWholeRow));
  drawn->log_mass = allowed.log_mass;
  if (is_allowed(DrawUnlikely(likely, logits, random.Uniform(kOther)))) {
    drawn->log_mass += std::log1p(likely.share);
  }
  return *drawn;
}

void Sampler::DrawAllowed(const float* logits, const Grammar& grammar, const TokenRandom* random,
                          size_t count, TokenProbability* drawn) {
  if (count == 0) return;
  SumRow(logits);
  const bool is_cut = sampling_.temperature > 0 && !support_.IsAll();
  if (is_cut) support_.Find(logits, row_);
  const double entropy = metrics_.entropy ? Entropy(logits) : 0;
  const double self_certainty = metrics_.self_certainty ? SelfCertainty(logits) : 0;
  const std::optional<Likely> likely = FindLikely(logits, grammar);
  const Allowed allowed = likely ? Allowed{} : FindAllowed(logits, grammar);
  for (size_t i = 0; i < count; ++i) {
    drawn[i] = likely ? DrawLikely(*likely, logits, grammar, random[i])
                      : DrawFrom(allowed, logits, random[i].Uniform());
    drawn[i].entropy = entropy;
    drawn[i].self_certainty = self_certainty;
  }
}

TokenProbability Sampler::ScoreAllowed(const float* logits, const Grammar& grammar,
                                       llama_token token) {
  TokenProbability scored = Score(logits, token);
  scored.log_mass = FindAllowed(logits, grammar).log_mass;
  return scored;
}

std::vector<TokenProbability> Sampler::TopAllowed(const float* logits, const Grammar& grammar,
                                                  size_t count) {
  SumRow(logits);
  if (sampling_.temperature > 0 && !support_.IsAll()) support_.Find(logits, row_);
  const Allowed allowed = FindAllowed(logits, grammar);
  std::vector<Candidate> tokens = allowed.tokens;
  const size_t kept = std::min(sampling_.temperature > 0 ? count : 1, tokens.size());
  std::partial_sort(tokens.begin(), tokens.begin() + static_cast<std::ptrdiff_t>(kept),
                    tokens.end(), IsHigher);
  tokens.resize(kept);
  std::vector<TokenProbability> top;
  for (const Candidate& c : tokens) top.push_back(AtAllowed(allowed, logits, c.token));
  return top;
}

}  // namespace llama_ets
