#include "decode/classification.h"

#include <string>

#include "decode/stopwatch.h"
#include "files/engine_error.h"

namespace llama_ets {
namespace {

class Classification {
 public:
  Classification(Session* session, const std::vector<ClassificationRequest>& requests)
      : session_(session), requests_(requests), results_(requests.size()) {}

  ~Classification() {
    for (Slot& slot : active_) session_->FreeSlot(&slot.sequence);
  }

  std::vector<std::vector<double>> Run() {
    const Stopwatch stopwatch(&session_->decode_counters.call_ns);
    while (true) {
      Admit();
      if (active_.empty()) return std::move(results_);
      DecodeStep();
    }
  }

 private:
  // A text being read.
  struct Slot {
    size_t request;
    Sequence sequence;
    size_t decoded = 0;  // of its tokens
  };

  const std::vector<llama_token>& TokensOf(const Slot& slot) const {
    return requests_[slot.request].tokens;
  }

  void Admit() {
    for (; next_request_ < requests_.size(); ++next_request_) {
      const ClassificationRequest& request = requests_[next_request_];
      const auto cells = static_cast<int64_t>(request.tokens.size());
      if (session_->free_slots() == 0 || cells > session_->free_cells() - reserved_) {
        if (!active_.empty()) return;  // a place comes free
        throw EngineError("ERR_CONTEXT_FULL",
                          "A text of " + std::to_string(cells) + " tokens needs a sequence and " +
                              std::to_string(cells) + " KV cells; " +
                              std::to_string(session_->free_slots()) + " sequences and " +
                              std::to_string(session_->free_cells()) + " cells are free");
      }
      active_.push_back({next_request_, session_->ForkSlot(session_->Get(request.parent))});
      reserved_ += cells;
    }
  }

  void DecodeStep() {
    Batch& batch = session_->batch();
    batch.Clear();
    for (Slot& slot : active_) {
      const std::vector<llama_token>& tokens = TokensOf(slot);
      while (slot.decoded < tokens.size() && !batch.full()) {
        // Pooling wants an output of every token.
        batch.Add(tokens[slot.decoded++], slot.sequence.length++, slot.sequence.slot, true);
        slot.sequence.cells.Append(1);
        reserved_ -= 1;
        session_->counters.scored += 1;
      }
    }
    session_->Decode();
    std::vector<Slot> unfinished;
    for (Slot& slot : active_) {
      if (slot.decoded < TokensOf(slot).size()) {
        unfinished.push_back(std::move(slot));
        continue;
      }
      results_[slot.request] = session_->ClassesOf(slot.sequence.slot);
      session_->FreeSlot(&slot.sequence);
    }
    active_ = std::move(unfinished);
  }

  Session* session_;
  const std::vector<ClassificationRequest>& requests_;
  std::vector<std::vector<double>> results_;
  std::vector<Slot> active_;
  size_t next_request_ = 0;
  int64_t reserved_ = 0;  // cells promised to active texts
};

}  // namespace

std::vector<std::vector<double>> Classify(Session* session,
                                          const std::vector<ClassificationRequest>& requests) {
  if (session->classes() == 0) {
    throw EngineError("ERR_INVALID_STATE", "The context was not opened for classification");
  }
  return Classification(session, requests).Run();
}

}  // namespace llama_ets
