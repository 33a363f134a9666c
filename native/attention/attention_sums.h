// Running sums of attention. Only attention_kernel.cc includes this header, which is compiled for
// AVX2.
#pragma once

#include <algorithm>
#include <cstring>

#include "attention/attention_kernel.h"
#include "attention/attention_vectors.h"  // from here on compiled for AVX2

namespace llama_ets {
namespace {

// The sums of a piece's rows and heads over the cells handled so far. Cells are handled in blocks:
// first Score takes the keys of all cells of a block, then Weigh turns their scores into weights,
// then Add takes their values, in the same order. The argument `before` of Score and Add is the
// number of the block's cells that were handled before. These three are the inner loops and are
// inlined, because the cost of a call is measurable.
class AttentionSums {
 public:
  // The largest number of cells in a block.
  static constexpr int32_t kBlock = 8 * kTileCells;

  AttentionSums(const AttentionCall& call, const AttentionPiece& piece, float* scratch)
      : call_(call),
        piece_(piece),
        group_(call.heads / call.kv_heads),
        queries_(scratch),
        sums_(queries_ + static_cast<size_t>(piece.rows) * group_ * call.key_size),
        scores_(sums_ + static_cast<size_t>(piece.rows) * group_ * call.value_size),
        softmax_(scores_ + static_cast<size_t>(piece.rows) * group_ * kStride) {}

  // The number of floats of scratch memory for `rows` rows.
  static size_t Scratch(const AttentionCall& call, int32_t rows) {
    const size_t of_head = call.key_size + call.value_size + kStride + 2;
    return static_cast<size_t>(rows) * (call.heads / call.kv_heads) * of_head;
  }

  int32_t heads() const { return group_; }

  void Begin(int32_t row) {
    for (int32_t i = 0; i < group_; ++i) {
      const char* query = call_.queries + (piece_.first_row + row) * call_.query_row +
                          (piece_.kv_head * group_ + i) * call_.query_head;
      std::memcpy(Queries(row) + i * call_.key_size, query, call_.key_size * sizeof(float));
      SoftmaxOf(row, i).Begin();
    }
    std::fill_n(Sums(row), group_ * call_.value_size, 0.f);
  }

  void Write(int32_t row) {
    const size_t first = static_cast<size_t>(piece_.first_row + row) * call_.heads +
                         static_cast<size_t>(piece_.kv_head) * group_;
    for (int32_t head = 0; head < group_; ++head) {
      const float total = *SoftmaxOf(row, head).total;
      const float* sums = Sums(row) + head * call_.value_size;
      float* out = call_.out + (first + head) * call_.value_size;
      for (int32_t d = 0; d < call_.value_size; ++d) out[d] = total == 0 ? 0 : sums[d] / total;
    }
  }

  template <typename Number>
  [[gnu::always_inline]] void Score(int32_t row, int32_t before, const Number* const* cells,
                                    int32_t count) {
    const float* queries = Queries(row);
    const int32_t size = call_.key_size;
    for (int32_t c = 0; c < count; c += kAtOnce) {
      const Number* some[kAtOnce];
      for (int32_t i = 0; i < kAtOnce; ++i) some[i] = cells[std::min(c + i, count - 1)];
      const auto scores = [&](int32_t head) { return Scores(row, head) + before + c; };
      int32_t head = 0;
      for (; head + 2 <= group_; head += 2) {
        float* const two[] = {scores(head), scores(head + 1)};
        Multiply<2>(queries + head * size, size, some, two);
      }
      if (head < group_) {
        float* const one[] = {scores(head)};
        Multiply<1>(queries + head * size, size, some, one);
      }
    }
  }

  // Turns the block's scores into weights, and rescales the sums of earlier blocks to match.
  [[gnu::always_inline]] void Weigh(int32_t row, int32_t count) {
    for (int32_t head = 0; head < group_; ++head) {
      const float change =
          SoftmaxOf(row, head).Weigh(Scores(row, head), count, call_.scale, call_.softcap);
      if (change == 1) continue;
      float* sums = Sums(row) + head * call_.value_size;
      for (int32_t d = 0; d < call_.value_size; ++d) sums[d] *= change;
    }
  }

  template <typename Number>
  [[gnu::always_inline]] void Add(int32_t row, int32_t before, const Number* const* cells,
                                  int32_t count) {
    int32_t head = 0;
    for (; head + 2 <= group_; head += 2) AddTo<2>(row, head, before, cells, count);
    if (head < group_) AddTo<1>(row, head, before, cells, count);
  }

 private:
  // A block's cells, and room for the scores that Score writes beyond the block's end.
  static constexpr int32_t kStride = kBlock + kAtOnce;

  float* Queries(int32_t row) {
    return queries_ + static_cast<size_t>(row) * group_ * call_.key_size;
  }
  float* Sums(int32_t row) { return sums_ + static_cast<size_t>(row) * group_ * call_.value_size; }
  float* Scores(int32_t row, int32_t head) {
    return scores_ + (static_cast<size_t>(row) * group_ + head) * kStride;
  }
  Softmax SoftmaxOf(int32_t row, int32_t head) const {
    float* own = softmax_ + 2 * (static_cast<size_t>(row) * group_ + head);
    return {own, own + 1};
  }

  template <int kHeads, typename Number>
  void AddTo(int32_t row, int32_t head, int32_t before, const Number* const* cells, int32_t count) {
    constexpr int kVectors = 4;
    const int32_t size = call_.value_size;
    Weighted<kHeads> to;
    for (int h = 0; h < kHeads; ++h) {
      to.weights[h] = Scores(row, head + h) + before;
      to.sums[h] = Sums(row) + (head + h) * size;
      to.totals[h] = SoftmaxOf(row, head + h).total;
    }
    int32_t d = 0;
    for (; d + kVectors * kWidth <= size; d += kVectors * kWidth) {
      AddValues<kHeads, kVectors>(cells, count, d, to);
    }
    for (; d < size; d += kWidth) AddValues<kHeads, 1>(cells, count, d, to);
  }

  const AttentionCall& call_;
  const AttentionPiece& piece_;
  const int32_t group_;   // heads that share the key head
  float* const queries_;  // [row][head][key_size]
  float* const sums_;     // [row][head][value_size]
  float* const scores_;   // [row][head][kStride]: scores of a block's cells, later their weights
  float* const softmax_;  // [row][head][2]: exponent and total of each Softmax
};

}  // namespace
}  // namespace llama_ets
