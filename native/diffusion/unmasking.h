// Chooses which of a block's predicted positions a denoising step unmasks.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

namespace llama_ets {

enum class Remasking { kLowConfidence, kRandom, kEntropy, kMargin };

// The rule of confidence-parallel decoding (Fast-dLLM, arXiv 2505.22618): by a threshold or a
// factor.
struct ParallelRule {
  std::optional<double> threshold;
  std::optional<double> factor;
  bool is_on() const { return threshold || factor; }
};

// The number of positions that step `step` of a block's `steps` steps unmasks. The positions are
// divided evenly; if they don't divide, each of the first steps unmasks one more.
int32_t TransferCount(int32_t block_length, int32_t steps, int32_t step);

// The indices of the `count` highest priorities, highest first. Of equal priorities the lower index
// comes first.
std::vector<size_t> Highest(const std::vector<double>& priorities, size_t count);

// The indices that the rule unmasks in one step, given the confidence of each; at least one.
std::vector<size_t> Confident(const std::vector<double>& confidences, const ParallelRule& rule);

// A position's priority, as far as it depends only on the row of logits and not on the drawn token:
// the negative entropy for kEntropy, the difference of the two largest probabilities for kMargin,
// and 0 for the other rules. Throws EngineError ERR_INVALID_LOGITS.
double RowPriority(Remasking remasking, const float* logits, int32_t count);

}  // namespace llama_ets
