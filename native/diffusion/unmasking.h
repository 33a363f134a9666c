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

// What a row says of how soon its position is to be unmasked, whatever is drawn from it: its
// entropy's negative, or the difference of the two largest probabilities; 0 where that is not for
// the row to say. Throws EngineError ERR_INVALID_LOGITS.
double RowPriority(Remasking remasking, const float* logits, int32_t count);

}  // namespace llama_ets
