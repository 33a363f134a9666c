// Attention of a batch's rows over a KV cache whose cells several texts share, in single precision:
// keys and values that many rows attend to are converted from half precision once for all of them.
// The engine's own kernel goes through all cells anew for each row and head, and sums in half
// precision. For processors with AVX2.
#pragma once

#include <cstddef>
#include <cstdint>

namespace llama_ets {

// What one attention operation reads and writes.
struct AttentionCall {
  // Strides are in bytes. Queries are single precision, keys and values half precision, each
  // contiguous along its size. `heads` is a multiple of `kv_heads`: consecutive heads share one.
  const char* queries;  // [row][head][key_size]
  size_t query_row;
  size_t query_head;
  const char* keys;  // [cell][kv_head][key_size]
  size_t key_cell;
  size_t key_head;
  const char* values;  // [cell][kv_head][value_size]
  size_t value_cell;
  size_t value_head;
  const char* mask;  // [row][cell], half precision: 0, or -infinity for a cell that isn't attended
  size_t mask_row;
  const int32_t* order;  // of the cells, by their numbers; null: as they are numbered
  float* out;            // [row][head][value_size]
  int32_t rows;
  int32_t heads;
  int32_t kv_heads;
  int32_t key_size;  // a multiple of kAttentionWidth, as value_size
  int32_t value_size;
  int32_t cells;
  float scale;
  float softcap;  // scores become softcap * tanh(score / softcap); 0: they stay
};

constexpr int32_t kAttentionWidth = 8;

// Cells are taken by tiles, in their order; the bits of a number say which of a tile's cells a row
// attends to.
constexpr int32_t kTileCells = 32;

inline int32_t TilesOf(const AttentionCall& call) {
  return (call.cells + kTileCells - 1) / kTileCells;
}

// Whether this processor can run what follows.
bool HasAttentionKernel();

// The cells that a row attends to, one number for each tile.
void FindAttendedCells(const AttentionCall& call, int32_t row, uint32_t* tiles);

// Some consecutive rows of a call, with one of its key heads and the heads that share it.
struct AttentionPiece {
  int32_t kv_head;
  int32_t first_row;
  int32_t rows;           // at most kMostRows
  const uint32_t* tiles;  // [row][tile], of these rows

  static constexpr int32_t kMostRows = 32;
};

// Pieces of at most `rows` rows that a call is made of.
int32_t PiecesOf(const AttentionCall& call, int32_t rows);

// One of them. Those of one key head follow one another, so that its keys and values stay in the
// cache. `tiles` are [row][tile], of all rows.
AttentionPiece PieceOf(const AttentionCall& call, int32_t rows, int32_t index,
                       const uint32_t* tiles);

// Floats of memory that a piece of `rows` rows needs besides.
size_t AttentionScratch(const AttentionCall& call, int32_t rows);

// Writes the piece's part of call.out. What a row comes to depends, to the last bit, on its query
// and on the keys and values of its cells in their order alone: not on the rows beside it, nor on
// where the cells lie. So a text has the same whatever it is decoded or scored with.
void Attend(const AttentionCall& call, const AttentionPiece& piece, float* scratch);

}  // namespace llama_ets
