#include "decode/generation.h"

#include <algorithm>
#include <numeric>
#include <string>
#include <utility>

#include "decode/stopwatch.h"
#include "decode/token_text.h"

namespace llama_ets {
namespace {

// The slot of a branch whose sequence was handed out to its last member.
constexpr llama_seq_id kHandedOut = -1;

// The last drawn token is decoded only if the continuation is kept.
int32_t CellsFor(const Draw& draw) {
  return draw.keep ? draw.max_tokens : draw.max_tokens - 1;
}

}  // namespace

std::unique_ptr<Generation> Generation::Start(Session* session, std::vector<Draw> draws,
                                              GenerationOptions options) {
  std::unique_ptr<Generation> task(new Generation(session, std::move(draws), std::move(options)));
  task->Begin();
  return task;
}

Generation::Generation(Session* session, std::vector<Draw> draws, GenerationOptions options)
    : session_(session),
      draws_(std::move(draws)),
      options_(std::move(options)),
      token_draws_(session, options_.sampling, options_.metrics),
      text_end_(session->vocab(), options_.stop_strings, options_.stop_tokens, options_.answer_end,
                options_.thoughts),
      grammar_(session->vocab(), options_.sampling, text_end_),
      results_(draws_.size()),
      waiting_(draws_.size()) {
  std::iota(waiting_.begin(), waiting_.end(), size_t{0});
}

// Frees all sequences that TakeResult did not hand out, also after an error.
Generation::~Generation() {
  for (Branch& branch : branches_) Free(&branch);
  if (finished_) return;
  for (const Continuation& result : results_) {
    if (result.sequence != 0) session_->Free(result.sequence);
  }
}

void Generation::Begin() {
  const Stopwatch stopwatch(&session_->decode_counters.call_ns);
  session_->monitor()->generated = 0;
  session_->monitor()->Show({});
  for (const Draw& draw : draws_) ThrowIfTooLarge(draw);
  Admit();
}

void Generation::AddRows(Batch* batch, BatchRoom) {
  first_row_ = batch->size();
  for (const Branch& branch : branches_) {
    const llama_token token = results_[branch.members.front().draw].tokens.back();
    batch->Add(token, branch.sequence.length, branch.sequence.slot, true);
  }
}

void Generation::TakeRows() {
  const Stopwatch stopwatch(&session_->decode_counters.call_ns);
  session_->counters.decoded += static_cast<int64_t>(branches_.size());
  for (size_t i = 0; i < branches_.size(); ++i) {
    Branch& branch = branches_[i];
    branch.sequence.length += 1;
    branch.sequence.cells.Append(1);
    for (Member& member : branch.members) member.reserved -= 1;
    reserved_ -= static_cast<int64_t>(branch.members.size());
    rows_.push_back({i, nullptr});
  }
  HandOutClosing();
  DrawTokens();
  Admit();
}

std::vector<Continuation> Generation::TakeResult() {
  finished_ = true;
  return std::move(results_);
}

// Checked between batches, so a generation may exceed a budget by one batch.
bool Generation::OutOfBudget() const {
  return session_->OutOfBudget(options_.max_total_tokens, options_.deadline);
}

// A sequence and a row of logits are reserved for every member, in case its text differs from the
// others of its branch later.
bool Generation::HasPlace() const {
  const auto promised = static_cast<int32_t>(members_ - branches_.size());
  return session_->free_slots() > promised &&
         static_cast<int32_t>(members_) < session_->max_outputs();
}

bool Generation::HasCellsFor(const Draw& draw) const {
  return CellsFor(draw) <= session_->free_cells() - reserved_;
}

// Called while no draw is active, so no more places and cells will become free.
void Generation::ThrowIfTooLarge(const Draw& draw) const {
  if (HasPlace() && HasCellsFor(draw)) return;
  session_->ThrowFull("A continuation of " + std::to_string(draw.max_tokens) + " tokens", 1,
                      CellsFor(draw));
}

// Starts all waiting draws that fit and draws their first tokens from their parents' logits. A
// continuation that ends with its first token leaves its place to the next one at once.
void Generation::Admit() {
  while (!OutOfBudget()) {
    const size_t first = branches_.size();
    AdmitFrom(first);
    if (branches_.size() == first) {
      if (members_ == 0 && !waiting_.empty()) ThrowIfTooLarge(draws_[waiting_.front()]);
      return;
    }
    for (size_t i = first; i < branches_.size(); ++i) {
      rows_.push_back({i, branches_[i].sequence.next->data()});
    }
    DrawTokens();
  }
}

// Moves the waiting draws that fit into new branches, which are numbered from `first` on.
void Generation::AdmitFrom(size_t first) {
  int64_t room = options_.max_total_tokens - session_->monitor()->generated;
  for (auto next = waiting_.begin(); next != waiting_.end() && room > 0 && HasPlace();) {
    const Draw& draw = draws_[*next];
    if (!HasCellsFor(draw)) {
      ++next;  // a smaller draw may fit
      continue;
    }
    BranchOf(draw, first).members.push_back({*next, CellsFor(draw)});
    members_ += 1;
    reserved_ += CellsFor(draw);
    --room;
    next = waiting_.erase(next);
  }
}

// The branch in which a draw begins: an equal branch among those from `first` on, or a new one.
Generation::Branch& Generation::BranchOf(const Draw& draw, size_t first) {
  for (size_t i = first; options_.share_prefixes && i < branches_.size(); ++i) {
    const Draw& other = draws_[branches_[i].members.front().draw];
    if (other.parent == draw.parent && other.text == draw.text) return branches_[i];
  }
  session_->Logits(draw.parent);  // throws if the parent has no logits
  AddBranch(text_end_.TailOf(draw.text), grammar_.After(draw.text), session_->Get(draw.parent));
  return branches_.back();
}

// The caller has already made the grammar's state, because making it may throw, and a fork made
// before would then not be freed.
void Generation::AddBranch(const TextTail& tail, std::unique_ptr<Grammar> grammar,
                           const Sequence& parent) {
  branches_.push_back({session_->ForkSlot(parent), tail, {}, std::move(grammar)});
}

// Draws each member's next token from its branch's row and frees the branches without members.
void Generation::DrawTokens() {
  token_draws_.Clear();
  for (const Row& row : rows_) {
    const Branch& branch = branches_[row.branch];
    if (row.logits != nullptr) {
      token_draws_.AddRow(row.logits, branch.grammar.get());
    } else {
      token_draws_.AddRowOf(first_row_ + static_cast<int32_t>(row.branch), branch.grammar.get());
    }
    if (const auto forced = text_end_.Forced(branch.tail)) token_draws_.Force(*forced);
    for (const Member& member : branch.members) token_draws_.AddDraw(RandomOf(member));
  }
  token_draws_.Run();
  size_t first = 0;
  for (const Row& row : rows_) {
    const size_t count = branches_[row.branch].members.size();
    Divide(row.branch, first);
    first += count;
  }
  rows_.clear();
  for (size_t i = branches_.size(); i > 0; --i) {
    if (!branches_[i - 1].members.empty()) continue;
    Free(&branches_[i - 1]);
    branches_.erase(branches_.begin() + static_cast<std::ptrdiff_t>(i - 1));
  }
}

// The random numbers of a member's next token. They depend only on its stream and position.
TokenRandom Generation::RandomOf(const Member& member) const {
  const Draw& draw = draws_[member.draw];
  const size_t position = draw.position + results_[member.draw].tokens.size();
  const PhiloxCounter counter = {draw.stream[0], draw.stream[1], draw.stream[2],
                                 static_cast<uint32_t>(position)};
  return {counter, options_.key};
}

// Appends the drawn tokens to the members of branch `index`; their draws are numbered from `first`
// on. The members with the first token that does not end a text stay in the branch. For each other
// such token a new branch forks off. Members whose texts end leave.
void Generation::Divide(size_t index, size_t first) {
  struct Fork {
    llama_token token;
    Finish finish;  // kBudget: the text goes on
    TextTail tail;
    std::optional<size_t> branch;
  };
  std::vector<Fork> forks;
  const std::vector<Member> members = std::move(branches_[index].members);
  branches_[index].members.clear();
  branches_[index].sequence.next = nullptr;
  const TextTail tail = branches_[index].tail;
  const std::unique_ptr<Grammar> grammar = std::move(branches_[index].grammar);
  std::vector<size_t> ended;  // ended draws that keep their sequences
  for (size_t i = 0; i < members.size(); ++i) {
    Member member = members[i];
    const llama_token token = token_draws_.drawn(first + i).token;
    auto fork = std::find_if(forks.begin(), forks.end(),
                             [&](const Fork& other) { return other.token == token; });
    if (fork == forks.end()) {
      forks.push_back({token, Finish::kBudget, tail, std::nullopt});
      fork = forks.end() - 1;
      fork->finish = token == kNoToken ? Finish::kDead : text_end_.FinishWith(token, &fork->tail);
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
      branches_[index].grammar = grammar_.After(grammar.get(), tail, token, fork->tail);
    } else if (!fork->branch) {
      AddBranch(fork->tail, grammar_.After(grammar.get(), tail, token, fork->tail),
                branches_[index].sequence);
      fork->branch = branches_.size() - 1;
    }
    branches_[*fork->branch].members.push_back(member);
  }
  for (const size_t draw : ended) {
    const bool is_last = draw == ended.back() && branches_[index].members.empty();
    results_[draw].sequence = HandOut(&branches_[index], is_last);
  }
}

void Generation::Append(Member* member, size_t drawn, Finish finish) {
  const Draw& draw = draws_[member->draw];
  const TokenProbability& token = token_draws_.drawn(drawn);
  Continuation& result = results_[member->draw];
  result.finish = finish;
  if (finish == Finish::kDead) return;
  result.tokens.push_back(token.token);
  result.log_probs.push_back(token.log_prob);
  result.raw_log_probs.push_back(token.raw_log_prob);
  if (options_.sampling.power != 1) result.drawn_log_probs.push_back(token.drawn_log_prob);
  if (grammar_.IsThere()) result.log_masses.push_back(token.log_mass);
  if (options_.metrics.entropy) result.entropies.push_back(token.entropy);
  if (options_.metrics.self_certainty) result.self_certainties.push_back(token.self_certainty);
  session_->monitor()->generated += 1;
  if (member->draw == 0) session_->monitor()->ShowNext(token.token);
  session_->counters.generated += 1;
  if (finish != Finish::kBudget) return;
  const bool is_full = static_cast<int32_t>(result.tokens.size()) >= draw.max_tokens;
  if (!is_full && !Pauses(draw, result)) return;
  // A kept continuation finishes with kLength only once its last token is decoded. If a budget ends
  // before that, it keeps kBudget.
  member->closing = draw.keep;
  if (!member->closing) result.finish = Finish::kLength;
}

// Whether a text that goes on pauses after its last token.
bool Generation::Pauses(const Draw& draw, const Continuation& result) const {
  const auto size = static_cast<int32_t>(result.tokens.size());
  if (!draw.keep || draw.pause_after == 0 || size < draw.pause_after) return false;
  const double entropy = result.entropies.empty() ? 0 : result.entropies.back();
  return EndsBlock(options_.pause, TextOf(session_->vocab(), result.tokens.back()), entropy);
}

void Generation::Leave(const Member& member) {
  members_ -= 1;
  reserved_ -= member.reserved;
}

// Hands out a sequence that can be continued for each closing member.
void Generation::HandOutClosing() {
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

// Hands out a fork of the branch's sequence, or the sequence itself if no other member needs it.
SequenceHandle Generation::HandOut(Branch* branch, bool is_last) {
  if (!is_last) return session_->Adopt(session_->ForkSlot(branch->sequence));
  const SequenceHandle handle = session_->Adopt(std::move(branch->sequence));
  branch->sequence.slot = kHandedOut;
  return handle;
}

void Generation::Free(Branch* branch) {
  if (branch->sequence.slot != kHandedOut) session_->FreeSlot(&branch->sequence);
}

}  // namespace llama_ets
