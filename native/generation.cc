#include "generation.h"

#include <algorithm>
#include <list>
#include <numeric>

#include "engine.h"
#include "engine_error.h"
#include "row_sampler.h"
#include "stopwatch.h"

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
        sampler_(session, options.sampling),
        results_(draws.size()),
        waiting_(draws.size()) {
    std::iota(waiting_.begin(), waiting_.end(), size_t{0});
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
    for (const Draw& draw : draws_) ThrowIfTooLarge(draw);
    do {
      Admit();
    } while (!OutOfBudget() && DecodeStep());
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

  // Logits that a slot's next token is drawn from.
  struct Row {
    size_t slot;
    const float* logits;
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

  bool HasPlace() const {
    return session_->free_slots() > 0 &&
           static_cast<int32_t>(active_.size()) < session_->max_outputs();
  }

  bool HasCellsFor(const Draw& draw) const {
    return CellsFor(draw) <= session_->free_cells() - reserved_;
  }

  // While none is active: then no more places and cells will come free.
  void ThrowIfTooLarge(const Draw& draw) const {
    if (HasPlace() && HasCellsFor(draw)) return;
    throw EngineError("ERR_CONTEXT_FULL",
                      "A continuation of " + std::to_string(draw.max_tokens) +
                          " tokens needs a sequence and " + std::to_string(CellsFor(draw)) +
                          " KV cells; " + std::to_string(session_->free_slots()) +
                          " sequences and " + std::to_string(session_->free_cells()) +
                          " cells are free");
  }

  // Starts all that wait and fit, with their first tokens, drawn from their parents' logits. Those
  // that end with it leave their places to others at once.
  void Admit() {
    while (!OutOfBudget()) {
      const size_t before = active_.size();
      const int64_t room = options_.max_total_tokens - session_->monitor()->generated;
      for (auto next = waiting_.begin(); next != waiting_.end() && HasPlace();) {
        if (static_cast<int64_t>(active_.size() - before) == room) break;
        const Draw& draw = draws_[*next];
        if (!HasCellsFor(draw)) {
          ++next;  // a smaller one may fit beside what runs
          continue;
        }
        session_->Logits(draw.parent);  // are there
        active_.push_back(
            {*next, session_->ForkSlot(session_->Get(draw.parent)), draw.tail, CellsFor(draw)});
        reserved_ += CellsFor(draw);
        rows_.push_back({active_.size() - 1, active_.back().sequence.next->data()});
        next = waiting_.erase(next);
      }
      if (rows_.empty()) {
        if (active_.empty() && !waiting_.empty()) ThrowIfTooLarge(draws_[waiting_.front()]);
        return;
      }
      DrawTokens();
    }
  }

  // Decodes the active continuations' last tokens and draws the next ones; false: none is active.
  bool DecodeStep() {
    if (active_.empty()) return false;
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
        rows_.push_back({i, session_->RowOf(static_cast<int32_t>(i))});
      }
    }
    DrawTokens();
    return true;
  }

  // Draws a token from each of rows_, and releases the continuations that are done.
  void DrawTokens() {
    drawn_.resize(rows_.size());
    sampler_.ForEach(rows_.size(), [this](size_t i, Sampler* sampler) {
      const Slot& slot = active_[rows_[i].slot];
      drawn_[i] = sampler->Draw(rows_[i].logits, UniformOf(slot));
    });
    for (size_t i = 0; i < rows_.size(); ++i) Take(&active_[rows_[i].slot], drawn_[i]);
    rows_.clear();
    for (size_t i = active_.size(); i > 0; --i) {
      if (IsDone(active_[i - 1])) Release(i - 1);
    }
  }

  // The random number of the slot's next token: a function of its stream and position alone.
  double UniformOf(const Slot& slot) const {
    const Draw& draw = draws_[slot.draw];
    const size_t position = draw.position + results_[slot.draw].tokens.size();
    const PhiloxCounter counter = {draw.stream[0], draw.stream[1], draw.stream[2],
                                   static_cast<uint32_t>(position)};
    return PhiloxUniform(counter, options_.key);
  }

  // Appends the token and decides whether the text ends with it.
  void Take(Slot* slot, const TokenProbability& drawn) {
    const Draw& draw = draws_[slot->draw];
    Continuation& result = results_[slot->draw];
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
  RowSampler sampler_;
  std::vector<Continuation> results_;
  std::list<size_t> waiting_;  // draws not yet begun, in order
  std::vector<Slot> active_;
  std::vector<Row> rows_;  // to draw from
  std::vector<TokenProbability> drawn_;
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
