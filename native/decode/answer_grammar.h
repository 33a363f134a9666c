// A policy's grammar followed through texts: it reads the answer alone. Thoughts before it are
// free, except that no text ends in them.
#pragma once

#include <llama.h>

#include <memory>
#include <vector>

#include "decode/text_end.h"
#include "sampling/grammar.h"
#include "sampling/policy.h"

namespace llama_ets {

class AnswerGrammar {
 public:
  // `text_end` says where answers begin, and outlives it. Throws as Grammar does, as all below do.
  AnswerGrammar(const llama_vocab* vocab, const Sampling& sampling, const TextEnd& text_end);

  // Whether the policy has a grammar. Without one all below are null: everything may follow.
  bool IsThere() const { return start_ != nullptr; }
  // What may follow a text.
  std::unique_ptr<Grammar> After(const std::vector<llama_token>& text) const;
  // What may follow a text with one token more, where `before` may follow the text; `tail_before`
  // and `tail` are the two texts'.
  std::unique_ptr<Grammar> After(const Grammar* before, const TextTail& tail_before,
                                 llama_token token, const TextTail& tail) const;

 private:
  const llama_vocab* vocab_;
  const TextEnd& text_end_;
  std::unique_ptr<const Grammar> start_;  // where answers begin; null: none
};

}  // namespace llama_ets
