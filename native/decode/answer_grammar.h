// Follows a policy's grammar through a text. The grammar applies to the answer only. The thoughts
// before the answer may hold any tokens, except those that end the text.
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
  // `text_end` says where answers begin and must outlive this object. The constructor and all
  // methods throw what Grammar throws.
  AnswerGrammar(const llama_vocab* vocab, const Sampling& sampling, const TextEnd& text_end);

  // Whether the policy has a grammar. If not, After returns null: every token may follow.
  bool IsThere() const { return start_ != nullptr; }
  // The state that says which tokens may follow a text.
  std::unique_ptr<Grammar> After(const std::vector<llama_token>& text) const;
  // The state after `token` is appended to a text. `before` is the state of the text without the
  // token; `tail_before` and `tail` are the tails of the text without and with the token.
  std::unique_ptr<Grammar> After(const Grammar* before, const TextTail& tail_before,
                                 llama_token token, const TextTail& tail) const;

 private:
  const llama_vocab* vocab_;
  const TextEnd& text_end_;
  std::unique_ptr<const Grammar> start_;  // the state where an answer begins; null: no grammar
};

}  // namespace llama_ets
