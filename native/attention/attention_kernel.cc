#include "attention/attention_kernel.h"

#include "attention/attention_build.h"

#ifndef LLAMA_ETS_NO_ATTENTION

#include <algorithm>
#include <cstring>

namespace llama_ets {

bool HasAttentionKernel() {
  return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") &&
         __builtin_cpu_supports("f16c") && __builtin_cpu_supports("bmi") &&
         __builtin_cpu_supports("popcnt");
}

}  // namespace llama_ets

#include "attention/attention_vectors.h"  // from here on compiled for AVX2

namespace llama_ets {
namespace {

// Attended cells from which on a row's tile is worth converting.
constexpr int32_t kDense = 8;

// Heads of all of a piece's rows up to which it doesn't pay to convert cells for them together.
constexpr int32_t kUnconverted = 4;

bool IsDense(uint32_t tile) {
  return __builtin_popcount(tile) >= kDense;
}

// A piece with what lies between its scores and its sums.
class Piece {
 public:
  Piece(const AttentionCall& call, const AttentionPiece& piece, float* scratch)
      : call_(call),
        piece_(piece),
        tile_count_(TilesOf(call)),
        group_(call.heads / call.kv_heads),
        keys_(call.keys + piece.kv_head * call.key_head),
        values_(call.values + piece.kv_head * call.value_head),
        queries_(scratch),
        sums_(queries_ + static_cast<size_t>(piece.rows) * group_ * call.key_size),
        scores_(sums_ + static_cast<size_t>(piece.rows) * group_ * call.value_size),
        softmax_(scores_ + static_cast<size_t>(piece.rows) * group_ * kStride),
        tile_(softmax_ + static_cast<size_t>(piece.rows) * group_ * 2) {}

  static size_t Scratch(const AttentionCall& call, int32_t rows) {
    const size_t of_head = call.key_size + call.value_size + kStride + 2;
    const size_t of_tile =
        static_cast<size_t>(kTileCells) * std::max(call.key_size, call.value_size);
    return static_cast<size_t>(rows) * (call.heads / call.kv_heads) * of_head + of_tile;
  }

  void Run() {
    for (int32_t row = 0; row < piece_.rows; ++row) Begin(row);
    for (int32_t tile = 0; tile < tile_count_; tile += kBlockTiles) {
      RunBlock(tile, std::min(tile + kBlockTiles, tile_count_));
    }
    for (int32_t row = 0; row < piece_.rows; ++row) {
      RunApart(row, tile_count_);
      Write(row);
    }
  }

 private:
  // Cells whose scores are held at once, and room for what is written over their end.
  static constexpr int32_t kBlockTiles = 8;
  static constexpr int32_t kBlock = kBlockTiles * kTileCells;
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
  uint32_t Tile(int32_t row, int32_t tile) const {
    return piece_.tiles[static_cast<size_t>(row) * tile_count_ + tile];
  }

