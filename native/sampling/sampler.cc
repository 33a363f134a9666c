#include "sampling/sampler.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "files/engine_error.h"
#include "sampling/row_kernels.h"

namespace llama_ets {
namespace {

// Self-certainty cuts a token's distance from the largest logit off here, in nats. The token counts
// as impossible.
constexpr float kImpossible = 100;

}  // namespace

void ThrowBrokenLogits() {
  throw EngineError("ERR_INVALID_LOGITS",
                    "The model's logits hold NaN or infinity; its weights are broken");
}

Sampler::Sampler(Sampling sampling, int32_t vocab_size, Metrics metrics)
    : sampling_(std::move(sampling)),
      vocab_size_(std::min(vocab_size, sampling_.vocab_limit)),
      metrics_(metrics),
      support_(sampling_, vocab_size_) {
  const size_t blocks = (vocab_size_ + kBlock - 1) / kBlock;
  row_.block_max.resize(blocks);
  row_.block_sum.resize(blocks);
}

// Sums the row at temperature 1, at the policy's temperature, and to its power. All sums of a block
// are made together, while the block is in the CPU cache.
void Sampler::SumRow(const float* logits) {
  const int32_t blocks = static_cast<int32_t>(row_.block_sum.size());
  const auto size = [&](int32_t block) { return std::min(kBlock, vocab_size_ - block * kBlock); };
  float max = -kInfinity;
  for (int32_t b = 0; b < blocks; ++b) {
    row_.block_max[b] = MaxOf(logits + b * kBlock, size(b));
    max = std::max(max, row_.block_max[b]);
  }
  const bool tempered = sampling_.temperature > 0 && sampling_.temperature != 1;
  const float scale = tempered ? static_cast<float>(1 / sampling_.temperature) : 1.f;
  const bool sharpened = sampling_.temperature > 0 && sampling_.power != 1;
  const float drawn_scale = static_cast<float>(sampling_.power) * scale;
  double sum = 0;
  row_.tempered_sum = 0;
  row_.drawn_sum = 0;
  for (int32_t b = 0; b < blocks; ++b) {
    const float* const first = logits + b * kBlock;
    const float block = SumOfExp(first, size(b), max, 1.f);
    const float tempered_block = tempered ? SumOfExp(first, size(b), max, scale) : block;
    row_.block_sum[b] = sharpened ? SumOfExp(first, size(b), max, drawn_scale) : tempered_block;
    sum += block;
    row_.tempered_sum += tempered_block;
    row_.drawn_sum += row_.block_sum[b];
  }
  if (!std::isfinite(max) || !std::isfinite(sum) || !(sum > 0)) ThrowBrokenLogits();
  row_.max = max;
  row_.log_sum = std::log(sum);
}

TokenProbability Sampler::At(const float* logits, llama_token token, double log_prob,
                             double drawn_log_prob) const {
  const double raw_log_prob = static_cast<double>(logits[token]) - row_.max - row_.log_sum;
  return {token, log_prob, raw_log_prob, drawn_log_prob};
}

double Sampler::DrawnWeight(const Candidate& candidate) const {
  return std::exp(sampling_.power * support_.Tempered(candidate.logit, support_.max()));
}

TokenProbability Sampler::Greedy(const float* logits) const {
  llama_token best = -1;
  if (sampling_.allowed.empty()) {
    best = static_cast<llama_token>(std::find(logits, logits + vocab_size_, row_.max) - logits);
  } else {
    for (llama_token token : sampling_.allowed) {
      if (best < 0 || logits[token] > logits[best]) best = token;
    }
  }
  return At(logits, best, 0, 0);
}

Sampler::Place Sampler::PlaceOf(const std::vector<float>& block_sums, double weight) {
  Place place{0, weight};
  size_t last = block_sums.size() - 1;
  while (last > 0 && block_sums[last] <= 0) --last;
  while (place.block < last && place.left >= block_sums[place.block]) {
    place.left -= block_sums[place.block++];
  }
  return place;
}

TokenProbability Sampler::DrawAt(const RowSums& row, const Place& place, const float* block) const {
  const int32_t first = static_cast<int32_t>(place.block) * kBlock;
  const int32_t size = std::min(kBlock, vocab_size_ - first);
  const float scale = static_cast<float>(sampling_.power / sampling_.temperature);
  double left = place.left;
  int32_t drawn = -1;
  for (int32_t i = 0; i < size && (drawn < 0 || left >= 0); ++i) {
    const float weight = NegativeExp((block[i] - row.max) * scale);
    if (weight <= 0) continue;
    drawn = i;  // if rounding leaves `left` at 0 or above, the block's last token is drawn
    left -= weight;
  }
  // All weights of the block are 0 here, so its sum was only a rounding error.
  if (drawn < 0) drawn = static_cast<int32_t>(std::max_element(block, block + size) - block);
  const double tempered = support_.Tempered(block[drawn], row.max);
  return {first + drawn, tempered - std::log(row.tempered_sum),
          static_cast<double>(block[drawn]) - row.max - row.log_sum,
          sampling_.power * tempered - std::log(row.drawn_sum)};
}

TokenProbability Sampler::ScoreAt(const RowSums& row, llama_token token, const float* block) const {
  const float logit = block[token % kBlock];
  const double tempered = support_.Tempered(logit, row.max);
  return {token, tempered - std::log(row.tempered_sum),
          static_cast<double>(logit) - row.max - row.log_sum,
          sampling_.power * tempered - std::log(row.drawn_sum)};
}

TokenProbability Sampler::DrawPlain(const float* logits, double uniform) const {
  const Place place = PlaceOf(row_.block_sum, uniform * row_.drawn_sum);
  return DrawAt(row_, place, logits + place.block * kBlock);
}

TokenProbability Sampler::DrawFromSupport(const float* logits, double uniform) const {
  double sum = support_.sum();
  if (sampling_.power != 1) {
    sum = 0;
    for (const Candidate& c : support_.tokens()) sum += DrawnWeight(c);
  }
  double left = uniform * sum;
  const Candidate* drawn = &support_.tokens().front();
  for (const Candidate& c : support_.tokens()) {
    const double weight = DrawnWeight(c);
    if (weight <= 0) continue;
    drawn = &c;
    left -= weight;
    if (left < 0) break;
  }
  const double tempered = support_.Tempered(drawn->logit, support_.max());
  return At(logits, drawn->token, tempered - std::log(support_.sum()),
            sampling_.power * tempered - std::log(sum));
}

double Sampler::Entropy(const float* logits) const {
  if (sampling_.temperature == 0) return 0;
  double sum = 0;
  double weighted = 0;  // sum of exp(t) * t, where t is (logit - max) / T
  if (support_.IsAll()) {
    sum = row_.tempered_sum;
    const float scale = static_cast<float>(1 / sampling_.temperature);
    for (int32_t first = 0; first < vocab_size_; first += kBlock) {
      const int32_t size = std::min(kBlock, vocab_size_ - first);
      weighted += SumOfWeightedExp(logits + first, size, row_.max, scale);
    }
  } else {
    for (const Candidate& c : support_.tokens()) {
      const double t = support_.Tempered(c.logit, support_.max());
      const double weight = std::exp(t);
      sum += weight;
      if (weight > 0) weighted += weight * t;
    }
  }
  return std::max(0.0, std::log(sum) - weighted / sum);
}

double Sampler::SelfCertainty(const float* logits) const {
  double distances = 0;
  for (int32_t first = 0; first < vocab_size_; first += kBlock) {
    const int32_t size = std::min(kBlock, vocab_size_ - first);
    distances += SumOfDistances(logits + first, size, row_.max, kImpossible);
  }
  return std::max(0.0, distances / vocab_size_ + row_.log_sum - std::log(vocab_size_));
}

void Sampler::Draw(const float* logits, const double* uniforms, size_t count,
                   TokenProbability* drawn) {
  if (count == 0) return;
  SumRow(logits);
  const bool is_greedy = sampling_.temperature == 0;
  if (!is_greedy && !support_.IsAll()) support_.Find(logits, row_);
  const double entropy = metrics_.entropy ? Entropy(logits) : 0;
  const double self_certainty = metrics_.self_certainty ? SelfCertainty(logits) : 0;
  for (size_t i = 0; i < count; ++i) {
    drawn[i] = is_greedy          ? Greedy(logits)
               : support_.IsAll() ? DrawPlain(logits, uniforms[i])
                                  : DrawFromSupport(logits, uniforms[i]);
    drawn[i].entropy = entropy;
    drawn[i].self_certainty = self_certainty;
  }
}

TokenProbability Sampler::Score(const float* logits, llama_token token) {
  SumRow(logits);
  if (sampling_.temperature > 0 && !support_.IsAll()) support_.Find(logits, row_);
  TokenProbability scored = ScoreFound(logits, token);
  if (metrics_.entropy) scored.entropy = Entropy(logits);
  if (metrics_.self_certainty) scored.self_certainty = SelfCertainty(logits);
  return scored;
}

TokenProbability Sampler::ScoreFound(const float* logits, llama_token token) const {
  if (token >= vocab_size_) return {token, -HUGE_VAL, -HUGE_VAL, -HUGE_VAL};
  const auto scored = [&](double log_prob) { return At(logits, token, log_prob, log_prob); };
  if (sampling_.temperature == 0) {
    return scored(Greedy(logits).token == token ? 0 : -HUGE_VAL);
  }
  if (support_.IsAll()) {
    return scored(support_.Tempered(logits[token], row_.max) - std::log(row_.tempered_sum));
  }
  for (const Candidate& c : support_.tokens()) {
    if (c.token != token) continue;
    return scored(support_.Tempered(c.logit, support_.max()) - std::log(support_.sum()));
  }
  return scored(-HUGE_VAL);
}

std::vector<TokenProbability> Sampler::Top(const float* logits, size_t count) {
  SumRow(logits);
  if (sampling_.temperature == 0) return {Greedy(logits)};
  if (support_.IsAll()) {
    support_.FindLargest(logits, row_, count);
  } else {
    support_.Find(logits, row_);
    support_.KeepHighest(count);
  }
  const double log_sum = std::log(support_.sum());
  std::vector<TokenProbability> top;
  for (const Candidate& c : support_.tokens()) {
    if (c.logit == -kInfinity) break;  // this and all later tokens have probability 0
    const double log_prob = support_.Tempered(c.logit, support_.max()) - log_sum;
    top.push_back(At(logits, c.token, log_prob, log_prob));
  }
  return top;
}

}  // namespace llama_ets
