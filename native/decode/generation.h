// Generation draws many continuations of one or several parents to their ends in one call.
//
// Batching is continuous: a slot freed by a finished continuation is refilled at once, so the batch
// never shrinks while work waits. Only KV cells and the limits on sequences and outputs make a
// continuation wait. A continuation begins with a draw from its parent's stored logits, so no token
// of the parent is decoded again, however many continuations it has. Continuations of one parent
// that start together stay one sequence until their draws differ. Each of them draws from the
// common logits with its own random numbers, so sharing changes the work but not the texts.
// Generations of other sessions of the context can share each decode.
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
  bool keep;        // keep a sequence that can be continued, unless the text ended
  bool keep_ended;  // also keep that of a text that ended, without its last token and logits
  // A kept text may pause once it has this many new tokens; 0: it never pauses.
  int32_t pause_after = 0;
  std::vector<llama_token> text;  // the text so far, whose answer a grammar reads
};

struct GenerationOptions {
  Sampling sampling;
  Metrics metrics;
  PhiloxKey key;
  std::vector<std::string> stop_strings;
  std::vector<llama_token> stop_tokens;
  std::optional<AnswerEnd> answer_end;   // if set, a continuation ends once its answer has ended
  std::optional<ThoughtRules> thoughts;  // how thoughts are recognized and ended
  BlockEnd pause;                        // where texts pause; kEntropy needs metrics.entropy
  int64_t max_total_tokens;              // over all continuations
  bool share_prefixes;                   // decode common beginnings of continuations only once
  std::optional<std::chrono::steady_clock::time_point> deadline;
};

struct Continuation {
  // Includes the end-of-generation or stop token, if the text ended with one.
  std::vector<llama_token> tokens;
  // Under the policy. For a forced token, which ends thoughts, as if it was not forced.
  std::vector<double> log_probs;
  std::vector<double> raw_log_probs;    // under the model's softmax
  std::vector<double> drawn_log_probs;  // under the drawn distribution; empty if the power is 1
  std::vector<double> log_masses;       // see TokenProbability; empty without a grammar
  std::vector<double> entropies;        // these two hold one number per token if asked for
  std::vector<double> self_certainties;
  Finish finish = Finish::kBudget;
  SequenceHandle sequence = 0;  // 0: no sequence was kept
};

// The task that draws continuations.
class Generation final : public DecodeTask {
 public:
  // Draws the first tokens. Throws EngineError ERR_CONTEXT_FULL when a draw can't fit even alone,
  // ERR_ABORTED or ERR_INVALID_LOGITS; later steps throw the latter two. After an error no sequence
  // is kept.
  static std::unique_ptr<Generation> Start(Session* session, std::vector<Draw> draws,
                                           GenerationOptions options);
  ~Generation() override;

  Decoder* decoder() const override { return session_; }
  bool GoesOn() const override { return !OutOfBudget() && !branches_.empty(); }
  bool AddsAllRows() const override { return true; }
  void AddRows(Batch* batch, BatchRoom room) override;
  void TakeRows() override;
  // One continuation for each draw, in the draws' order. Called once, when GoesOn() is false.
  std::vector<Continuation> TakeResult();

 private:
  // A continuation that is being drawn.
  struct Member {
    size_t draw;
    int32_t reserved;  // cells it may still take
    // All its tokens are drawn; only its last token must be decoded, so that it can be continued.
    bool closing = false;
  };

  // Continuations with the same tokens so far. They share one sequence, decoded once for all.
  struct Branch {
    Sequence sequence;
    TextTail tail;
    std::vector<Member> members;
    std::unique_ptr<Grammar> grammar;  // says which tokens may come next; null: all
  };

  // The logits from which the next tokens of a branch's members are drawn.
  struct Row {
    size_t branch;
    const float* logits;  // null: the branch's row of the last decode
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
  int64_t reserved_ = 0;   // cells that members may still take
  int32_t first_row_ = 0;  // the first branch's index in the batch
  std::vector<Row> rows_;  // rows to draw from next
  bool finished_ = false;
};

}  // namespace llama_ets
