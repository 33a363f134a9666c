#include "decode/generation.h"

#include <algorithm>
#include <list>
#include <numeric>
#include <optional>

#include "decode/stopwatch.h"
#include "decode/text_end.h"
#include "files/engine_error.h"
#include "sampling/row_sampler.h"

namespace llama_ets {
namespace {

class DrawingLoop final : public Generation {
 public:
  DrawingLoop(Session* session, std::vector<Draw> draws, GenerationOptions options)
      : session_(session),
        draws_(std::move(draws)),
        options_(std::move(options)),
        sampler_(session, options_.sampling, options_.metrics),
        text_end_(session->vocab(), options_.stop_tokens, options_.stop_strings,
                  options_.answer_end),
        results_(draws_.size()),
        waiting_(draws_.size()) {
    if (options_.reference) reference_sampler_.emplace(session, *options_.reference);
    std::iota(waiting_.begin(), waiting_.end(), size_t{0});
  }

  // Whatever was not handed over is freed, also when the run throws.
  ~DrawingLoop() override {
    for (Branch& branch : branches_) Free(&branch);
    if (finished_) return;
    for (Continuation& result : results_) {
      if (result.sequence != 0) session_->Free(result.sequence);
    }
  }

  void Begin() {
    const Stopwatch stopwatch(&session_->decode_counters.call_ns);
    session_->monitor()->generated = 0;
    for (const Draw& draw : draws_) ThrowIfTooLarge(draw);
    Admit();
  }

  Decoder* decoder() const override { return session_; }

  bool GoesOn() const override { return !OutOfBudget() && !branches_.empty(); }

  bool AddsAllRows() const override { return true; }

  void AddRows(Batch* batch, BatchRoom) override {
    first_row_ = batch->size();
    for (const Branch& branch : branches_) {
      const llama_token token = results_[branch.members.front().draw].tokens.back();
      batch->Add(token, branch.sequence.length, branch.sequence.slot, true);
    }
  }

  void TakeRows() override {
    const Stopwatch stopwatch(&session_->decode_counters.call_ns);
    session_->counters.decoded += static_cast<int64_t>(branches_.size());
    for (size_t i = 0; i < branches_.size(); ++i) {
      Branch& branch = branches_[i];
      branch.sequence.length += 1;
      branch.sequence.cells.Append(1);
      for (Member& member : branch.members) member.reserved -= 1;
      reserved_ -= static_cast<int64_t>(branch.members.size());
      rows_.push_back({i, session_->RowOf(first_row_ + static_cast<int32_t>(i)), 0});
    }
    HandOver();
    DrawTokens();
    Admit();
  }

  std::vector<Continuation> TakeResult() override {
    finished_ = true;
    return std::move(results_);
  }

 private:
  // A continuation being drawn.
  struct Member {
    size_t draw;
    int32_t reserved;      // cells it may still take
    bool closing = false;  // all tokens drawn; the last is decoded once more to be continued from
  };

  // The slot of a sequence that its last member took along.
  static constexpr llama_seq_id kHandedOver = -1;

  // Continuations that have been the same so far: one sequence, decoded once for all of them.
  struct Branch {
    Sequence sequence;
    TextTail tail;
    std::vector<Member> members;
  };

  // Logits that the next tokens of a branch's members are drawn from.
  struct Row {
    size_t branch;
    const float* logits;
    size_t first;  // of its members' places in drawn_
  };

  // Checked between batches, so a budget holds within one batch.
  bool OutOfBudget() const {
    return session_->OutOfBudget(options_.max_total_tokens, options_.deadline);
  }

  // The last drawn token is decoded only if the continuation is kept.
  static int32_t CellsFor(const Draw& draw) {
    return draw.keep ? draw.max_tokens : draw.max_tokens - 1;
  }

  // Every member is promised a sequence and a row of logits of its own, should it leave the others.
  bool HasPlace() const {
    const auto promised = static_cast<int32_t>(members_ - branches_.size());
    return session_->free_slots() > promised &&
           static_cast<int32_t>(members_) < session_->max_outputs();
  }

  bool HasCellsFor(const Draw& draw) const {
    return CellsFor(draw) <= session_->free_cells() - reserved_;
  }

  // While none is active: then no more places and cells will come free.
  void ThrowIfTooLarge(const Draw& draw) const {
    if (HasPlace() && HasCellsFor(draw)) return;
    session_->ThrowFull("A continuation of " + std::to_string(draw.max_tokens) + " tokens", 1,
                        CellsFor(draw));
  }

