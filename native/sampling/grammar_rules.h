// A grammar in llama.cpp's form, GBNF, as a table by which texts are read (grammar_reader.h).
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "sampling/code_points.h"

namespace llama_ets {

struct GrammarRules {
  // What a sequence is made of: a character of a set, a rule, or the sequence's end.
  struct Element {
    enum class Kind : uint8_t { kCharacter, kRule, kEnd };
    Kind kind;
    uint32_t value;  // the first of the set's ranges, or the rule's number
    uint32_t count;  // ranges
  };

  std::vector<Element> elements;  // of all sequences, each with its end
  std::vector<CodePointRange>
      ranges;  // of all sets: those of one ascend and neither meet nor touch
  std::vector<std::vector<uint32_t>> alternatives;  // for each rule, where its sequences begin
  uint32_t root = 0;                                // a rule

  // Whether a set has a code point between two, both included.
  bool HasAnyOf(const Element& set, uint32_t low, uint32_t high) const;
};

// Repetitions are written out as llama.cpp does. Throws EngineError ERR_CONSTRAINT where the source
// is no GBNF, has no rule `root` or too many elements, or names tokens.
GrammarRules ParseGrammar(const std::string& source);

}  // namespace llama_ets
