// What a grammar allows to come after the beginning of a text, as tokens of a vocabulary.
//
// A token is allowed if the text with it is a beginning of a text of the grammar, or if it ends the
// text where the grammar may end. What is allowed is what llama.cpp's own reader of grammars
// allows, bar bytes that are no UTF-8; test/fuzz/grammar.cc holds it to that. That reader ends the
// process when it accepts what it does not allow, takes the names of control tokens for text, and
// follows each way to read a token by itself, of which 16 characters may have billions. Here names
// are text for those control tokens alone that the policy says.
#pragma once

#include <llama.h>

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "sampling/grammar_reader.h"
#include "sampling/grammar_rules.h"
#include "sampling/policy.h"
#include "sampling/support.h"

namespace llama_ets {

class Grammar {
 public:
  // The grammar of a policy that has one, in GBNF with a rule `root`. Throws EngineError
  // ERR_CONSTRAINT where it is none, or too ambiguous; all below throw the latter.
  Grammar(const llama_vocab* vocab, const Sampling& sampling);
  // What the thoughts before a text of a grammar may have: all tokens but those that end texts.
  static std::unique_ptr<Grammar> OfThoughts(const llama_vocab* vocab);
  // The same state, which then goes its own way.
  Grammar(const Grammar& other) = default;
  Grammar& operator=(const Grammar&) = delete;

  // Whether a token may come next.
  bool Allows(llama_token token) const;
  // Leaves the candidates that may come next, in their order.
  void Keep(std::vector<Candidate>* candidates) const;
  // Goes on by a token that does not end the text. False where it is not allowed: the state then
  // allows nothing.
  bool Accept(llama_token token);

 private:
  struct Definition {
    GrammarRules rules;
    std::vector<llama_token> named;  // control tokens that are text; ascending
  };

  explicit Grammar(const llama_vocab* vocab) : vocab_(vocab) {}
  bool IsText(llama_token token) const;
  GrammarReader::Place Read(llama_token token, GrammarReader* reader) const;
  bool Allows(llama_token token, GrammarReader* reader) const;

  const llama_vocab* vocab_;
  std::shared_ptr<const Definition> definition_;  // null for thoughts
  // None where what was accepted is no beginning of a text of the grammar, and for thoughts.
  std::optional<GrammarState> state_;
};

// The state after some tokens of a text, or null without a grammar. A text that has left the
// grammar has a state that allows nothing.
std::unique_ptr<Grammar> StateAfter(const Grammar* start, const std::vector<llama_token>& tokens);

}  // namespace llama_ets