  // Starts all that wait and fit, with their first tokens, drawn from their parents' logits. Those
  // that end with it leave their places to others at once.
  void Admit() {
    while (!OutOfBudget()) {
      const size_t first = branches_.size();
      const size_t before = members_;
      const int64_t room = options_.max_total_tokens - session_->monitor()->generated;
      for (auto next = waiting_.begin(); next != waiting_.end() && HasPlace();) {
        if (static_cast<int64_t>(members_ - before) == room) break;
        const Draw& draw = draws_[*next];
        if (!HasCellsFor(draw)) {
          ++next;  // a smaller one may fit beside what runs
          continue;
        }
        BranchOf(draw, first).members.push_back({*next, CellsFor(draw)});
        members_ += 1;
        reserved_ += CellsFor(draw);
        next = waiting_.erase(next);
      }
      if (members_ == before) {
        if (members_ == 0 && !waiting_.empty()) ThrowIfTooLarge(draws_[waiting_.front()]);
        return;
      }
      for (size_t i = first; i < branches_.size(); ++i) {
        rows_.push_back({i, branches_[i].sequence.next->data(), 0});
      }
      DrawTokens();
    }
  }

  // A branch for a draw to begin in: that of an equal one among those from `first` on, or a new
  // one.
  Branch& BranchOf(const Draw& draw, size_t first) {
    for (size_t i = first; options_.share_prefixes && i < branches_.size(); ++i) {
      const Draw& other = draws_[branches_[i].members.front().draw];
      if (other.parent == draw.parent && other.tail == draw.tail) return branches_[i];
    }
    session_->Logits(draw.parent);  // are there
    branches_.push_back(
        {session_->ForkSlot(session_->Get(draw.parent)), text_end_.TailOf(draw.tail), {}});
    return branches_.back();
  }

  // Makes a sequence to be continued from of each closing member.
  void HandOver() {
    for (const Row& row : rows_) {
      Branch& branch = branches_[row.branch];
      const auto closing = [](const Member& member) { return member.closing; };
      if (std::none_of(branch.members.begin(), branch.members.end(), closing)) continue;
      branch.sequence.next = session_->CopyRow(first_row_ + static_cast<int32_t>(row.branch));
      std::vector<Member> open;
      for (const Member& member : branch.members) {
        if (!member.closing) {
          open.push_back(member);
          continue;
        }
        Leave(member);
        const bool is_last = &member == &branch.members.back() && open.empty();
        results_[member.draw].finish = Finish::kLength;
        results_[member.draw].sequence = HandOut(&branch, is_last);
      }
      branch.members = std::move(open);
    }
  }

  // Draws each member's next token from its branch's row, and frees the branches left empty.
  void DrawTokens() {
    size_t count = 0;
    for (Row& row : rows_) {
      row.first = count;
      count += branches_[row.branch].members.size();
    }
    drawn_.resize(count);
    sampler_.ForEach(rows_.size(), [this](size_t i, Sampler* sampler) {
      const std::vector<Member>& members = branches_[rows_[i].branch].members;
      std::vector<double> uniforms;
      for (const Member& member : members) uniforms.push_back(UniformOf(member));
      sampler->Draw(rows_[i].logits, uniforms, &drawn_[rows_[i].first]);
    });
    ScoreDrawn();
    for (const Row& row : rows_) Divide(row.branch, row.first);
    rows_.clear();
    for (size_t i = branches_.size(); i > 0; --i) {
      if (!branches_[i - 1].members.empty()) continue;
      Free(&branches_[i - 1]);
      branches_.erase(branches_.begin() + static_cast<std::ptrdiff_t>(i - 1));
    }
  }

  // The drawn tokens' log-probabilities under the reference.
  void ScoreDrawn() {
    if (!reference_sampler_) return;
    references_.resize(drawn_.size());
    reference_sampler_->ForEach(rows_.size(), [this](size_t i, Sampler* sampler) {
      const size_t first = rows_[i].first;
      const size_t last = first + branches_[rows_[i].branch].members.size();
      for (size_t at = first; at < last; ++at) {
        const auto same = std::find_if(
            drawn_.begin() + static_cast<std::ptrdiff_t>(first),
            drawn_.begin() + static_cast<std::ptrdiff_t>(at),
            [&](const TokenProbability& other) { return other.token == drawn_[at].token; });
        const auto known = static_cast<size_t>(same - drawn_.begin());
        references_[at] = known < at ? references_[known]
                                     : sampler->Score(rows_[i].logits, drawn_[at].token).log_prob;
      }
    });
  }