  void Begin(int32_t row) {
    for (int32_t i = 0; i < group_; ++i) {
      const char* query = call_.queries + (piece_.first_row + row) * call_.query_row +
                          (piece_.kv_head * group_ + i) * call_.query_head;
      std::memcpy(Queries(row) + i * call_.key_size, query, call_.key_size * sizeof(float));
      SoftmaxOf(row, i).Begin();
    }
    std::fill_n(Sums(row), group_ * call_.value_size, 0.f);
    handled_[row] = 0;
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

  // Where a tile's cell lies. What is read ahead may lie behind the last one.
  const char* CellOf(const char* base, size_t stride, int32_t tile, int32_t cell) const {
    const int32_t place = tile * kTileCells + cell;
    if (call_.order == nullptr) return base + place * stride;
    return base + call_.order[std::min(place, call_.cells - 1)] * stride;
  }

  // A row's cells are summed in their order, whichever way they are read.

  // The tiles of a block up to each row's last dense one, which are converted once for all rows:
  // what texts share, or were filled with at once.
  void RunBlock(int32_t first, int32_t end) {
    for (int32_t row = 0; row < piece_.rows; ++row) {
      together_[row] = end;
      while (together_[row] > first && !IsDense(Tile(row, together_[row] - 1))) --together_[row];
      if (together_[row] == first) continue;
      RunApart(row, first);
      handled_[row] = together_[row];
    }
    std::fill_n(done_, piece_.rows, 0);
    EachTile(first, end, keys_, call_.key_cell, call_.key_size,
             [this](int32_t row, const auto* cells, int32_t count) { Score(row, cells, count); });
    for (int32_t row = 0; row < piece_.rows; ++row) {
      if (done_[row] > 0) Weigh(row, done_[row]);
      done_[row] = 0;
    }
    EachTile(first, end, values_, call_.value_cell, call_.value_size,
             [this](int32_t row, const auto* cells, int32_t count) { Add(row, cells, count); });
  }

  // A row's tiles up to `end` that are not handled, none of them dense: in a unified cache, where
  // texts that grow together alternate, what they don't share. Its cells are read where they are.
  void RunApart(int32_t row, int32_t end) {
    const Half* keys[kBlock];
    const Half* values[kBlock];
    int32_t count = 0;
    const auto run = [&] {
      done_[row] = 0;
      Score(row, keys, count);
      Weigh(row, count);
      Add(row, values, count);
      count = 0;
    };
    for (int32_t t = handled_[row]; t < end; ++t) {
      for (uint32_t left = Tile(row, t); left != 0; left &= left - 1) {
        const int32_t cell = __builtin_ctz(left);
        keys[count] = reinterpret_cast<const Half*>(CellOf(keys_, call_.key_cell, t, cell));
        values[count] = reinterpret_cast<const Half*>(CellOf(values_, call_.value_cell, t, cell));
        Prefetch(keys[count], call_.key_size);
        Prefetch(values[count], call_.value_size);
        ++count;
      }
      if (count + kDense > kBlock) run();
    }
    if (count > 0) run();
  }

  // The cells of a tile that a row attends to and that are read for all rows together.
  uint32_t Together(int32_t row, int32_t tile) const {
    return tile < together_[row] ? Tile(row, tile) : 0;
  }

  // Hands each row the cells of each tile that it reads together with the others.
  template <typename Use>
  void EachTile(int32_t first, int32_t end, const char* base, size_t stride, int32_t size,
                const Use& use) {
    for (int32_t t = first; t < end; ++t) {
      if (piece_.rows * group_ <= kUnconverted) {
        for (int32_t row = 0; row < piece_.rows; ++row) UseTile(row, t, base, stride, size, use);
        continue;
      }
      if (!Convert(t, base, stride, size)) continue;
      const float* list[kTileCells];
      uint32_t listed = 0;
      int32_t count = 0;
      for (int32_t row = 0; row < piece_.rows; ++row) {
        const uint32_t tile = Together(row, t);
        if (tile == 0) continue;
        if (tile != listed) count = ListCells(tile, size, list);  // most rows have the same
        listed = tile;
        // The next tile's cells are on their way while these are used: some for each row.
        for (int32_t c = row; c < kTileCells && t + 1 < tile_count_; c += piece_.rows) {
          Prefetch(reinterpret_cast<const Half*>(CellOf(base, stride, t + 1, c)), size);
        }
        use(row, list, count);
        done_[row] += count;
      }
    }
  }

  // Where a piece has few rows, their cells are read where they are.
  template <typename Use>
  void UseTile(int32_t row, int32_t tile, const char* base, size_t stride, int32_t size,
               const Use& use) {
    const Half* list[kTileCells];
    int32_t count = 0;
    for (uint32_t left = Together(row, tile); left != 0; left &= left - 1) {
      const char* cell = CellOf(base, stride, tile, __builtin_ctz(left));
      list[count++] = reinterpret_cast<const Half*>(cell);
    }
    if (count == 0) return;
    for (int32_t c = row; c < kTileCells && tile + 1 < tile_count_; c += piece_.rows) {
      Prefetch(reinterpret_cast<const Half*>(CellOf(base, stride, tile + 1, c)), size);
    }
    use(row, list, count);
    done_[row] += count;
  }

  // Converts the cells of a tile that rows read together; false if there are none.
  bool Convert(int32_t tile, const char* base, size_t stride, int32_t size) {
    uint32_t any = 0;
    for (int32_t row = 0; row < piece_.rows; ++row) any |= Together(row, tile);
    for (uint32_t left = any; left != 0; left &= left - 1) {
      const int32_t c = __builtin_ctz(left);
      const auto* from = reinterpret_cast<const Half*>(CellOf(base, stride, tile, c));
      float* to = tile_ + c * size;
      for (int32_t d = 0; d < size; d += kWidth) _mm256_storeu_ps(to + d, Load(from + d));
    }
    return any != 0;
  }

  int32_t ListCells(uint32_t tile, int32_t size, const float** list) const {
    int32_t count = 0;
    for (uint32_t left = tile; left != 0; left &= left - 1) {
      list[count++] = tile_ + __builtin_ctz(left) * size;
    }
    return count;
  }

  template <typename Number>
  void Score(int32_t row, const Number* const* cells, int32_t count) {
    const float* queries = Queries(row);
    const int32_t size = call_.key_size;
    for (int32_t c = 0; c < count; c += kAtOnce) {
      const Number* some[kAtOnce];
      for (int32_t i = 0; i < kAtOnce; ++i) some[i] = cells[std::min(c + i, count - 1)];
      const auto scores = [&](int32_t head) { return Scores(row, head) + done_[row] + c; };
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

  // The block's scores become weights, to which those before are adjusted.
  void Weigh(int32_t row, int32_t count) {
    for (int32_t head = 0; head < group_; ++head) {
      const float change =
          SoftmaxOf(row, head).Weigh(Scores(row, head), count, call_.scale, call_.softcap);
      if (change == 1) continue;
      float* sums = Sums(row) + head * call_.value_size;
      for (int32_t d = 0; d < call_.value_size; ++d) sums[d] *= change;
    }
  }

  template <typename Number>
  void Add(int32_t row, const Number* const* cells, int32_t count) {
    int32_t head = 0;
    for (; head + 2 <= group_; head += 2) AddTo<2>(row, head, cells, count);
    if (head < group_) AddTo<1>(row, head, cells, count);
  }

  template <int kHeads, typename Number>
  void AddTo(int32_t row, int32_t head, const Number* const* cells, int32_t count) {
    constexpr int kVectors = 4;
    const int32_t size = call_.value_size;
    Weighted<kHeads> to;
    for (int h = 0; h < kHeads; ++h) {
      to.weights[h] = Scores(row, head + h) + done_[row];
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
  const int32_t tile_count_;
  const int32_t group_;  // heads that share the key head
  const char* const keys_;
  const char* const values_;
  float* const queries_;  // [row][head][key_size]
  float* const sums_;     // [row][head][value_size]
  float* const scores_;   // [row][head][kStride]: of a block's cells, then their weights
  float* const softmax_;  // [row][head][2]
  float* const tile_;     // [cell][size]
  int32_t done_[AttentionPiece::kMostRows];      // cells of the block handled so far
  int32_t together_[AttentionPiece::kMostRows];  // tiles of the block that are read together: up to
  int32_t handled_[AttentionPiece::kMostRows];   // tiles that were handled: up to
};

}  // namespace

void FindAttendedCells(const AttentionCall& call, int32_t row, uint32_t* tiles) {
  const auto* mask = reinterpret_cast<const Half*>(call.mask + row * call.mask_row);
  for (int32_t first = 0; first < call.cells; first += kTileCells) {
    uint32_t tile = 0;
    if (call.order == nullptr && first + kTileCells <= call.cells) {
      tile = Unmasked(mask + first);
    } else {
      const int32_t end = std::min(kTileCells, call.cells - first);
      for (int32_t i = 0; i < end; ++i) {
        const int32_t cell = call.order == nullptr ? first + i : call.order[first + i];
        tile |= static_cast<uint32_t>(mask[cell] != kMasked) << i;
      }
    }
    *tiles++ = tile;
  }
}

int32_t PiecesOf(const AttentionCall& call, int32_t rows) {
  return (call.rows + rows - 1) / rows * call.kv_heads;
}

AttentionPiece PieceOf(const AttentionCall& call, int32_t rows, int32_t index,
                       const uint32_t* tiles) {
  const int32_t pieces = (call.rows + rows - 1) / rows;
  const int32_t first = index % pieces * rows;
  return {index / pieces, first, std::min(rows, call.rows - first),
          tiles + static_cast<size_t>(first) * TilesOf(call)};
}

size_t AttentionScratch(const AttentionCall& call, int32_t rows) {
  return Piece::Scratch(call, rows);
}

void Attend(const AttentionCall& call, const AttentionPiece& piece, float* scratch) {
  Piece(call, piece, scratch).Run();
}

}  // namespace llama_ets

#endif  // LLAMA_ETS_NO_ATTENTION
