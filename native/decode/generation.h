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
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "decode/decode_task.h"
#include "decode/session.h"
#include "decode/text_end.h"
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
  bool keep;         // leave a sequence that can be continued, unless the text ended
  bool keep_ended;   // leave that of a text that ended too; it lacks the last token, and logits
  std::string tail;  // the end of the text so far, as TextEnd::TailOf takes it
};

struct GenerationOptions {
  Sampling sampling;
  std::optional<Sampling> reference;  // another policy to report the drawn tokens under
  Metrics metrics;
  PhiloxKey key;
  std::vector<llama_token> stop_tokens;  // besides the model's end-of-generation tokens
  std::vector<std::string> stop_strings;
  std::optional<AnswerEnd> answer_end;  // continuations end once they have answered
  int64_t max_total_tokens;             // over all continuations
  bool share_prefixes;                  // decode what continuations have in common once
  std::optional<std::chrono::steady_clock::time_point> deadline;
};

struct Continuation {
  std::vector<llama_token> tokens;          // ends with the end or stop token, where there is one
  std::vector<double> log_probs;            // under the distribution sampled
  std::vector<double> raw_log_probs;        // under the model's softmax
  std::vector<double> reference_log_probs;  // under `reference`, if there is one
  std::vector<double> entropies;            // these two hold a number a token when asked for
  std::vector<double> self_certainties;
  Finish finish = Finish::kBudget;
  SequenceHandle sequence = 0;  // 0: none kept
};

// Continuations being drawn. Freeing it frees what was not handed over.
class Generation : public DecodeTask {
 public:
  // Draws the first tokens. Throws EngineError ERR_CONTEXT_FULL when a draw can't fit even alone,
  // ERR_ABORTED, ERR_INVALID_LOGITS; later steps throw the latter two. Then nothing is kept.
  static std::unique_ptr<Generation> Start(Session* session, std::vector<Draw> draws,
                                           GenerationOptions options);
  // One continuation for each draw, in the draws' order; called once, when it does not go on.
  virtual std::vector<Continuation> TakeResult() = 0;
};

}  // namespace llama_ets
