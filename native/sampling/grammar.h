// Decides which tokens of a vocabulary a grammar allows after the beginning of a text.
//
// A token is allowed if the text with the token is a beginning of a text of the grammar, or if the
// token ends the text at a place where the grammar may end. llama.cpp's own grammar reader allows
// the same tokens, except for bytes that are not UTF-8; test/fuzz/grammar.cc compares the two. We
// do not use that reader for three reasons. It ends the process when it accepts a token that it
// does not allow. It takes the names of control tokens for text; here, this holds only for the
// control tokens in Sampling::grammar_tokens. And it follows each way to read a token separately,
// of which 16 characters may have billions.
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
  // Reads `sampling.grammar`, which must be GBNF with a rule `root`. Throws EngineError
  // ERR_CONSTRAINT if it is invalid or too ambiguous. The methods throw it too if the grammar is
  // too ambiguous.
  Grammar(const llama_vocab* vocab, const Sampling& sampling);
  // The state in thoughts, which come before the text that the grammar reads. It allows all tokens
  // except those that end a text.
  static std::unique_ptr<Grammar> OfThoughts(const llama_vocab* vocab);
  // Copies the state. The two copies then change independently.
  Grammar(const Grammar& other) = default;
  Grammar& operator=(const Grammar&) = delete;

  // Whether a token may come next.
  bool Allows(llama_token token) const;
  // Removes the candidates that may not come next. The others keep their order.
  void Keep(std::vector<Candidate>* candidates) const;
  // Appends a token that does not end the text. Returns false if the token is not allowed; the
  // state then allows nothing.
  bool Accept(llama_token token);

 private:
  struct Definition {
    GrammarRules rules;
    std::vector<llama_token> named;  // control tokens that are read as text; ascending
  };

  explicit Grammar(const llama_vocab* vocab) : vocab_(vocab) {}
  bool IsText(llama_token token) const;
  GrammarReader::Place Read(llama_token token, GrammarReader* reader) const;
  bool Allows(llama_token token, GrammarReader* reader) const;

  const llama_vocab* vocab_;
  std::shared_ptr<const Definition> definition_;  // null for thoughts
  // Empty in thoughts, and after a token that was not allowed.
  std::optional<GrammarState> state_;
};

// The state after some tokens of a text, or null if `start` is null. After a token that is not
// allowed, the state allows nothing.
std::unique_ptr<Grammar> StateAfter(const Grammar* start, const std::vector<llama_token>& tokens);

}  // namespace llama_ets
