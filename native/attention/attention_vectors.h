// Vectors of eight numbers. Only attention_kernel.cc includes this header; the code after the
// include is compiled for AVX2.
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
constexpr int32_t kAtOnce = 4;  // cells that a query is multiplied with in one loop

__m256 Load(const float* from) {
  return _mm256_loadu_ps(from);
}

__m256 Load(const Half* from) {
  return _mm256_cvtph_ps(_mm_loadu_si128(reinterpret_cast<const __m128i*>(from)));
}

// Prefetches a cell, because the cells of one text lie far apart and the processor can't predict
// which memory is read next.
void Prefetch(const Half* numbers, int32_t size) {
  constexpr int32_t kLine = 64 / sizeof(Half);
  for (int32_t d = 0; d < size; d += kLine) _mm_prefetch(numbers + d, _MM_HINT_T1);
}

// Makes GCC keep the vector in a register. Otherwise it loads the vector again for each use.
void KeepInRegister(__m256& vector) {
  asm("" : "+x"(vector));
}

// Stores four numbers: for each of four vectors the sum of its elements.
void StoreSums(float* to, const __m256* x) {
  const __m256 pairs = _mm256_hadd_ps(_mm256_hadd_ps(x[0], x[1]), _mm256_hadd_ps(x[2], x[3]));
  _mm_storeu_ps(to, _mm_add_ps(_mm256_castps256_ps128(pairs), _mm256_extractf128_ps(pairs, 1)));
}

// The cells of a tile that aren't masked, one bit for each of its 32 cells.
uint32_t Unmasked(const Half* mask) {
  const __m256i masked = _mm256_set1_epi16(static_cast<int16_t>(kMasked));
  const auto* halves = reinterpret_cast<const __m256i*>(mask);
  const __m256i low = _mm256_cmpeq_epi16(_mm256_loadu_si256(halves), masked);
  const __m256i high = _mm256_cmpeq_epi16(_mm256_loadu_si256(halves + 1), masked);
  const __m256i packed = _mm256_permute4x64_epi64(_mm256_packs_epi16(low, high), 0xd8);
  return ~static_cast<uint32_t>(_mm256_movemask_epi8(packed));
}

// Pragmas unroll the loops over cells and vectors, early enough that GCC keeps the arrays in
// registers.

// Writes the dot products of kHeads consecutive queries with kAtOnce cells.
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

// Where weighted values are added, for each of kHeads heads.
template <int kHeads>
struct Weighted {
  const float* weights[kHeads];  // one per cell
  float* sums[kHeads];           // the weighted sums of values
  float* totals[kHeads];         // the sums of the weights
};

// Adds the cells' weighted values, cell after cell, to kVectors vectors of the sums of kHeads
// heads, from element `first` on. With kTotals it also adds the weights to their totals.
template <int kHeads, int kVectors, bool kTotals, typename Number>
void AddVectors(const Number* const* cells, int32_t count, int32_t first,
                const Weighted<kHeads>& to) {
  __m256 held[kHeads][kVectors];
  __m128 totals[kHeads] = {};
  for (int h = 0; h < kHeads; ++h) {
    if (kTotals) totals[h] = _mm_load_ss(to.totals[h]);
    for (int i = 0; i < kVectors; ++i) held[h][i] = Load(to.sums[h] + first + i * kWidth);
  }
  for (int32_t c = 0; c < count; ++c) {
    const Number* cell = cells[c] + first;
#pragma GCC unroll 4
    for (int i = 0; i < kVectors; ++i) {
      __m256 value = Load(cell + i * kWidth);
      KeepInRegister(value);
      for (int h = 0; h < kHeads; ++h) {
        held[h][i] = _mm256_fmadd_ps(_mm256_set1_ps(to.weights[h][c]), value, held[h][i]);
      }
    }
    for (int h = 0; kTotals && h < kHeads; ++h) {
      totals[h] = _mm_add_ss(totals[h], _mm_load_ss(to.weights[h] + c));
    }
  }
  for (int h = 0; h < kHeads; ++h) {
    if (kTotals) _mm_store_ss(to.totals[h], totals[h]);
    for (int i = 0; i < kVectors; ++i) {
      _mm256_storeu_ps(to.sums[h] + first + i * kWidth, held[h][i]);
    }
  }
}

