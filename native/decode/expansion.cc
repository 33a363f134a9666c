#include "decode/expansion.h"

#include <string>

#include "decode/stopwatch.h"
#include "files/engine_error.h"
#include "sampling/row_sampler.h"

namespace llama_ets {
namespace {

class Expanding {
 public:
  Expanding(Session* session, const std::vector<ExpandRequest>& requests, size_t count,
            const Sampling& sampling)
      : session_(session),
        requests_(requests),
        count_(count),
        sampler_(session, sampling),
        results_(requests.size()) {}

  // Whatever was not handed over is freed, also when the run throws.
  ~Expanding() {
    for (Sequence& fork : forks_) session_->FreeSlot(&fork);
  }

  std::vector<Expansion> Run() {
    const Stopwatch stopwatch(&session_->decode_counters.call_ns);
    ThrowIfTooLarge();
    for (const ExpandRequest& request : requests_) {
      forks_.push_back(session_->ForkSlot(session_->Get(request.parent)));
    }
    RankStored();
    Batch& batch = session_->batch();
    batch.Clear();
    for (size_t i = 0; i < requests_.size(); ++i) {
      if (!requests_[i].token) continue;
      if (batch.full() || batch.outputs() == session_->max_outputs()) DecodeAndRank();
      batch.Add(*requests_[i].token, forks_[i].length, forks_[i].slot, true);
      rows_.push_back({i, nullptr});
    }
    if (!rows_.empty()) DecodeAndRank();
    for (size_t i = 0; i < forks_.size(); ++i) {
      results_[i].sequence = session_->Adopt(std::move(forks_[i]));
    }
    forks_.clear();
    return std::move(results_);
  }

 private:
  // Logits, and the request whose next tokens they rank.
  struct Row {
    size_t request;
    const float* logits;
  };

  void ThrowIfTooLarge() const {
    int64_t cells = 0;
    for (const ExpandRequest& request : requests_) cells += request.token ? 1 : 0;
    const auto slots = static_cast<int64_t>(requests_.size());
    if (slots <= session_->free_slots() && cells <= session_->free_cells()) return;
    throw EngineError("ERR_CONTEXT_FULL",
                      "An expansion needs " + std::to_string(slots) + " sequences and " +
                          std::to_string(cells) + " KV cells; " +
                          std::to_string(session_->free_slots()) + " sequences and " +
                          std::to_string(session_->free_cells()) + " cells are free");
  }

  void RankStored() {
    for (size_t i = 0; i < requests_.size(); ++i) {
      if (!requests_[i].token) rows_.push_back({i, session_->Logits(requests_[i].parent)->data()});
    }
    Rank();
  }

  void DecodeAndRank() {
    session_->Decode();
    session_->batch().Clear();
    for (size_t i = 0; i < rows_.size(); ++i) {
      Sequence& fork = forks_[rows_[i].request];
      fork.length += 1;
      fork.cells.Append(1);
      fork.next = nullptr;
      rows_[i].logits = session_->RowOf(static_cast<int32_t>(i));
    }
    session_->counters.generated += static_cast<int64_t>(rows_.size());
    session_->counters.decoded += static_cast<int64_t>(rows_.size());
    Rank();
  }

  void Rank() {
    sampler_.ForEach(rows_.size(), [this](size_t i, Sampler* sampler) {
      results_[rows_[i].request].next = sampler->Top(rows_[i].logits, count_);
    });
    rows_.clear();
  }

  Session* session_;
  const std::vector<ExpandRequest>& requests_;
  size_t count_;
  RowSampler sampler_;
  std::vector<Expansion> results_;
  std::vector<Sequence> forks_;
  std::vector<Row> rows_;
};

}  // namespace

std::vector<Expansion> Expand(Session* session, const std::vector<ExpandRequest>& requests,
                              size_t count, const Sampling& sampling) {
  return Expanding(session, requests, count, sampling).Run();
}

}  // namespace llama_ets
