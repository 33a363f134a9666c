#include "generation.h"

#include <algorithm>

#include "engine.h"
#include "engine_error.h"

namespace llama_ets {
namespace {

// The text of a token as it would appear in output; control tokens have none.
std::string PieceOf(const llama_vocab* vocab, llama_token token) {
  char buffer[256];
  int32_t size = Engine().llama_token_to_piece(vocab, token, buffer, sizeof buffer, 0, false);
  if (size >= 0) return std::string(buffer, size);
  std::string large(-size, '\0');
  size = Engine().llama_token_to_piece(vocab, token, large.data(), -size, 0, false);
  return size >= 0 ? large.substr(0, size) : std::string();
}

class Generation {
 public:
  Generation(Session* session, const std::vector<Draw>& draws, const GenerationOptions& options)
      : session_(session),
        draws_(draws),
        options_(options),
        sampler_(options.sampling, session->vocab_size()),
        results_(draws.size()) {
    for (const std::string& stop : options.stop_strings) {
      longest_stop_ = std::max(longest_stop_, stop.size());
    }
  }

  // Whatever was not handed over is freed, also when the run throws.
  ~Generation() {
    for (Slot& slot : active_) session_->FreeSlot(&slot.sequence);
    if (finished_) return;
    for (Continuation& result : results_) {
      if (result.sequence != 0) session_->Free(result.sequence);
    }
  }

  std::vector<Continuation> Run() {
    const Stopwatch stopwatch(&session_->counters.call_ns);
    session_->monitor()->generated = 0;
    while (true) {
      if (!OutOfBudget()) Admit();
      if (OutOfBudget() || active_.empty()) break;
      DecodeStep();
    }
    finished_ = true;
    return std::move(results_);
  }

 private:
  // A continuation being drawn.
  struct Slot {
    size_t draw;
    Sequence sequence;
    std::string tail;
    int32_t reserved;      // cells it may still take
    bool closing = false;  // all tokens drawn; the last is decoded once more to be continued from
  };

  // Checked between batches, so a budget holds within one batch.
  bool OutOfBudget() const {
    session_->ThrowIfAborted();
    if (session_->monitor()->generated >= options_.max_total_tokens) return true;
    return options_.deadline && std::chrono::steady_clock::now() >= *options_.deadline;
  }

  // The last drawn token is decoded only if the continuation is kept.
  static int32_t CellsFor(const Draw& draw) {
    return draw.keep ? draw.max_tokens : draw.max_tokens - 1;
  }

  void Admit() {
    while (next_draw_ < draws_.size()) {
      const Draw& draw = draws_[next_draw_];
      const bool fits = session_->free_slots() > 0 &&
                        static_cast<int32_t>(active_.size()) < session_->max_outputs() &&
                        CellsFor(draw) <= session_->free_cells() - reserved_;
      if (!fits) {
        if (!active_.empty()) return;  // a place comes free
        throw EngineError("ERR_CONTEXT_FULL",
                          "A continuation of " + std::to_string(draw.max_tokens) +
                              " tokens needs a sequence and " + std::to_string(CellsFor(draw)) +
                              " KV cells; " + std::to_string(session_->free_slots()) +
                              " sequences and " + std::to_string(session_->free_cells()) +
                              " cells are free");
      }
      const LogitsRow first = session_->Logits(draw.parent);
      active_.push_back(
          {next_draw_, session_->ForkSlot(session_->Get(draw.parent)), draw.tail, CellsFor(draw)});
      reserved_ += CellsFor(draw);
      ++next_draw_;
      Take(&active_.back(), first->data());
      if (IsDone(active_.back())) Release(active_.size() - 1);
      if (session_->monitor()->generated >= options_.max_total_tokens) return;
    }
  }

