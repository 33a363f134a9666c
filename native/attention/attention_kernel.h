// Attention of a batch's rows over a KV cache whose cells several texts share, in single precision.
// Keys and values that many rows attend to are converted from half precision once for all rows. In
// contrast, the engine's own kernel goes through all cells for each row and head, and sums in half
// precision. Our kernel needs a processor with AVX2.
#pragma once

#include <cstddef>
#include <cstdint>

namespace llama_ets {

// The inputs and the output of one attention operation.
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
  const int32_t* order;  // the cells' numbers in the order to sum them; null: ascending
  float* out;            // [row][head][value_size]
  int32_t rows;
  int32_t heads;
  int32_t kv_heads;
  int32_t key_size;  // a multiple of kAttentionWidth; so is value_size
  int32_t value_size;
  int32_t cells;
  float scale;
  float softcap;  // scores become softcap * tanh(score / softcap); 0: they don't change
};

constexpr int32_t kAttentionWidth = 8;

// The cells are divided into tiles of 32, in their order. The bits of a 32-bit number say which of
// a tile's cells a row attends to.
constexpr int32_t kTileCells = 32;

inline int32_t TilesOf(const AttentionCall& call) {
  return (call.cells + kTileCells - 1) / kTileCells;
}

// Whether this processor can run the functions below.
bool HasAttentionKernel();

// Writes the cells that a row attends to, as one number for each tile.
void FindAttendedCells(const AttentionCall& call, int32_t row, uint32_t* tiles);

// A part of a call: some consecutive rows, one of the key heads, and the heads that share it.
struct AttentionPiece {
  int32_t kv_head;
  int32_t first_row;
  int32_t rows;           // at most kMostRows
  const uint32_t* tiles;  // [row][tile], of these rows

  static constexpr int32_t kMostRows = 32;
};

// The number of pieces in a call if each piece has at most `rows` rows.
int32_t PiecesOf(const AttentionCall& call, int32_t rows);

// The piece with number `index`. The pieces of one key head have consecutive numbers, so that its
// keys and values stay in the CPU cache. `tiles` are [row][tile], for all rows of the call.
AttentionPiece PieceOf(const AttentionCall& call, int32_t rows, int32_t index,
                       const uint32_t* tiles);

// The number of floats of scratch memory that Attend needs for a piece of `rows` rows.
size_t AttentionScratch(const AttentionCall& call, int32_t rows);

// Writes the piece's part of call.out. Every bit of a row's result depends only on its query and on
// the keys and values of its cells in their order. It does not depend on the other rows or on where
// the cells are. So the numbers of a text are the same whatever it is decoded or scored with.
void Attend(const AttentionCall& call, const AttentionPiece& piece, float* scratch);

}  // namespace llama_ets
