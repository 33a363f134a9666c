#include "sampling/row_kernels.h"

// On x86-64 Linux the hot loops are compiled for several instruction sets and chosen at run time;
// elsewhere they use the base instruction set (NEON on arm64, SSE2 on Windows).
#if defined(__GNUC__) && !defined(__clang__) && defined(__x86_64__) && defined(__linux__)
#define LLAMA_ETS_VECTORISED \
  __attribute__((target_clones("arch=x86-64-v4", "arch=x86-64-v3", "default")))
#else
#define LLAMA_ETS_VECTORISED
#endif

namespace llama_ets {

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

LLAMA_ETS_VECTORISED float SumOfWeightedExp(const float* values, int32_t count, float max,
                                            float scale) {
  float sum = 0;
#pragma omp simd reduction(+ : sum)
  for (int32_t i = 0; i < count; ++i) {
    const float exponent = (values[i] - max) * scale;
    sum += NegativeExp(exponent) * (exponent < -100.f ? -100.f : exponent);
  }
  return sum;
}

LLAMA_ETS_VECTORISED float SumOfDistances(const float* values, int32_t count, float max,
                                          float limit) {
  float sum = 0;
#pragma omp simd reduction(+ : sum)
  for (int32_t i = 0; i < count; ++i) {
    const float distance = max - values[i];
    sum += distance < limit ? distance : limit;
  }
  return sum;
}

LLAMA_ETS_VECTORISED void Extrapolate(float* values, const float* others, int32_t count,
                                      float scale) {
#pragma omp simd
  for (int32_t i = 0; i < count; ++i) values[i] += scale * (values[i] - others[i]);
}

LLAMA_ETS_VECTORISED void ExpsAndSteps(const float* values, int32_t count, float max, float scale,
                                       float* exps, uint16_t* steps) {
  constexpr float kLast = kSteps - 1;
#pragma omp simd
  for (int32_t i = 0; i < count; ++i) {
    const float exponent = (values[i] - max) * scale;
    exps[i] = NegativeExp(exponent);
    const float step = exponent * -kStepsPerNat;
    steps[i] = static_cast<uint16_t>(static_cast<int32_t>(step < kLast ? step : kLast));
  }
}

}  // namespace llama_ets
