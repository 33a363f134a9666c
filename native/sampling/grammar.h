// What a grammar allows to come after the beginning of a text: one state of llama.cpp's own reader.
//
// llama.cpp ends the process when it accepts what it does not allow, and takes the names of control
// tokens for text. Here both are asked about first: a token is allowed if its text goes on in the
// grammar, or if it ends the text where the grammar may end. Names are text for those control
// tokens alone that the policy says.
//
// llama.cpp follows each way in which a grammar reads a token: where that is ambiguous, a token of
// 64 characters may have 2^64 of them. The policy says so, and long tokens are asked about in steps
// then, since what was accepted holds each reading once.
#pragma once

#include <llama.h>

#include <memory>
#include <string>
#include <vector>

#include "sampling/policy.h"
#include "sampling/support.h"

namespace llama_ets {

class Grammar {
 public:
  // The grammar of a policy that has one, in GBNF with a rule `root`. Throws EngineError
  // ERR_CONSTRAINT where llama.cpp does not take it.
  Grammar(const llama_vocab* vocab, const Sampling& sampling);
  // What the thoughts before a text of a grammar may have: all tokens but those that end texts.
  static std::unique_ptr<Grammar> OfThoughts(const llama_vocab* vocab);
  // The same state, which then goes its own way.
  Grammar(const Grammar& other);
  Grammar& operator=(const Grammar&) = delete;

  // Whether a token may come next.
  bool Allows(llama_token token) const;
  // Leaves the candidates that may come next, in their order.
  void Keep(std::vector<Candidate>* candidates) const;
  // Goes on by a token that does not end the text. False where it is not allowed: the state then
  // allows nothing.
  bool Accept(llama_token token);

 private:
  struct FreeSampler {
    void operator()(llama_sampler* sampler) const;
  };

  class LongTokens;

  explicit Grammar(const llama_vocab* vocab) : vocab_(vocab), is_of_thoughts_(true) {}
  bool IsText(llama_token token) const;
  // Null for a token that is asked about at once.
  const std::vector<llama_token>* StepsOf(llama_token token) const;
  bool AllowsAtOnce(llama_token token) const;
  // Whether what the steps spell may come next.
  bool AllowsSteps(const std::vector<llama_token>& steps) const;

  const llama_vocab* vocab_;
  bool is_of_thoughts_ = false;
  std::shared_ptr<const std::vector<llama_token>>
      named_;                                // control tokens that are text; ascending
  std::shared_ptr<LongTokens> long_tokens_;  // null where all are asked about at once
  // Null where what was accepted is no beginning of a text of the grammar, and for thoughts.
  std::unique_ptr<llama_sampler, FreeSampler> sampler_;
};

// The state after some tokens of a text, or null without a grammar. A text that has left the
// grammar has a state that allows nothing.
std::unique_ptr<Grammar> StateAfter(const Grammar* start, const std::vector<llama_token>& tokens);

}  // namespace llama_ets
