#include "diffusion/unmasking.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "files/engine_error.h"
#include "sampling/row_kernels.h"

namespace llama_ets {
namespace {

constexpr int32_t kBlock = 1024;  // logits per block: sums are float within, double across blocks

struct Sums {
  float max;
  double exps;
  double weighted;
};

Sums SumRow(const float* logits, int32_t count) {
  Sums sums = {MaxOf(logits, count), 0, 0};
  for (int32_t first = 0; first < count; first += kBlock) {
    const int32_t size = std::min(kBlock, count - first);
    sums.exps += SumOfExp(logits + first, size, sums.max, 1);
    sums.weighted += SumOfWeightedExp(logits + first, size, sums.max, 1.f);
  }
  if (!std::isfinite(sums.max) || !std::isfinite(sums.exps) || !std::isfinite(sums.weighted)) {
    throw EngineError("ERR_INVALID_LOGITS",
                      "The model's logits hold NaN or infinity; its weights are broken");
  }
  return sums;
}

double NegativeEntropy(const float* logits, int32_t count) {
  const Sums sums = SumRow(logits, count);
  return sums.weighted / sums.exps - std::log(sums.exps);
}

double Margin(const float* logits, int32_t count) {
  const Sums sums = SumRow(logits, count);
  const auto best = static_cast<int32_t>(std::find(logits, logits + count, sums.max) - logits);
  const float second = std::max(MaxOf(logits, best), MaxOf(logits + best + 1, count - best - 1));
  return (1 - std::exp(static_cast<double>(second) - sums.max)) / sums.exps;
}

}  // namespace

int32_t TransferCount(int32_t block_length, int32_t steps, int32_t step) {
  return block_length / steps + (step < block_length % steps ? 1 : 0);
}

std::vector<size_t> Highest(const std::vector<double>& priorities, size_t count) {
  std::vector<size_t> order(priorities.size());
  std::iota(order.begin(), order.end(), size_t{0});
  std::stable_sort(order.begin(), order.end(),
                   [&](size_t a, size_t b) { return priorities[a] > priorities[b]; });
  order.resize(std::min(count, order.size()));
  return order;
}

std::vector<size_t> Confident(const std::vector<double>& confidences, const ParallelRule& rule) {
  std::vector<size_t> order = Highest(confidences, confidences.size());
  size_t count = 1;
  while (count < order.size()) {
    const double rank = static_cast<double>(count + 1);
    const double needed = rule.threshold ? *rule.threshold : 1 - *rule.factor / (rank + 1);
    if (confidences[order[count]] < needed) break;
    ++count;
  }
  order.resize(count);
  return order;
}

double RowPriority(Remasking remasking, const float* logits, int32_t count) {
  if (remasking == Remasking::kEntropy) return NegativeEntropy(logits, count);
  if (remasking == Remasking::kMargin) return Margin(logits, count);
  return 0;
}

}  // namespace llama_ets
