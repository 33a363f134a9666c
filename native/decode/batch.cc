#include "decode/batch.h"

namespace llama_ets {

Batch::Batch(int32_t capacity, int32_t max_outputs)
    : capacity_(capacity),
      max_outputs_(max_outputs),
      tokens_(capacity),
      positions_(capacity),
      sequence_counts_(capacity, 1),
      sequences_(capacity),
      sequence_pointers_(capacity),
      wants_logits_(capacity),
      rows_(capacity) {
  for (int32_t i = 0; i < capacity; ++i) sequence_pointers_[i] = &sequences_[i];
}

int32_t Batch::Add(llama_token token, llama_pos position, llama_seq_id sequence,
                   bool wants_logits) {
  tokens_[count_] = token;
  positions_[count_] = position;
  sequences_[count_] = sequence;
  wants_logits_[count_] = wants_logits ? 1 : 0;
  rows_[count_] = outputs_;
  outputs_ += wants_logits ? 1 : 0;
  return count_++;
}

llama_batch Batch::View() {
  return {count_,
          tokens_.data(),
          nullptr,
          positions_.data(),
          sequence_counts_.data(),
          sequence_pointers_.data(),
          wants_logits_.data()};
}

}  // namespace llama_ets