  void DecodeStep() {
    Batch& batch = session_->batch();
    batch.Clear();
    for (const Slot& slot : active_) {
      const llama_token token = results_[slot.draw].tokens.back();
      batch.Add(token, slot.sequence.length, slot.sequence.slot, true);
    }
    session_->Decode();
    session_->counters.decoded += static_cast<int64_t>(active_.size());
    for (size_t i = 0; i < active_.size(); ++i) {
      Slot& slot = active_[i];
      slot.sequence.length += 1;
      slot.sequence.cells.Append(1);
      slot.reserved -= 1;
      reserved_ -= 1;
      if (slot.closing) {
        slot.sequence.next = session_->CopyRow(static_cast<int32_t>(i));
      } else {
        Take(&slot, session_->RowOf(static_cast<int32_t>(i)));
      }
    }
    for (size_t i = active_.size(); i > 0; --i) {
      if (IsDone(active_[i - 1])) Release(i - 1);
    }
  }

  // Draws the slot's next token from `row` and decides whether the text ends with it.
  void Take(Slot* slot, const float* row) {
    const Draw& draw = draws_[slot->draw];
    Continuation& result = results_[slot->draw];
    const uint32_t position = draw.position + static_cast<uint32_t>(result.tokens.size());
    const PhiloxCounter counter = {draw.stream[0], draw.stream[1], draw.stream[2], position};
    const TokenProbability drawn = Sample(row, PhiloxUniform(counter, options_.key));
    result.tokens.push_back(drawn.token);
    result.log_probs.push_back(drawn.log_prob);
    result.raw_log_probs.push_back(drawn.raw_log_prob);
    session_->monitor()->generated += 1;
    session_->counters.generated += 1;
    slot->sequence.next = nullptr;

    const auto& stops = options_.stop_tokens;
    if (Engine().llama_vocab_is_eog(session_->vocab(), drawn.token)) {
      result.finish = Finish::kEnd;
    } else if (std::find(stops.begin(), stops.end(), drawn.token) != stops.end() ||
               EndsWithStopString(slot, drawn.token)) {
      result.finish = Finish::kStop;
    } else if (static_cast<int32_t>(result.tokens.size()) >= draw.max_tokens) {
      result.finish = Finish::kLength;
      slot->closing = draw.keep;
    }
  }

  TokenProbability Sample(const float* row, double uniform) {
    const Stopwatch stopwatch(&session_->counters.sampling_ns);
    return sampler_.Draw(row, uniform);
  }

  bool EndsWithStopString(Slot* slot, llama_token token) {
    if (longest_stop_ == 0) return false;
    slot->tail += PieceOf(session_->vocab(), token);
    for (const std::string& stop : options_.stop_strings) {
      if (slot->tail.find(stop) != std::string::npos) return true;
    }
    // A stop string may have begun in the last bytes.
    if (slot->tail.size() >= longest_stop_) {
      slot->tail.erase(0, slot->tail.size() - (longest_stop_ - 1));
    }
    return false;
  }

  bool IsDone(const Slot& slot) const {
    if (slot.closing) return slot.sequence.next != nullptr;
    return results_[slot.draw].finish != Finish::kBudget;
  }

  void Release(size_t index) {
    Slot& slot = active_[index];
    reserved_ -= slot.reserved;
    if (slot.closing) {
      results_[slot.draw].sequence = session_->Adopt(std::move(slot.sequence));
    } else {
      session_->FreeSlot(&slot.sequence);
    }
    active_.erase(active_.begin() + static_cast<std::ptrdiff_t>(index));
  }

  Session* session_;
  const std::vector<Draw>& draws_;
  const GenerationOptions& options_;
  Sampler sampler_;
  std::vector<Continuation> results_;
  std::vector<Slot> active_;
  size_t next_draw_ = 0;
  int64_t reserved_ = 0;  // cells promised to active continuations
  size_t longest_stop_ = 0;
  bool finished_ = false;
};

}  // namespace

std::vector<Continuation> Generate(Session* session, const std::vector<Draw>& draws,
                                   const GenerationOptions& options) {
  return Generation(session, draws, options).Run();
}

}  // namespace llama_ets
