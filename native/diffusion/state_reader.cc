#include "diffusion/state_reader.h"

#include <algorithm>

#include "sampling/row_kernels.h"

namespace llama_ets {

void StateReader::Add(const StateRead& read, llama_seq_id slot) {
  for (int32_t view = 0; view < views(); ++view) {
    const std::vector<llama_token>* tokens = read.tokens;
    if (view == 1) {
      masked_ = *read.tokens;
      std::fill_n(masked_.begin(), prompt_length_, session_->mask());
      tokens = &masked_;
    }
    std::vector<int32_t> row_of(read.tokens->size(), -1);
    for (const int32_t position : read.positions) row_of[static_cast<size_t>(position)] = 0;
    session_->Add(*tokens, read.first, read.last, slot + view, &row_of);
    indices_.push_back(std::move(row_of));
  }
}

size_t StateReader::Fill(const std::vector<StateRead>& reads, size_t begin) {
  session_->batch().Clear();
  indices_.clear();
  size_t end = begin;
  for (; end < reads.size(); ++end) {
    const StateRead& read = reads[end];
    const int32_t tokens = views() * (read.last - read.first);
    if (session_->batch().size() + tokens > session_->batch_size()) break;
    const auto next = static_cast<llama_seq_id>(end - begin) * views();
    const llama_seq_id slot = read.slot >= 0 ? read.slot : next;
    if (slot + views() > session_->slots()) break;
    Add(read, slot);
  }
  return end;
}

std::vector<const float*> StateReader::RowsOf(const StateRead& read, size_t index) const {
  const size_t first = index * static_cast<size_t>(views());
  std::vector<const float*> rows;
  for (const int32_t position : read.positions) {
    const auto at = static_cast<size_t>(position);
    float* row = session_->RowOf(indices_[first][at]);
    if (guidance_ > 0) {
      Extrapolate(row, session_->RowOf(indices_[first + 1][at]), session_->vocab_size(),
                  static_cast<float>(guidance_));
    }
    row[session_->mask()] = -kInfinity;
    rows.push_back(row);
  }
  return rows;
}

void StateReader::Read(const std::vector<StateRead>& reads, const Use& use) {
  size_t begin = 0;
  bool goes_on = true;
  while (goes_on && begin < reads.size()) {
    if (reads[begin].slot < 0) session_->Reset();
    const size_t end = Fill(reads, begin);
    session_->Decode();
    std::vector<std::vector<const float*>> rows;
    for (size_t i = begin; i < end; ++i) rows.push_back(RowsOf(reads[i], i - begin));
    goes_on = use(begin, end, rows);
    begin = end;
  }
}

}  // namespace llama_ets
