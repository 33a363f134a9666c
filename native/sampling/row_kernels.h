// The sampler's loops over a row of logits, compiled so that they vectorize (binding.gyp).
#pragma once

#include <cstdint>
#include <cstring>
#include <limits>

namespace llama_ets {

constexpr float kInfinity = std::numeric_limits<float>::infinity();

// exp(x) for x <= 0: 2^n times a polynomial on [-ln 2 / 2, ln 2 / 2]; relative error 2e-7.
// Below -87 it is 0. It has no branches and conversions, so that loops over it vectorize.
inline float NegativeExp(float x) {
  constexpr float kLog2E = 1.44269504f;
  constexpr float kLn2High = 0.693359375f;
  constexpr float kLn2Low = -2.12194440e-4f;
  constexpr float kRound = 12582912.f;  // 1.5 * 2^23: adding it rounds to an integer
  // Comparisons with NaN are false, and the product keeps it NaN, so the sum of a broken row is
  // NaN.
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

float MaxOf(const float* values, int32_t count);

// The sum of exp((value - max) * scale). It is NaN if a value is NaN.
float SumOfExp(const float* values, int32_t count, float max, float scale);

// The sum of exp(x) * x with x = (value - max) * scale. A value of -infinity adds 0.
float SumOfWeightedExp(const float* values, int32_t count, float max, float scale);

// The sum of the values' distances below `max`, each cut off at `limit`.
float SumOfDistances(const float* values, int32_t count, float max, float limit);

// Replaces `values` by values + scale * (values - others).
void Extrapolate(float* values, const float* others, int32_t count, float scale);

// Computes exp((value - max) * scale) for each value, and its distance below the maximum in steps
// of 1 / (scale * kStepsPerNat), cut off at kSteps - 1. No value may be NaN.
constexpr int32_t kSteps = 1024;
constexpr float kStepsPerNat = 16;
void ExpsAndSteps(const float* values, int32_t count, float max, float scale, float* exps,
                  uint16_t* steps);

}  // namespace llama_ets
