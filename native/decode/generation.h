// Generation: many continuations of one or several parents, run to their ends in one call.
//
// Continuous batching: a slot freed by a finished continuation is refilled at once, so the batch
// never shrinks while work waits; only KV cells and the sequence limit hold a continuation back.
// A continuation begins by drawing from its parent's stored logits, so no token of the parent is
// decoded again, however many continuations it has. Continuations of one parent that start together
// stay one sequence until their draws differ: each draws from the common logits with its own random
// numbers, so that nothing but the work changes. Each decode can be shared with the generations of
// other sessions of the context.
#pragma once

#include <array>
#include <chrono>
#include <list>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "decode/answer_grammar.h"
#include "decode/block_end.h"
#include "decode/decode_task.h"
#include "decode/session.h"
#include "decode/text_end.h"
#include "decode/token_draws.h"
#include "sampling/philox.h"
#include "sampling/sampler.h"

namespace llama_ets {

// One continuation to draw.
struct Draw {
  SequenceHandle parent;
  // Words 0..2 of the random counter; word 3 is the token's position, counted from `position`.
  std::array<uint32_t, 3> stream;
  uint32_t position;
  int32_t max_tokens;
  bool keep;        // leave a sequence that can be continued, unless the text ended
  bool keep_ended;  // leave that of a text that ended too; it lacks the last token, and logits
  int32_t pause_after =
      0;  // a text that is kept may pause once it has so many tokens; 0: it doesn't
  std::vector<llama_token> text;  // what the text has so far, of which a grammar reads the answer
};

struct GenerationOptions {
  Sampling sampling;
  Metrics metrics;
  PhiloxKey key;
  std::vector<std::string> stop_strings;
  std::vector<llama_token> stop_tokens;
  std::optional<AnswerEnd> answer_end;   // continuations end once they have answered
  std::optional<ThoughtRules> thoughts;  // how thoughts are told apart, and ended
  BlockEnd pause;                        // where texts pause; kEntropy needs that metric
  int64_t max_total_tokens;              // over all continuations
  bool share_prefixes;                   // decode what continuations have in common once
  std::optional<std::chrono::steady_clock::time_point> deadline;
};

struct Continuation {
  std::vector<llama_token> tokens;      // ends with the end or stop token, where there is one
  std::vector<double> log_probs;        // under the policy, but for what ends thoughts
  std::vector<double> raw_log_probs;    // under the model's softmax
  std::vector<double> drawn_log_probs;  // under what they are drawn from, if the policy has a power
  std::vector<double> log_masses;       // under a grammar: see TokenProbability
  std::vector<double> entropies;        // these two hold a number a token when asked for
  std::vector<double> self_certainties;
  Finish finish = Finish::kBudget;
  SequenceHandle sequence = 0;  // 0: none kept
};

// Continuations being drawn.
class Generation final : public DecodeTask {
 public:
  // Draws the first tokens. Throws EngineError ERR_CONTEXT_FULL when a draw can't fit even alone,
  // ERR_ABORTED, ERR_INVALID_LOGITS; later steps throw the latter two. Then nothing is kept.
  static std::unique_ptr<Generation> Start(Session* session, std::vector<Draw> draws,
                                           GenerationOptions options);
  ~Generation() override;

  Decoder* decoder() const override { return session_; }
  bool GoesOn() const override { return !OutOfBudget() && !branches_.empty(); }
  bool AddsAllRows() const override { return true; }
  void AddRows(Batch* batch, BatchRoom room) override;
  void TakeRows() override;
  // One continuation for each draw, in the draws' order; called once, when it does not go on.
  std::vector<Continuation> TakeResult();

 private:
  // A continuation being drawn.
  struct Member {
    size_t draw;
    int32_t reserved;      // cells it may still take
    bool closing = false;  // all tokens drawn; the last is decoded once more to be continued from
  };

  // Continuations that have been the same so far: one sequence, decoded once for all of them.
  struct Branch {
    Sequence sequence;
    TextTail tail;
    std::vector<Member> members;
    std::unique_ptr<Grammar> grammar;  // what may come next; null: everything
  };

  // Logits that the next tokens of a branch's members are drawn from.
  struct Row {
    size_t branch;
    const float* logits;  // null: of the last decode
  };

  Generation(Session* session, std::vector<Draw> draws, GenerationOptions options);
  void Begin();
  bool OutOfBudget() const;
  bool HasPlace() const;
  bool HasCellsFor(const Draw& draw) const;
  void ThrowIfTooLarge(const Draw& draw) const;
  void Admit();
  void AdmitFrom(size_t first);
  Branch& BranchOf(const Draw& draw, size_t first);
  void AddBranch(const TextTail& tail, std::unique_ptr<Grammar> grammar, const Sequence& parent);
  void DrawTokens();
  TokenRandom RandomOf(const Member& member) const;
  void Divide(size_t index, size_t first);
  void Append(Member* member, size_t drawn, Finish finish);
  bool Pauses(const Draw& draw, const Continuation& result) const;
  void Leave(const Member& member);
  void HandOutClosing();
  SequenceHandle HandOut(Branch* branch, bool is_last);
  void Free(Branch* branch);

  Session* session_;
  const std::vector<Draw> draws_;
  const GenerationOptions options_;
  TokenDraws token_draws_;
  TextEnd text_end_;
  AnswerGrammar grammar_;
  std::vector<Continuation> results_;
  std::list<size_t> waiting_;  // draws not yet begun, in order
  std::vector<Branch> branches_;
  size_t members_ = 0;     // of all branches
  int64_t reserved_ = 0;   // cells promised to members
  int32_t first_row_ = 0;  // of the branches, in the batch
  std::vector<Row> rows_;  // to draw from
  bool finished_ = false;
};

}  // namespace llama_ets
