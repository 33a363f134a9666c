#include "sampling/sampler.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <string>

#include "files/engine_error.h"
#include "sampling/row_kernels.h"

namespace llama_ets {
namespace {

constexpr int32_t kBlock = 1024;
// A sorted list of so many candidates is no dearer than the passes that avoid it.
constexpr size_t kFewCandidates = 4096;
// Where self-certainty takes a token for impossible, in nats below the largest logit.
constexpr float kImpossible = 100;

}  // namespace

bool Sampler::Candidate::IsHigher(const Candidate& a, const Candidate& b) {
  return a.logit != b.logit ? a.logit > b.logit : a.token < b.token;
}

Sampler::Sampler(Sampling sampling, int32_t vocab_size, Metrics metrics)
    : sampling_(std::move(sampling)),
      vocab_size_(std::min(vocab_size, sampling_.vocab_limit)),
      truncates_((sampling_.top_k > 0 && sampling_.top_k < vocab_size_) || sampling_.top_p < 1 ||
                 sampling_.min_p > 0),
      metrics_(metrics) {
  const size_t blocks = (vocab_size_ + kBlock - 1) / kBlock;
  block_max_.resize(blocks);
  block_sum_.resize(blocks);
}

// Sums the row at temperature 1, and at the policy's temperature while the row is in the cache.
Sampler::Softmax Sampler::SumRow(const float* logits) {
  const int32_t blocks = static_cast<int32_t>(block_sum_.size());
  const auto size = [&](int32_t block) { return std::min(kBlock, vocab_size_ - block * kBlock); };
  float max = -kInfinity;
  for (int32_t b = 0; b < blocks; ++b) {
    block_max_[b] = MaxOf(logits + b * kBlock, size(b));
    max = std::max(max, block_max_[b]);
  }
  const bool tempered = sampling_.temperature > 0 && sampling_.temperature != 1;
  const float scale = tempered ? static_cast<float>(1 / sampling_.temperature) : 1.f;
  double sum = 0;
  tempered_sum_ = 0;
  for (int32_t b = 0; b < blocks; ++b) {
    const float block = SumOfExp(logits + b * kBlock, size(b), max, 1.f);
    block_sum_[b] = tempered ? SumOfExp(logits + b * kBlock, size(b), max, scale) : block;
    sum += block;
    tempered_sum_ += block_sum_[b];
  }
  if (!std::isfinite(max) || !std::isfinite(sum) || !(sum > 0)) {
    throw EngineError("ERR_INVALID_LOGITS",
                      "The model's logits hold NaN or infinity; its weights are broken");
  }
  return {max, std::log(sum)};
}

double Sampler::Tempered(float logit, float max) const {
  return (static_cast<double>(logit) - max) / sampling_.temperature;
}

void Sampler::CollectAbove(const float* logits, float threshold, size_t limit) {
  support_.clear();
  if (!sampling_.allowed.empty()) {
    for (llama_token token : sampling_.allowed) {
      if (logits[token] >= threshold) support_.push_back({token, logits[token]});
    }
    return;
  }
  for (size_t b = 0; b < block_max_.size(); ++b) {
    if (block_max_[b] < threshold) continue;
    if (support_.size() > limit) return;
    const int32_t first = static_cast<int32_t>(b) * kBlock;
    const int32_t last = std::min(first + kBlock, vocab_size_);
    for (int32_t i = first; i < last; ++i) {
      if (logits[i] >= threshold) support_.push_back({i, logits[i]});
    }
  }
}

// Fills support_ with the row's `count` largest, in descending order.
void Sampler::CollectTop(const float* logits, size_t count) {
  if (sampling_.allowed.empty() && block_max_.size() > count) {
    // The k-th largest block maximum bounds the k-th largest logit from below, so that few tokens
    // are looked at.
    std::vector<float> maxima = block_max_;
    std::nth_element(maxima.begin(), maxima.begin() + (count - 1), maxima.end(),
                     std::greater<float>());
    CollectAbove(logits, maxima[count - 1]);
  } else {
    CollectAbove(logits, -kInfinity);
  }
  KeepHighest(count);
}

// Leaves the `count` largest in support_, in descending order.
void Sampler::KeepHighest(size_t count) {
  const size_t kept = std::min(count, support_.size());
  std::partial_sort(support_.begin(), support_.begin() + kept, support_.end(), Candidate::IsHigher);
  support_.resize(kept);
}

// Fills support_ with the smallest set of the most probable tokens of the row whose probability
// reaches top-p.
void Sampler::CollectTopP(const float* logits, const Softmax& row) {
  const double goal = sampling_.top_p * tempered_sum_;
  // Lower the threshold until what lies above it holds enough probability.
  for (double depth = 2; depth < 100; depth *= 2) {
    CollectAbove(logits, static_cast<float>(row.max - depth * sampling_.temperature),
                 kFewCandidates);
    if (support_.size() > kFewCandidates) break;
    double above = 0;
    for (const Candidate& c : support_) above += std::exp(Tempered(c.logit, row.max));
    if (above >= goal) return KeepTopP(goal);
  }
  // A flat distribution: part the tokens by their distance from the largest logit, and order only
  // those at the distance where the goal is reached.
  steps_.resize(static_cast<size_t>(vocab_size_));
  std::array<double, kSteps> weights = {};
  std::array<float, kBlock> exps;
  const float scale = static_cast<float>(1 / sampling_.temperature);
  for (int32_t first = 0; first < vocab_size_; first += kBlock) {
    const int32_t size = std::min(kBlock, vocab_size_ - first);
    ExpsAndSteps(logits + first, size, row.max, scale, exps.data(), &steps_[first]);
    for (int32_t i = 0; i < size; ++i) weights[steps_[first + i]] += exps[i];
  }
  int32_t edge = 0;
  double before = 0;
  while (edge < kSteps - 1 && before + weights[edge] < goal) before += weights[edge++];
  support_.clear();
  for (llama_token token = 0; token < vocab_size_; ++token) {
    if (steps_[token] == edge) support_.push_back({token, logits[token]});
  }
  KeepTopP(goal - before);
  size_t kept = support_.size();
  support_.resize(kept + static_cast<size_t>(vocab_size_));
  for (llama_token token = 0; token < vocab_size_; ++token) {
    support_[kept] = {token, logits[token]};
    kept += steps_[token] < edge ? 1 : 0;  // a branch here would be mispredicted half of the time
  }
  support_.resize(kept);
  support_sum_ += before;
}

// Leaves the smallest set of the most probable tokens of support_ whose weight reaches `goal`, and
// its weight in support_sum_.
void Sampler::KeepTopP(double goal) {
  std::sort(support_.begin(), support_.end(), Candidate::IsHigher);
  support_sum_ = 0;
  size_t kept = 0;
  while (kept < support_.size() && (kept == 0 || support_sum_ < goal)) {
    support_sum_ += std::exp(Tempered(support_[kept++].logit, support_max_));
  }
  support_.resize(kept);
}

// Fills support_, support_max_ and support_sum_ for a truncated or restricted policy.
void Sampler::FindSupport(const float* logits, const Softmax& row) {
  const bool top_k = sampling_.top_k > 0 && sampling_.top_k < vocab_size_;
  support_max_ = row.max;
  if (top_k) {
    CollectTop(logits, sampling_.top_k);
  } else if (sampling_.allowed.empty() && sampling_.top_p < 1) {
    CollectTopP(logits, row);
  } else {
    // With min-p alone few tokens matter; the margin keeps rounding from cutting one at the edge.
    constexpr double kMargin = 1e-3;
    const bool only_min_p = sampling_.allowed.empty();
    const double floor = row.max + std::log(sampling_.min_p) * sampling_.temperature - kMargin;
    CollectAbove(logits, only_min_p ? static_cast<float>(floor) : -kInfinity);
  }
  support_max_ = -kInfinity;
  for (const Candidate& c : support_) support_max_ = std::max(support_max_, c.logit);
  if (sampling_.top_p < 1 && (top_k || !sampling_.allowed.empty())) {
    double total = 0;
    for (const Candidate& c : support_) total += std::exp(Tempered(c.logit, support_max_));
    KeepTopP(sampling_.top_p * total);
  }
  if (sampling_.min_p > 0) {
    const double floor = std::log(sampling_.min_p);
    const auto rare = [&](const Candidate& c) { return Tempered(c.logit, support_max_) < floor; };
    support_.erase(std::remove_if(support_.begin(), support_.end(), rare), support_.end());
  }
  if (sampling_.top_p >= 1 || sampling_.min_p > 0) {
    support_sum_ = 0;
    for (const Candidate& c : support_) support_sum_ += std::exp(Tempered(c.logit, support_max_));
  }
  if (!(support_sum_ > 0) || !std::isfinite(support_sum_)) {
    throw EngineError("ERR_INVALID_LOGITS",
                      "No allowed token has probability: the model gives all of them -infinity");
  }
}

TokenProbability Sampler::At(const float* logits, const Softmax& row, llama_token token,
                             double log_prob) const {
  return {token, log_prob, static_cast<double>(logits[token]) - row.max - row.log_sum};
}

TokenProbability Sampler::Greedy(const float* logits, const Softmax& row) const {
  llama_token best = -1;
  if (sampling_.allowed.empty()) {
    best = static_cast<llama_token>(std::find(logits, logits + vocab_size_, row.max) - logits);
  } else {
    for (llama_token token : sampling_.allowed) {
      if (best < 0 || logits[token] > logits[best]) best = token;
    }
  }
  return At(logits, row, best, 0);
}

TokenProbability Sampler::DrawPlain(const float* logits, const Softmax& row, double uniform) const {
  double left = uniform * tempered_sum_;
  const size_t last_block = block_sum_.size() - 1;
  size_t block = 0;
  while (block < last_block && left >= block_sum_[block]) left -= block_sum_[block++];
  const int32_t first = static_cast<int32_t>(block) * kBlock;
  const int32_t last = std::min(first + kBlock, vocab_size_);
  const float scale = static_cast<float>(1 / sampling_.temperature);
  llama_token drawn = -1;
  for (int32_t i = first; i < last && (drawn < 0 || left >= 0); ++i) {
    const float weight = NegativeExp((logits[i] - row.max) * scale);
    if (weight <= 0) continue;
    drawn = i;  // rounding may leave `left` positive at the block's end: its last token is drawn
    left -= weight;
  }
  if (drawn < 0) drawn = Greedy(logits, row).token;  // the block's sum was rounding alone
  return At(logits, row, drawn, Tempered(logits[drawn], row.max) - std::log(tempered_sum_));
}

TokenProbability Sampler::DrawFromSupport(const float* logits, const Softmax& row,
                                          double uniform) const {
  double left = uniform * support_sum_;
  const Candidate* drawn = &support_.front();
  for (const Candidate& c : support_) {
    const double weight = std::exp(Tempered(c.logit, support_max_));
    if (weight <= 0) continue;
    drawn = &c;
    left -= weight;
    if (left < 0) break;
  }
  return At(logits, row, drawn->token,
            Tempered(drawn->logit, support_max_) - std::log(support_sum_));
}

double Sampler::Entropy(const float* logits, const Softmax& row) const {
  if (sampling_.temperature == 0) return 0;
  double sum = 0;
  double weighted = 0;  // sum of exp(t) * t, t the tempered distance from the largest logit
  if (IsPlain()) {
    sum = tempered_sum_;
    const float scale = static_cast<float>(1 / sampling_.temperature);
    for (int32_t first = 0; first < vocab_size_; first += kBlock) {
      const int32_t size = std::min(kBlock, vocab_size_ - first);
      weighted += SumOfWeightedExp(logits + first, size, row.max, scale);
    }
  } else {
    for (const Candidate& c : support_) {
      const double t = Tempered(c.logit, support_max_);
      const double weight = std::exp(t);
      sum += weight;
      if (weight > 0) weighted += weight * t;
    }
  }
  return std::max(0.0, std::log(sum) - weighted / sum);
}

double Sampler::SelfCertainty(const float* logits, const Softmax& row) const {
  double distances = 0;
  for (int32_t first = 0; first < vocab_size_; first += kBlock) {
    const int32_t size = std::min(kBlock, vocab_size_ - first);
    distances += SumOfDistances(logits + first, size, row.max, kImpossible);
  }
  return std::max(0.0, distances / vocab_size_ + row.log_sum - std::log(vocab_size_));
}

void Sampler::Draw(const float* logits, const double* uniforms, size_t count,
                   TokenProbability* drawn) {
  if (count == 0) return;
  const Softmax row = SumRow(logits);
  const bool is_greedy = sampling_.temperature == 0;
  if (!is_greedy && !IsPlain()) FindSupport(logits, row);
  const double entropy = metrics_.entropy ? Entropy(logits, row) : 0;
  const double self_certainty = metrics_.self_certainty ? SelfCertainty(logits, row) : 0;
  for (size_t i = 0; i < count; ++i) {
    drawn[i] = is_greedy   ? Greedy(logits, row)
               : IsPlain() ? DrawPlain(logits, row, uniforms[i])
                           : DrawFromSupport(logits, row, uniforms[i]);
    drawn[i].entropy = entropy;
    drawn[i].self_certainty = self_certainty;
  }
}

TokenProbability Sampler::Score(const float* logits, llama_token token) {
  const Softmax row = SumRow(logits);
  if (sampling_.temperature > 0 && !IsPlain()) FindSupport(logits, row);
  TokenProbability scored = ScoreFound(logits, row, token);
  if (metrics_.entropy) scored.entropy = Entropy(logits, row);
  if (metrics_.self_certainty) scored.self_certainty = SelfCertainty(logits, row);
  return scored;
}

TokenProbability Sampler::ScoreFound(const float* logits, const Softmax& row,
                                     llama_token token) const {
  if (token >= vocab_size_) return {token, -HUGE_VAL, -HUGE_VAL};
  if (sampling_.temperature == 0) {
    return At(logits, row, token, Greedy(logits, row).token == token ? 0 : -HUGE_VAL);
  }
  if (IsPlain()) {
    return At(logits, row, token, Tempered(logits[token], row.max) - std::log(tempered_sum_));
  }
  for (const Candidate& c : support_) {
    if (c.token != token) continue;
    return At(logits, row, token, Tempered(c.logit, support_max_) - std::log(support_sum_));
  }
  return At(logits, row, token, -HUGE_VAL);
}

std::vector<TokenProbability> Sampler::Top(const float* logits, size_t count) {
  const Softmax row = SumRow(logits);
  if (sampling_.temperature == 0) return {Greedy(logits, row)};
  if (IsPlain()) {
    CollectTop(logits, count);
    support_max_ = row.max;
    support_sum_ = tempered_sum_;
  } else {
    FindSupport(logits, row);
    KeepHighest(count);
  }
  const double log_sum = std::log(support_sum_);
  std::vector<TokenProbability> top;
  for (const Candidate& c : support_) {
    if (c.logit == -kInfinity) break;  // no token from here on has probability
    top.push_back(At(logits, row, c.token, Tempered(c.logit, support_max_) - log_sum));
  }
  return top;
}

}  // namespace llama_ets
