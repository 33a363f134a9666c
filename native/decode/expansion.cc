#include "decode/expansion.h"

#include <algorithm>
#include <string>
#include <utility>

#include "decode/stopwatch.h"

namespace llama_ets {

std::unique_ptr<Expanding> Expanding::Start(Session* session, std::vector<ExpandRequest> requests,
                                            size_t count, Sampling sampling) {
  std::unique_ptr<Expanding> task(
      new Expanding(session, std::move(requests), count, std::move(sampling)));
  task->Begin();
  return task;
}

Expanding::Expanding(Session* session, std::vector<ExpandRequest> requests, size_t count,
                     Sampling sampling)
    : session_(session),
      requests_(std::move(requests)),
      count_(count),
      sampling_(std::move(sampling)),
      sampler_(session, sampling_),
      results_(requests_.size()) {
  if (sampling_.grammar.empty()) return;
  const Grammar start(session->vocab(), sampling_);
  for (const ExpandRequest& request : requests_) {
    grammars_.push_back(StateAfter(&start, request.text));
  }
}

// Frees the forks that TakeResult did not hand over.
Expanding::~Expanding() {
  for (Sequence& fork : forks_) session_->FreeSlot(&fork);
}

void Expanding::Begin() {
  const Stopwatch stopwatch(&session_->decode_counters.call_ns);
  ThrowIfTooLarge();
  for (const ExpandRequest& request : requests_) {
    forks_.push_back(session_->ForkSlot(session_->Get(request.parent)));
  }
  for (size_t i = 0; i < requests_.size(); ++i) {
    if (requests_[i].token) continue;
    rows_.push_back({i, -1, session_->Logits(requests_[i].parent)->data()});
  }
  Rank();
  SkipStored();
}

void Expanding::ThrowIfTooLarge() const {
  const auto cells = std::count_if(requests_.begin(), requests_.end(),
                                   [](const auto& request) { return request.token.has_value(); });
  const auto slots = static_cast<int64_t>(requests_.size());
  if (slots <= session_->free_slots() && cells <= session_->free_cells()) return;
  session_->ThrowFull("An expansion", slots, cells);
}

bool Expanding::GoesOn() const {
  session_->ThrowIfAborted();
  return next_ < requests_.size();
}

void Expanding::AddRows(Batch* batch, BatchRoom room) {
  // The session's own limit counts all rows that this task has in the batch.
  const int32_t own = session_->max_outputs() - static_cast<int32_t>(rows_.size());
  for (int32_t most = std::min({room.tokens, room.outputs, own}); next_ < requests_.size();
       --most) {
    if (most == 0) return;
    const Sequence& fork = forks_[next_];
    const int32_t index = batch->Add(*requests_[next_].token, fork.length, fork.slot, true);
    rows_.push_back({next_, index, nullptr});
    ++next_;
    SkipStored();
  }
}

void Expanding::TakeRows() {
  const Stopwatch stopwatch(&session_->decode_counters.call_ns);
  for (Row& row : rows_) {
    Sequence& fork = forks_[row.request];
    fork.length += 1;
    fork.cells.Append(1);
    fork.next = nullptr;
    row.logits = session_->RowOf(row.index);
  }
  session_->counters.generated += static_cast<int64_t>(rows_.size());
  session_->counters.decoded += static_cast<int64_t>(rows_.size());
  Rank();
}

std::vector<Expansion> Expanding::TakeResult() {
  for (size_t i = 0; i < forks_.size(); ++i) {
    results_[i].sequence = session_->Adopt(std::move(forks_[i]));
  }
  forks_.clear();
  return std::move(results_);
}

// Skips requests without a token: Begin has ranked them from their parents' stored logits.
void Expanding::SkipStored() {
  while (next_ < requests_.size() && !requests_[next_].token) ++next_;
}

void Expanding::Rank() {
  sampler_.ForEach(rows_.size(), [this](size_t i, Sampler* sampler) {
    const auto& [request, _, logits] = rows_[i];
    results_[request].next = grammars_.empty()
                                 ? sampler->Top(logits, count_)
                                 : sampler->TopAllowed(logits, *grammars_[request], count_);
  });
  rows_.clear();
}

}  // namespace llama_ets
