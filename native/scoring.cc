#include "scoring.h"

#include <algorithm>
#include <string>

#include "engine_error.h"

namespace llama_ets {
namespace {

class Scoring {
 public:
  Scoring(Session* session, const std::vector<ScoreRequest>& requests, const Sampling& sampling)
      : session_(session),
        requests_(requests),
        sampler_(sampling, session->vocab_size()),
        results_(requests.size()) {}

  ~Scoring() {
    for (Slot& slot : active_) session_->FreeSlot(&slot.sequence);
  }

  std::vector<Scores> Run() {
    const Stopwatch stopwatch(&session_->counters.call_ns);
    while (true) {
      Admit();
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
      Record(next_request_, session_->Logits(request.parent)->data(), request.tokens[0]);
      if (cells > 0) {
        active_.push_back({next_request_, session_->ForkSlot(session_->Get(request.parent))});
        reserved_ += cells;
      }
      ++next_request_;
    }
  }

  void DecodeStep() {
    struct Row {
      size_t request;
      llama_token token;  // the one this row's logits score
    };
    std::vector<Row> rows;
    Batch& batch = session_->batch();
    batch.Clear();
    for (Slot& slot : active_) {
      const std::vector<llama_token>& tokens = requests_[slot.request].tokens;
      while (slot.decoded < TokensToDecode(slot.request) && !batch.full() &&
             batch.outputs() < session_->max_outputs()) {
        batch.Add(tokens[slot.decoded], slot.sequence.length, slot.sequence.slot, true);
        rows.push_back({slot.request, tokens[slot.decoded + 1]});
        slot.decoded += 1;
        slot.sequence.length += 1;
        slot.sequence.cells.Append(1);
        reserved_ -= 1;
      }
    }
    session_->Decode();
    for (size_t i = 0; i < rows.size(); ++i) {
      Record(rows[i].request, session_->RowOf(static_cast<int32_t>(i)), rows[i].token);
    }
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

  void Record(size_t request, const float* row, llama_token token) {
    const Stopwatch stopwatch(&session_->counters.sampling_ns);
    const TokenProbability scored = sampler_.Score(row, token);
    results_[request].log_probs.push_back(scored.log_prob);
    results_[request].raw_log_probs.push_back(scored.raw_log_prob);
    session_->counters.scored += 1;
  }

  Session* session_;
  const std::vector<ScoreRequest>& requests_;
  Sampler sampler_;
  std::vector<Scores> results_;
  std::vector<Slot> active_;
  size_t next_request_ = 0;
  int64_t reserved_ = 0;  // cells promised to active continuations
};

}  // namespace

std::vector<Scores> Score(Session* session, const std::vector<ScoreRequest>& requests,
                          const Sampling& sampling) {
  return Scoring(session, requests, sampling).Run();
}

}  // namespace llama_ets
