#include "decode/scoring.h"

#include <algorithm>
#include <string>

#include "decode/stopwatch.h"
#include "files/engine_error.h"
#include "sampling/row_sampler.h"

namespace llama_ets {
namespace {

class Scoring {
 public:
  Scoring(Session* session, const std::vector<ScoreRequest>& requests, const Sampling& sampling,
          Metrics metrics)
      : session_(session),
        requests_(requests),
        metrics_(metrics),
        sampler_(session, sampling, metrics),
        results_(requests.size()) {}

  ~Scoring() {
    for (Slot& slot : active_) session_->FreeSlot(&slot.sequence);
  }

  std::vector<Scores> Run() {
    const Stopwatch stopwatch(&session_->decode_counters.call_ns);
    while (true) {
      Admit();
      ScoreRows();
      if (active_.empty()) return std::move(results_);
      DecodeStep();
    }
  }

 private:
  // A continuation being scored.
  struct Slot {
    size_t request;
    Sequence sequence;
    size_t decoded = 0;  // of its tokens; token i's logits score token i + 1
  };

  // Logits, and the token they score.
  struct Row {
    size_t request;
    llama_token token;
    const float* logits;
  };

  // All but a continuation's last token are decoded.
  size_t TokensToDecode(size_t request) const { return requests_[request].tokens.size() - 1; }

  void Admit() {
    while (next_request_ < requests_.size()) {
      const ScoreRequest& request = requests_[next_request_];
      const int64_t cells = static_cast<int64_t>(request.tokens.size()) - 1;
      if (cells > 0 &&
          (session_->free_slots() == 0 || cells > session_->free_cells() - reserved_)) {
        if (!active_.empty()) return;  // a place comes free
        throw EngineError(
            "ERR_CONTEXT_FULL",
            "A continuation of " + std::to_string(cells + 1) + " tokens needs a sequence and " +
                std::to_string(cells) + " KV cells; " + std::to_string(session_->free_slots()) +
                " sequences and " + std::to_string(session_->free_cells()) + " cells are free");
      }
      const float* first = session_->Logits(request.parent)->data();
      rows_.push_back({next_request_, request.tokens[0], first});
      if (cells > 0) {
        active_.push_back({next_request_, session_->ForkSlot(session_->Get(request.parent))});
        reserved_ += cells;
      }
      ++next_request_;
    }
  }

  void DecodeStep() {
    Batch& batch = session_->batch();
    batch.Clear();
    for (Slot& slot : active_) {
      const std::vector<llama_token>& tokens = requests_[slot.request].tokens;
      while (slot.decoded < TokensToDecode(slot.request) && !batch.full() &&
             batch.outputs() < session_->max_outputs()) {
        batch.Add(tokens[slot.decoded], slot.sequence.length, slot.sequence.slot, true);
        rows_.push_back({slot.request, tokens[slot.decoded + 1], nullptr});
        slot.decoded += 1;
        slot.sequence.length += 1;
        slot.sequence.cells.Append(1);
        reserved_ -= 1;
      }
    }
    session_->Decode();
    for (size_t i = 0; i < rows_.size(); ++i) {
      rows_[i].logits = session_->RowOf(static_cast<int32_t>(i));
    }
    ScoreRows();
    std::vector<Slot> unfinished;
    for (Slot& slot : active_) {
      if (slot.decoded < TokensToDecode(slot.request)) {
        unfinished.push_back(std::move(slot));
      } else {
        session_->FreeSlot(&slot.sequence);
      }
    }
    active_ = std::move(unfinished);
  }

  // Scores the tokens of rows_; a request's are in their order.
  void ScoreRows() {
    scored_.resize(rows_.size());
    sampler_.ForEach(rows_.size(), [this](size_t i, Sampler* sampler) {
      scored_[i] = sampler->Score(rows_[i].logits, rows_[i].token);
    });
    for (size_t i = 0; i < rows_.size(); ++i) {
      Scores& result = results_[rows_[i].request];
      result.log_probs.push_back(scored_[i].log_prob);
      result.raw_log_probs.push_back(scored_[i].raw_log_prob);
      if (metrics_.entropy) result.entropies.push_back(scored_[i].entropy);
      if (metrics_.self_certainty) result.self_certainties.push_back(scored_[i].self_certainty);
    }
    session_->counters.scored += static_cast<int64_t>(rows_.size());
    rows_.clear();
  }

  Session* session_;
  const std::vector<ScoreRequest>& requests_;
  const Metrics metrics_;
  RowSampler sampler_;
  std::vector<Scores> results_;
  std::vector<Slot> active_;
  std::vector<Row> rows_;
  std::vector<TokenProbability> scored_;
  size_t next_request_ = 0;
  int64_t reserved_ = 0;  // cells promised to active continuations
};

}  // namespace

std::vector<Scores> Score(Session* session, const std::vector<ScoreRequest>& requests,
                          const Sampling& sampling, Metrics metrics) {
  return Scoring(session, requests, sampling, metrics).Run();
}

}  // namespace llama_ets
