// Which of the predicted positions of a block a denoising step unmasks.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

namespace llama_ets {

enum class Remasking { kLowConfidence, kRandom, kEntropy, kMargin };

// Confidence-parallel decoding (Fast-dLLM, arXiv 2505.22618).
struct ParallelRule {
  std::optional<double> threshold;
  std::optional<double> factor;
  bool is_on() const { return threshold || factor; }
};

// Positions that step `step` of a block's `steps` unmasks: evenly many, the first ones one more.
int32_t TransferCount(int32_t block_length, int32_t steps, int32_t step);

// The `count` indices of highest priority, the lower index first among equals; best first.
std::vector<size_t> Highest(const std::vector<double>& priorities, size_t count);

// The indices that may be unmasked at once by the rule, given each one's confidence; at least one.
std::vector<size_t> Confident(const std::vector<double>& confidences, const ParallelRule& rule);

// Of the softmax of a row of logits: the sum of p log p, and the difference of the two largest p.
// Throw EngineError ERR_INVALID_LOGITS.
double NegativeEntropy(const float* logits, int32_t count);
double Margin(const float* logits, int32_t count);

}  // namespace llama_ets
