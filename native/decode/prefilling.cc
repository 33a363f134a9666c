#include "decode/prefilling.h"

#include <algorithm>
#include <string>
#include <utility>

#include "decode/stopwatch.h"
#include "files/engine_error.h"

namespace llama_ets {

Prefilling::Prefilling(Session* session, std::vector<PrefillRequest> requests)
    : session_(session), requests_(std::move(requests)) {
  int64_t total = 0;
  for (const PrefillRequest& request : requests_) {
    Sequence& sequence = session_->Get(request.sequence);
    for (const Part& part : parts_) {
      if (part.sequence != &sequence) continue;
      throw EngineError("ERR_INVALID_ARGUMENT", "Expected each sequence once");
    }
    parts_.push_back({&sequence, nullptr});
    total += static_cast<int64_t>(request.tokens.size());
  }
  if (total > session_->free_cells()) {
    session_->ThrowFull("A prefill of " + std::to_string(total) + " tokens", 0, total);
  }
}

// After an error, removes the new tokens from the cache, also those of an aborted batch, so that
// the sequences hold what they held before.
Prefilling::~Prefilling() {
  if (finished_) return;
  const size_t begun = part_ + (place_ > 0 ? 1 : 0);
  for (size_t i = 0; i < begun; ++i) session_->Undo(parts_[i].sequence);
}

bool Prefilling::GoesOn() const {
  session_->ThrowIfAborted();
  return part_ < parts_.size();
}

void Prefilling::AddRows(Batch* batch, BatchRoom room) {
  // The session's own limit counts all rows that this task has in the batch.
  int32_t outputs =
      std::min(room.outputs, session_->max_outputs() - static_cast<int32_t>(rows_.size()));
  int32_t tokens = room.tokens;
  while (part_ < parts_.size() && tokens > 0 && outputs > 0) {
    const std::vector<llama_token>& own = requests_[part_].tokens;
    const Sequence& sequence = *parts_[part_].sequence;
    const bool is_last = place_ + 1 == own.size();
    const llama_pos position = sequence.length + static_cast<llama_pos>(place_);
    const int32_t index = batch->Add(own[place_], position, sequence.slot, is_last);
    --tokens;
    ++place_;
    if (!is_last) continue;
    rows_.push_back({part_, index});
    --outputs;
    ++part_;
    place_ = 0;
  }
}

void Prefilling::TakeRows() {
  const Stopwatch stopwatch(&session_->decode_counters.call_ns);
  for (const Row& row : rows_) parts_[row.part].last = session_->CopyRow(row.index);
  rows_.clear();
}

bool Prefilling::TakeResult() {
  for (size_t i = 0; i < parts_.size(); ++i) {
    Sequence& sequence = *parts_[i].sequence;
    const auto count = static_cast<int64_t>(requests_[i].tokens.size());
    sequence.length += static_cast<llama_pos>(count);
    sequence.cells.Append(count);
    sequence.next = std::move(parts_[i].last);
    session_->counters.prefilled += count;
  }
  finished_ = true;
  return true;
}

}  // namespace llama_ets
