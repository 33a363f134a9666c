#include "sampling/support.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <functional>

#include "files/engine_error.h"
#include "sampling/row_kernels.h"

namespace llama_ets {
namespace {

// To sort up to this many candidates takes no longer than the passes that avoid sorting.
constexpr size_t kFewCandidates = 4096;

}  // namespace

Support::Support(const Sampling& policy, int32_t vocab_size)
    : policy_(policy),
      vocab_size_(vocab_size),
      truncates_((policy.top_k > 0 && policy.top_k < vocab_size) || policy.top_p < 1 ||
                 policy.min_p > 0) {}

// Collects the tokens with logits of at least `threshold`. May stop once there are more than
// `limit`.
void Support::CollectAbove(const float* logits, const RowSums& row, float threshold, size_t limit) {
  tokens_.clear();
  if (!policy_.allowed.empty()) {
    for (llama_token token : policy_.allowed) {
      if (logits[token] >= threshold) tokens_.push_back({token, logits[token]});
    }
    return;
  }
  for (size_t b = 0; b < row.block_max.size(); ++b) {
    if (row.block_max[b] < threshold) continue;
    if (tokens_.size() > limit) return;
    const int32_t first = static_cast<int32_t>(b) * kBlock;
    const int32_t last = std::min(first + kBlock, vocab_size_);
    for (int32_t i = first; i < last; ++i) {
      if (logits[i] >= threshold) tokens_.push_back({i, logits[i]});
    }
  }
}

// Collects the tokens with the `count` largest logits of the row, in descending order.
void Support::CollectTop(const float* logits, const RowSums& row, size_t count) {
  if (policy_.allowed.empty() && row.block_max.size() > count) {
    // The k-th largest logit is at least the k-th largest block maximum, so only the few tokens
    // from that one up are collected.
    std::vector<float> maxima = row.block_max;
    std::nth_element(maxima.begin(), maxima.begin() + (count - 1), maxima.end(),
                     std::greater<float>());
    CollectAbove(logits, row, maxima[count - 1]);
  } else {
    CollectAbove(logits, row, -kInfinity);
  }
  KeepHighest(count);
}

void Support::KeepHighest(size_t count) {
  const size_t kept = std::min(count, tokens_.size());
  std::partial_sort(tokens_.begin(), tokens_.begin() + kept, tokens_.end(), IsHigher);
  tokens_.resize(kept);
}

// Collects the smallest set of the most probable tokens of the row whose probability reaches top-p.
void Support::CollectTopP(const float* logits, const RowSums& row) {
  const double goal = policy_.top_p * row.tempered_sum;
  // Lower the threshold until the tokens above it have enough probability.
  for (double depth = 2; depth < 100; depth *= 2) {
    CollectAbove(logits, row, static_cast<float>(row.max - depth * policy_.temperature),
                 kFewCandidates);
    if (tokens_.size() > kFewCandidates) break;
    double above = 0;
    for (const Candidate& c : tokens_) above += std::exp(Tempered(c.logit, row.max));
    if (above >= goal) return KeepTopP(goal);
  }
  // The distribution is flat. Group the tokens by their distance from the largest logit, and sort
  // only the group in which the goal is reached.
  steps_.resize(static_cast<size_t>(vocab_size_));
  std::array<double, kSteps> weights = {};
  std::array<float, kBlock> exps;
  const float scale = static_cast<float>(1 / policy_.temperature);
  for (int32_t first = 0; first < vocab_size_; first += kBlock) {
    const int32_t size = std::min(kBlock, vocab_size_ - first);
    ExpsAndSteps(logits + first, size, row.max, scale, exps.data(), &steps_[first]);
    for (int32_t i = 0; i < size; ++i) weights[steps_[first + i]] += exps[i];
  }
  int32_t edge = 0;
  double before = 0;
  while (edge < kSteps - 1 && before + weights[edge] < goal) before += weights[edge++];
  tokens_.clear();
  for (llama_token token = 0; token < vocab_size_; ++token) {
    if (steps_[token] == edge) tokens_.push_back({token, logits[token]});
  }
  KeepTopP(goal - before);
  size_t kept = tokens_.size();
  tokens_.resize(kept + static_cast<size_t>(vocab_size_));
  for (llama_token token = 0; token < vocab_size_; ++token) {
    tokens_[kept] = {token, logits[token]};
    kept += steps_[token] < edge ? 1 : 0;  // not a branch, which would often be mispredicted
  }
  tokens_.resize(kept);
  sum_ += before;
}

// Reduces tokens_ to the smallest set of its most probable tokens whose weight reaches `goal`, and
// sets sum_ to the weight of that set.
void Support::KeepTopP(double goal) {
  std::sort(tokens_.begin(), tokens_.end(), IsHigher);
  sum_ = 0;
  size_t kept = 0;
  while (kept < tokens_.size() && (kept == 0 || sum_ < goal)) {
    sum_ += std::exp(Tempered(tokens_[kept++].logit, max_));
  }
  tokens_.resize(kept);
}

void Support::Find(const float* logits, const RowSums& row) {
  const bool top_k = policy_.top_k > 0 && policy_.top_k < vocab_size_;
  max_ = row.max;
  if (top_k) {
    CollectTop(logits, row, policy_.top_k);
  } else if (policy_.allowed.empty() && policy_.top_p < 1) {
    CollectTopP(logits, row);
  } else {
    // With min-p alone only few tokens are candidates. The margin ensures that rounding cuts off no
    // token at the edge; the exact test follows below.
    constexpr double kMargin = 1e-3;
    const bool only_min_p = policy_.allowed.empty();
    const double floor = row.max + std::log(policy_.min_p) * policy_.temperature - kMargin;
    CollectAbove(logits, row, only_min_p ? static_cast<float>(floor) : -kInfinity);
  }
  max_ = -kInfinity;
  for (const Candidate& c : tokens_) max_ = std::max(max_, c.logit);
  if (policy_.top_p < 1 && (top_k || !policy_.allowed.empty())) {
    double total = 0;
    for (const Candidate& c : tokens_) total += std::exp(Tempered(c.logit, max_));
    KeepTopP(policy_.top_p * total);
  }
  if (policy_.min_p > 0) {
    const double floor = std::log(policy_.min_p);
    const auto rare = [&](const Candidate& c) { return Tempered(c.logit, max_) < floor; };
    tokens_.erase(std::remove_if(tokens_.begin(), tokens_.end(), rare), tokens_.end());
  }
  if (policy_.top_p >= 1 || policy_.min_p > 0) {
    sum_ = 0;
    for (const Candidate& c : tokens_) sum_ += std::exp(Tempered(c.logit, max_));
  }
  if (!(sum_ > 0) || !std::isfinite(sum_)) {
    throw EngineError("ERR_INVALID_LOGITS",
                      "No allowed token has probability: the model gives all of them -infinity");
  }
}

void Support::FindBetween(const float* logits, const RowSums& row, float threshold, float below) {
  CollectAbove(logits, row, threshold);
  const auto is_above = [&](const Candidate& c) { return c.logit >= below; };
  tokens_.erase(std::remove_if(tokens_.begin(), tokens_.end(), is_above), tokens_.end());
  max_ = row.max;
  sum_ = row.tempered_sum;
}

void Support::FindLargest(const float* logits, const RowSums& row, size_t count) {
  CollectTop(logits, row, count);
  max_ = row.max;
  sum_ = row.tempered_sum;
}

}  // namespace llama_ets
