// Vectors of eight numbers, for attention_kernel.cc alone: from here on it is compiled for AVX2.
#pragma once

#include <immintrin.h>

#include <cmath>
#include <cstdint>

#include "attention/attention_kernel.h"
#include "sampling/row_kernels.h"

#pragma GCC target("avx2,fma,f16c,bmi,popcnt")

namespace llama_ets {
namespace {

using Half = uint16_t;
constexpr Half kMasked = 0xfc00;  // -infinity
constexpr int32_t kWidth = kAttentionWidth;
constexpr int32_t kAtOnce = 4;  // cells a query is multiplied with side by side

__m256 Load(const float* from) {
  return _mm256_loadu_ps(from);
}

__m256 Load(const Half* from) {
  return _mm256_cvtph_ps(_mm_loadu_si128(reinterpret_cast<const __m128i*>(from)));
}

// Cells of one text lie far apart: the processor doesn't foresee what is read next.
void Prefetch(const Half* numbers, int32_t size) {
  constexpr int32_t kLine = 64 / sizeof(Half);
  for (int32_t d = 0; d < size; d += kLine) _mm_prefetch(numbers + d, _MM_HINT_T1);
}

// Otherwise GCC loads it anew for each use.
void KeepInRegister(__m256& vector) {
  asm("" : "+x"(vector));
}

// The sums of four vectors' elements.
void StoreSums(float* to, const __m256* x) {
  const __m256 pairs = _mm256_hadd_ps(_mm256_hadd_ps(x[0], x[1]), _mm256_hadd_ps(x[2], x[3]));
  _mm_storeu_ps(to, _mm_add_ps(_mm256_castps256_ps128(pairs), _mm256_extractf128_ps(pairs, 1)));
}

// Which of a tile's 32 cells aren't masked.
uint32_t Unmasked(const Half* mask) {
  const __m256i masked = _mm256_set1_epi16(static_cast<int16_t>(kMasked));
  const auto* halves = reinterpret_cast<const __m256i*>(mask);
  const __m256i low = _mm256_cmpeq_epi16(_mm256_loadu_si256(halves), masked);
  const __m256i high = _mm256_cmpeq_epi16(_mm256_loadu_si256(halves + 1), masked);
  const __m256i packed = _mm256_permute4x64_epi64(_mm256_packs_epi16(low, high), 0xd8);
  return ~static_cast<uint32_t>(_mm256_movemask_epi8(packed));
}

// Loops over cells and vectors are unrolled by pragmas: early, so that their arrays are registers.

// The products of kHeads consecutive queries with kAtOnce cells.
template <int kHeads, typename Number>
void Multiply(const float* queries, int32_t size, const Number* const* cells,
              float* const* scores) {
  __m256 sums[kHeads][kAtOnce] = {};
  for (int32_t d = 0; d < size; d += kWidth) {
#pragma GCC unroll 4
    for (int c = 0; c < kAtOnce; ++c) {
      __m256 key = Load(cells[c] + d);
      KeepInRegister(key);
      for (int h = 0; h < kHeads; ++h) {
        sums[h][c] = _mm256_fmadd_ps(Load(queries + h * size + d), key, sums[h][c]);
      }
    }
  }
  for (int h = 0; h < kHeads; ++h) StoreSums(scores[h], sums[h]);
}

// Adds the cells' weighted values to kHeads sums: kVectors vectors of them.
template <int kHeads, int kVectors, typename Number>
void AddValues(const Number* const* cells, int32_t count, int32_t first,
               const float* const* weights, float* const* sums) {
  __m256 held[kHeads][kVectors];
  for (int h = 0; h < kHeads; ++h) {
    for (int i = 0; i < kVectors; ++i) held[h][i] = Load(sums[h] + first + i * kWidth);
  }
  for (int32_t c = 0; c < count; ++c) {
    const Number* cell = cells[c] + first;
#pragma GCC unroll 4
    for (int i = 0; i < kVectors; ++i) {
      __m256 value = Load(cell + i * kWidth);
      KeepInRegister(value);
      for (int h = 0; h < kHeads; ++h) {
        held[h][i] = _mm256_fmadd_ps(_mm256_set1_ps(weights[h][c]), value, held[h][i]);
      }
    }
  }
  for (int h = 0; h < kHeads; ++h) {
    for (int i = 0; i < kVectors; ++i) _mm256_storeu_ps(sums[h] + first + i * kWidth, held[h][i]);
  }
}

// What one head of one row has come to over the cells handled so far.
struct Softmax {
  float* highest;  // score
  float* total;    // of the weights, exp(score - highest)

  void Begin() const {
    *highest = -kInfinity;
    *total = 0;
  }

  // Makes weights of more scores, and adds them to the total. Returns what the weights before, and
  // what was summed with them, are to be multiplied with.
  float Add(float* scores, int32_t count, float scale, float softcap) const {
    if (softcap != 0) {
      for (int32_t i = 0; i < count; ++i) {
        scores[i] = softcap * std::tanh(scores[i] * scale / softcap);
      }
      scale = 1;
    }
    float max = *highest;
#pragma omp simd reduction(max : max)
    for (int32_t i = 0; i < count; ++i) max = scores[i] > max ? scores[i] : max;
    float sum = 0;
#pragma omp simd reduction(+ : sum)
    for (int32_t i = 0; i < count; ++i) {
      scores[i] = NegativeExp((scores[i] - max) * scale);
      sum += scores[i];
    }
    const float change = max == *highest ? 1.f : NegativeExp((*highest - max) * scale);
    *highest = max;
    *total = *total * change + sum;
    return change;
  }
};

}  // namespace
}  // namespace llama_ets
