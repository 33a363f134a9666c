// A llama_batch under construction: tokens of any sequences, which one call decodes.
#pragma once

#include <llama.h>

#include <vector>

namespace llama_ets {

// How many tokens may still be added to a batch, and how many of them may want a row of logits.
struct BatchRoom {
  int32_t tokens;
  int32_t outputs;
};

class Batch {
 public:
  Batch(int32_t capacity, int32_t max_outputs);
  Batch(const Batch&) = delete;
  Batch& operator=(const Batch&) = delete;

  // Returns the token's index in the batch. After the decode, its logits are found by this index.
  int32_t Add(llama_token token, llama_pos position, llama_seq_id sequence, bool wants_logits);
  // The number of a token's row among the rows of logits. The token must want logits.
  int32_t RowOf(int32_t index) const { return rows_[static_cast<size_t>(index)]; }
  void Clear() { count_ = outputs_ = 0; }
  int32_t size() const { return count_; }
  int32_t outputs() const { return outputs_; }
  bool full() const { return count_ == capacity_; }
  BatchRoom room() const { return {capacity_ - count_, max_outputs_ - outputs_}; }
  llama_batch View();

 private:
  const int32_t capacity_;
  const int32_t max_outputs_;
  int32_t count_ = 0;
  int32_t outputs_ = 0;
  std::vector<llama_token> tokens_;
  std::vector<llama_pos> positions_;
  std::vector<int32_t> sequence_counts_;
  std::vector<llama_seq_id> sequences_;
  std::vector<llama_seq_id*> sequence_pointers_;
  std::vector<int8_t> wants_logits_;
  std::vector<int32_t> rows_;
};

}  // namespace llama_ets