  // Appends the members' tokens. Those that go on with the first one's token stay in the branch,
  // for each other token a new one forks off; members whose texts end leave.
  void Divide(size_t index, size_t first) {
    struct Fork {
      llama_token token;
      Finish finish;  // kBudget: goes on
      TextTail tail;
      std::optional<size_t> branch;
    };
    std::vector<Fork> forks;
    const std::vector<Member> members = std::move(branches_[index].members);
    branches_[index].members.clear();
    branches_[index].sequence.next = nullptr;
    const TextTail tail = branches_[index].tail;
    std::vector<size_t> ended;  // draws whose sequences stay
    for (size_t i = 0; i < members.size(); ++i) {
      Member member = members[i];
      const llama_token token = drawn_[first + i].token;
      auto fork = std::find_if(forks.begin(), forks.end(),
                               [&](const Fork& other) { return other.token == token; });
      if (fork == forks.end()) {
        forks.push_back({token, Finish::kBudget, tail, std::nullopt});
        fork = forks.end() - 1;
        fork->finish = text_end_.FinishWith(token, &fork->tail);
      }
      Append(&member, first + i, fork->finish);
      if (results_[member.draw].finish != Finish::kBudget) {
        Leave(member);
        if (draws_[member.draw].keep_ended) ended.push_back(member.draw);
        continue;
      }
      if (!fork->branch && branches_[index].members.empty()) {
        fork->branch = index;
        branches_[index].tail = fork->tail;
      } else if (!fork->branch) {
        branches_.push_back({session_->ForkSlot(branches_[index].sequence), fork->tail, {}});
        fork->branch = branches_.size() - 1;
      }
      branches_[*fork->branch].members.push_back(member);
    }
    for (const size_t draw : ended) {
      const bool is_last = draw == ended.back() && branches_[index].members.empty();
      results_[draw].sequence = HandOut(&branches_[index], is_last);
    }
  }

  // A branch's sequence as it is: a fork of it, or the sequence itself when nothing else needs it.
  SequenceHandle HandOut(Branch* branch, bool is_last) {
    if (!is_last) return session_->Adopt(session_->ForkSlot(branch->sequence));
    const SequenceHandle handle = session_->Adopt(std::move(branch->sequence));
    branch->sequence.slot = kHandedOver;
    return handle;
  }

  // The random number of a member's next token: a function of its stream and position alone.
  double UniformOf(const Member& member) const {
    const Draw& draw = draws_[member.draw];
    const size_t position = draw.position + results_[member.draw].tokens.size();
    const PhiloxCounter counter = {draw.stream[0], draw.stream[1], draw.stream[2],
                                   static_cast<uint32_t>(position)};
    return PhiloxUniform(counter, options_.key);
  }

  void Append(Member* member, size_t at, Finish finish) {
    const Draw& draw = draws_[member->draw];
    const TokenProbability& drawn = drawn_[at];
    Continuation& result = results_[member->draw];
    result.tokens.push_back(drawn.token);
    result.log_probs.push_back(drawn.log_prob);
    result.raw_log_probs.push_back(drawn.raw_log_prob);
    if (reference_sampler_) result.reference_log_probs.push_back(references_[at]);
    if (options_.metrics.entropy) result.entropies.push_back(drawn.entropy);
    if (options_.metrics.self_certainty) result.self_certainties.push_back(drawn.self_certainty);
    session_->monitor()->generated += 1;
    session_->counters.generated += 1;
    result.finish = finish;
    if (finish != Finish::kBudget) return;
    if (static_cast<int32_t>(result.tokens.size()) < draw.max_tokens) return;
    // What is kept has its length once its last token is decoded, unless a budget ends before.
    member->closing = draw.keep;
    if (!member->closing) result.finish = Finish::kLength;
  }

  void Free(Branch* branch) {
    if (branch->sequence.slot != kHandedOver) session_->FreeSlot(&branch->sequence);
  }

  void Leave(const Member& member) {
    members_ -= 1;
    reserved_ -= member.reserved;
  }

  Session* session_;
  const std::vector<Draw> draws_;
  const GenerationOptions options_;
  RowSampler sampler_;
  std::optional<RowSampler> reference_sampler_;
  TextEnd text_end_;
  std::vector<Continuation> results_;
  std::list<size_t> waiting_;  // draws not yet begun, in order
  std::vector<Branch> branches_;
  size_t members_ = 0;     // of all branches
  int32_t first_row_ = 0;  // of the branches, in the batch
  std::vector<Row> rows_;  // to draw from
  std::vector<TokenProbability> drawn_;
  std::vector<double> references_;  // drawn_'s log-probabilities under the reference
  int64_t reserved_ = 0;            // cells promised to members
  bool finished_ = false;
};

}  // namespace

std::unique_ptr<Generation> Generation::Start(Session* session, std::vector<Draw> draws,
                                              GenerationOptions options) {
  auto loop = std::make_unique<DrawingLoop>(session, std::move(draws), std::move(options));
  loop->Begin();
  return loop;
}

}  // namespace llama_ets