template <int kHeads, int kVectors, typename Number>
void AddValues(const Number* const* cells, int32_t count, int32_t first,
               const Weighted<kHeads>& to) {
  if (first == 0) {
    AddVectors<kHeads, kVectors, true>(cells, count, first, to);
  } else {
    AddVectors<kHeads, kVectors, false>(cells, count, first, to);
  }
}

// 2^exponent, for vectors of integers up to 0. Below -126 the result is 0.
__m256 PowerOfTwo(__m256 exponent) {
  const __m256 is_below = _mm256_cmp_ps(exponent, _mm256_set1_ps(-126.f), _CMP_LT_OQ);
  const __m256i biased = _mm256_add_epi32(_mm256_cvtps_epi32(exponent), _mm256_set1_epi32(127));
  return _mm256_andnot_ps(is_below, _mm256_castsi256_ps(_mm256_slli_epi32(biased, 23)));
}

__m256 Rounded(__m256 x) {
  return _mm256_round_ps(x, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
}

// 2^x for x from -1/2 to 1/2; relative error 2e-7.
__m256 SmallPowerOfTwo(__m256 x) {
  x = _mm256_mul_ps(x, _mm256_set1_ps(0.693147181f));
  __m256 p = _mm256_set1_ps(1.9875691500e-4f);
  for (const float factor : {1.3981999507e-3f, 8.3334519073e-3f, 4.1665795894e-2f, 1.6666665459e-1f,
                             5.0000001201e-1f, 1.f, 1.f}) {
    p = _mm256_fmadd_ps(p, x, _mm256_set1_ps(factor));
  }
  return p;
}

// The running softmax of one head of one row over the cells handled so far. Weights, and the sums
// made with them, are scaled by a power of two, which causes no rounding. So the sums don't depend
// on how the cells are divided into blocks, and the result of a text doesn't depend on where its
// cells are.
struct Softmax {
  float* exponent;  // weights are exp(score) / 2^exponent
  float* total;     // of the weights

  void Begin() const {
    *exponent = -kInfinity;
    *total = 0;
  }

  // Replaces more scores by their weights, also the unused ones at the end of the last vector.
  // Returns the factor by which the caller must multiply the sums made with earlier weights.
  float Weigh(float* scores, int32_t count, float scale, float softcap) const {
    if (softcap != 0) {
      for (int32_t i = 0; i < count; ++i) {
        scores[i] = softcap * std::tanh(scores[i] * scale / softcap);
      }
      scale = 1;
    }
    float max = -kInfinity;
#pragma omp simd reduction(max : max)
    for (int32_t i = 0; i < count; ++i) max = scores[i] > max ? scores[i] : max;
    const __m256 to_log2 = _mm256_set1_ps(scale * 1.44269504f);
    const __m256 highest = _mm256_max_ps(Rounded(_mm256_mul_ps(_mm256_set1_ps(max), to_log2)),
                                         _mm256_set1_ps(*exponent));
    for (int32_t i = 0; i < count; i += kWidth) {
      const __m256 score = Load(scores + i);
      const __m256 whole = Rounded(_mm256_mul_ps(score, to_log2));
      const __m256 rest =
          _mm256_fmsub_ps(score, to_log2, whole);  // fused: the product isn't rounded
      const __m256 power = PowerOfTwo(_mm256_sub_ps(whole, highest));
      _mm256_storeu_ps(scores + i, _mm256_mul_ps(SmallPowerOfTwo(rest), power));
    }
    const __m256 change = PowerOfTwo(_mm256_sub_ps(_mm256_set1_ps(*exponent), highest));
    *exponent = _mm256_cvtss_f32(highest);
    *total *= _mm256_cvtss_f32(change);
    return _mm256_cvtss_f32(change);
  }
};

}  // namespace
}  // namespace llama_ets
