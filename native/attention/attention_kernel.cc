#include "attention/attention_kernel.h"

#include "attention/attention_build.h"

#ifndef LLAMA_ETS_NO_ATTENTION

#include <algorithm>

namespace llama_ets {

bool HasAttentionKernel() {
  return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") &&
         __builtin_cpu_supports("f16c") && __builtin_cpu_supports("bmi") &&
         __builtin_cpu_supports("popcnt");
}

}  // namespace llama_ets

#include "attention/attention_sums.h"  // from here on compiled for AVX2

namespace llama_ets {
namespace {

// A row's tile is dense, and worth converting, if the row attends to at least this many of its
// cells.
constexpr int32_t kDense = 8;

// Up to this many heads, counted over all rows of a piece, it isn't worth converting the cells.
constexpr int32_t kUnconverted = 4;

bool IsDense(uint32_t tile) {
  return __builtin_popcount(tile) >= kDense;
}

// Goes through the cells of a piece. It decides which cells are read once for several rows, and
// which are read for each row.
class Piece {
 public:
  Piece(const AttentionCall& call, const AttentionPiece& piece, float* scratch)
      : call_(call),
        piece_(piece),
        tile_count_(TilesOf(call)),
        keys_(call.keys + piece.kv_head * call.key_head),
        values_(call.values + piece.kv_head * call.value_head),
        sums_(call, piece, scratch),
        tile_(scratch + AttentionSums::Scratch(call, piece.rows)) {}

  static size_t Scratch(const AttentionCall& call, int32_t rows) {
    const size_t of_tile =
        static_cast<size_t>(kTileCells) * std::max(call.key_size, call.value_size);
    return AttentionSums::Scratch(call, rows) + of_tile;
  }

  void Run() {
    for (int32_t row = 0; row < piece_.rows; ++row) {
      sums_.Begin(row);
      handled_[row] = 0;
    }
    for (int32_t tile = 0; tile < tile_count_; tile += kBlockTiles) {
      RunBlock(tile, std::min(tile + kBlockTiles, tile_count_));
    }
    for (int32_t row = 0; row < piece_.rows; ++row) {
      RunApart(row, tile_count_);
      sums_.Write(row);
    }
  }

 private:
  static constexpr int32_t kBlock = AttentionSums::kBlock;
  static constexpr int32_t kBlockTiles = kBlock / kTileCells;

  uint32_t Tile(int32_t row, int32_t tile) const {
    return piece_.tiles[static_cast<size_t>(row) * tile_count_ + tile];
  }

  // The address of a tile's cell. A prefetch may ask for a place after the last cell.
  const char* CellOf(const char* base, size_t stride, int32_t tile, int32_t cell) const {
    const int32_t place = tile * kTileCells + cell;
    if (call_.order == nullptr) return base + place * stride;
    return base + call_.order[std::min(place, call_.cells - 1)] * stride;
  }

  // A row's cells are always summed in their order, however they are read.

  // Handles the tiles of a block up to each row's last dense tile. They hold what texts share, or
  // what was written at once for one text. They are converted once for all rows.
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
             [this](int32_t row, const auto* cells, int32_t count) {
               sums_.Score(row, done_[row], cells, count);
             });
    for (int32_t row = 0; row < piece_.rows; ++row) {
      if (done_[row] > 0) sums_.Weigh(row, done_[row]);
      done_[row] = 0;
    }
    EachTile(first, end, values_, call_.value_cell, call_.value_size,
             [this](int32_t row, const auto* cells, int32_t count) {
               sums_.Add(row, done_[row], cells, count);
             });
  }

  // Handles a row's remaining tiles up to `end`, which are not dense. In a unified cache, texts
  // that grow together write alternating cells; these tiles hold what the texts don't share. The
  // cells are not converted but read in place.
  void RunApart(int32_t row, int32_t end) {
    const Half* keys[kBlock];
    const Half* values[kBlock];
    int32_t count = 0;
    const auto run = [&] {
      sums_.Score(row, 0, keys, count);
      sums_.Weigh(row, count);
      sums_.Add(row, 0, values, count);
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

  // The cells of a tile that are read together for several rows and that this row attends to.
  uint32_t Together(int32_t row, int32_t tile) const {
    return tile < together_[row] ? Tile(row, tile) : 0;
  }

  // Calls `use` for each row with the cells of each tile that it reads together with other rows.
  template <typename Use>
  void EachTile(int32_t first, int32_t end, const char* base, size_t stride, int32_t size,
                const Use& use) {
    for (int32_t t = first; t < end; ++t) {
      if (piece_.rows * sums_.heads() <= kUnconverted) {
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
        // Prefetch some of the next tile's cells with each row.
        for (int32_t c = row; c < kTileCells && t + 1 < tile_count_; c += piece_.rows) {
          Prefetch(reinterpret_cast<const Half*>(CellOf(base, stride, t + 1, c)), size);
        }
        use(row, list, count);
        done_[row] += count;
      }
    }
  }

  // Does the work of EachTile for one row and tile if the piece has few rows: the cells are not
  // converted but read in place.
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

  // Converts to single precision the cells of a tile that rows read together. Returns false if
  // there are none.
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

  const AttentionCall& call_;
  const AttentionPiece& piece_;
  const int32_t tile_count_;
  const char* const keys_;
  const char* const values_;
  AttentionSums sums_;
  float* const tile_;                        // [cell][size]: a converted tile
  int32_t done_[AttentionPiece::kMostRows];  // for each row, cells of the block handled so far
  // For each row, the end of the block's tiles that are read together.
  int32_t together_[AttentionPiece::kMostRows];
  int32_t handled_[AttentionPiece::kMostRows];  // for each row, the end of the handled tiles
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
