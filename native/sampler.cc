#include "sampler.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <string>

#include "engine_error.h"

// On x86-64 Linux the hot loops are compiled for several instruction sets and chosen at run time;
// elsewhere the base instruction set (NEON on arm64, SSE2 on Windows) is what the compiler has.
#if defined(__GNUC__) && !defined(__clang__) && defined(__x86_64__) && defined(__linux__)
#define LLAMA_ETS_VECTORISED \
  __attribute__((target_clones("arch=x86-64-v4", "arch=x86-64-v3", "default")))
#else
#define LLAMA_ETS_VECTORISED
#endif

namespace llama_ets {
namespace {

constexpr int32_t kBlock = 1024;
constexpr float kInfinity = std::numeric_limits<float>::infinity();

// exp(x) for x <= 0: 2^n times a polynomial on [-ln 2 / 2, ln 2 / 2]; relative error 2e-7.
// Below -87 it is 0. Without branches and conversions, so that loops over it vectorise.
inline float NegativeExp(float x) {
  constexpr float kLog2E = 1.44269504f;
  constexpr float kLn2High = 0.693359375f;
  constexpr float kLn2Low = -2.12194440e-4f;
  constexpr float kRound = 12582912.f;  // 1.5 * 2^23: adding it rounds to an integer
  // NaN compares false and stays NaN through the product, so a broken row is seen in the sum.
  const float clamped = x < -87.f ? -87.f : x;
  const float shifted = clamped * kLog2E + kRound;
  const float rounded = shifted - kRound;
  const float r = (clamped - rounded * kLn2High) - rounded * kLn2Low;
  float p = 1.9875691500e-4f;
  p = p * r + 1.3981999507e-3f;
  p = p * r + 8.3334519073e-3f;
  p = p * r + 4.1665795894e-2f;
  p = p * r + 1.6666665459e-1f;
  p = p * r + 5.0000001201e-1f;
  p = p * r * r + r + 1.f;
  // The last bits of `shifted` are n, which becomes the exponent.
  uint32_t bits;
  std::memcpy(&bits, &shifted, sizeof bits);
  bits = (bits + 127) << 23;
  float power;
  std::memcpy(&power, &bits, sizeof power);
  return x < -87.f ? 0.f : p * power;
}

LLAMA_ETS_VECTORISED float MaxOf(const float* values, int32_t count) {
  float max = -kInfinity;
#pragma omp simd reduction(max : max)
  for (int32_t i = 0; i < count; ++i) max = values[i] > max ? values[i] : max;
  return max;
}

LLAMA_ETS_VECTORISED float SumOfExp(const float* values, int32_t count, float max, float scale) {
  float sum = 0;
#pragma omp simd reduction(+ : sum)
  for (int32_t i = 0; i < count; ++i) sum += NegativeExp((values[i] - max) * scale);
  return sum;
}

}  // namespace

Sampler::Sampler(Sampling sampling, int32_t vocab_size)
    : sampling_(std::move(sampling)),
      vocab_size_(std::min(vocab_size, sampling_.vocab_limit)),
      truncates_((sampling_.top_k > 0 && sampling_.top_k < vocab_size_) || sampling_.top_p < 1 ||
                 sampling_.min_p > 0) {
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

void Sampler::CollectAbove(const float* logits, float threshold) {
  support_.clear();
  if (!sampling_.allowed.empty()) {
    for (llama_token token : sampling_.allowed) {
      if (logits[token] >= threshold) support_.push_back({token, logits[token]});
    }
    return;
  }
  for (size_t b = 0; b < block_max_.size(); ++b) {
    if (block_max_[b] < threshold) continue;
    const int32_t first = static_cast<int32_t>(b) * kBlock;
    const int32_t last = std::min(first + kBlock, vocab_size_);
    for (int32_t i = first; i < last; ++i) {
      if (logits[i] >= threshold) support_.push_back({i, logits[i]});
    }
  }
}

// Leaves the k largest in support_, in descending order.
void Sampler::KeepTopK(const float* logits) {
  const size_t k = sampling_.top_k;
  // The k-th largest block maximum bounds the k-th largest logit from below, so that few tokens
  // are looked at; with fewer blocks than k, all are.
  float bound = -kInfinity;
  if (sampling_.allowed.empty() && block_max_.size() > k) {
    std::vector<float> maxima = block_max_;
    std::nth_element(maxima.begin(), maxima.begin() + (k - 1), maxima.end(), std::greater<float>());
    bound = maxima[k - 1];
  }
  CollectAbove(logits, bound);
  const auto higher = [](const Candidate& a, const Candidate& b) {
    return a.logit != b.logit ? a.logit > b.logit : a.token < b.token;
  };
  const size_t kept = std::min(k, support_.size());
  std::partial_sort(support_.begin(), support_.begin() + kept, support_.end(), higher);
  support_.resize(kept);
}

// Leaves the smallest set of the most probable tokens whose probability reaches top-p.
void Sampler::KeepTopP(const float* logits, const Softmax& row) {
  const auto higher = [](const Candidate& a, const Candidate& b) {
    return a.logit != b.logit ? a.logit > b.logit : a.token < b.token;
  };
  const bool already_cut = sampling_.top_k > 0 && sampling_.top_k < vocab_size_;
  const bool whole_row = !already_cut && sampling_.allowed.empty();
  const auto weight = [&](const Candidate& c) { return std::exp(Tempered(c.logit, support_max_)); };
  double total = 0;
  if (whole_row) {
    // Lower the threshold until what lies above it holds enough probability.
    support_max_ = row.max;
    total = tempered_sum_;
    for (double depth = 2;; depth *= 2) {
      const bool all = depth > 100;
      CollectAbove(logits,
                   all ? -kInfinity : static_cast<float>(row.max - depth * sampling_.temperature));
      double above = 0;
      for (const Candidate& c : support_) above += weight(c);
      if (all || above >= sampling_.top_p * total) break;
    }
  } else {
    for (const Candidate& c : support_) total += weight(c);
  }
  if (!already_cut) std::sort(support_.begin(), support_.end(), higher);
  double cumulative = 0;
  size_t kept = 0;
  while (kept < support_.size() && (kept == 0 || cumulative < sampling_.top_p * total)) {
    cumulative += weight(support_[kept++]);
  }
  support_.resize(kept);
}

// Fills support_, support_max_ and support_sum_ for a truncated or restricted policy.
void Sampler::FindSupport(const float* logits, const Softmax& row) {
  const bool top_k = sampling_.top_k > 0 && sampling_.top_k < vocab_size_;
  if (top_k) {
    KeepTopK(logits);
  } else if (!sampling_.allowed.empty() || sampling_.top_p >= 1) {
    // With min-p alone few tokens matter; the margin keeps rounding from cutting one at the edge.
    constexpr double kMargin = 1e-3;
    const bool only_min_p = sampling_.allowed.empty();
    const double floor = row.max + std::log(sampling_.min_p) * sampling_.temperature - kMargin;
    CollectAbove(logits, only_min_p ? static_cast<float>(floor) : -kInfinity);
  }
  support_max_ = -kInfinity;
  for (const Candidate& c : support_) support_max_ = std::max(support_max_, c.logit);
  if (sampling_.top_p < 1) KeepTopP(logits, row);
  if (sampling_.min_p > 0) {
    const double floor = std::log(sampling_.min_p);
    const auto rare = [&](const Candidate& c) { return Tempered(c.logit, support_max_) < floor; };
    support_.erase(std::remove_if(support_.begin(), support_.end(), rare), support_.end());
  }
  support_sum_ = 0;
  for (const Candidate& c : support_) support_sum_ += std::exp(Tempered(c.logit, support_max_));
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

void Sampler::Draw(const float* logits, const std::vector<double>& uniforms,
                   TokenProbability* drawn) {
  if (uniforms.empty()) return;
  const Softmax row = SumRow(logits);
  const bool is_greedy = sampling_.temperature == 0;
  if (!is_greedy && !IsPlain()) FindSupport(logits, row);
  for (const double uniform : uniforms) {
    *drawn++ = is_greedy   ? Greedy(logits, row)
               : IsPlain() ? DrawPlain(logits, row, uniform)
                           : DrawFromSupport(logits, row, uniform);
  }
}

TokenProbability Sampler::Score(const float* logits, llama_token token) {
  const Softmax row = SumRow(logits);
  if (token >= vocab_size_) return {token, -HUGE_VAL, -HUGE_VAL};
  if (sampling_.temperature == 0) {
    return At(logits, row, token, Greedy(logits, row).token == token ? 0 : -HUGE_VAL);
  }
  if (IsPlain()) {
    return At(logits, row, token, Tempered(logits[token], row.max) - std::log(tempered_sum_));
  }
  FindSupport(logits, row);
  for (const Candidate& c : support_) {
    if (c.token != token) continue;
    return At(logits, row, token, Tempered(c.logit, support_max_) - std::log(support_sum_));
  }
  return At(logits, row, token, -HUGE_VAL);
}

}  // namespace llama_ets
