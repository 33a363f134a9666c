// A grammar in llama.cpp's format, GBNF, as tables with which texts are read (grammar_reader.h).
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "sampling/code_points.h"

namespace llama_ets {

struct GrammarRules {
  // An element of a sequence: a set of characters, a rule, or the end of the sequence.
  struct Element {
    enum class Kind : uint8_t { kCharacter, kRule, kEnd };
    Kind kind;
    uint32_t value;  // the first of the set's ranges, or the rule's number
    uint32_t count;  // the number of the set's ranges
  };

  std::vector<Element> elements;  // the elements of all sequences; each sequence ends with kEnd
  // The ranges of all sets. Those of one set ascend and neither overlap nor touch.
  std::vector<CodePointRange> ranges;
  std::vector<std::vector<uint32_t>> alternatives;  // for each rule, where its sequences begin
  uint32_t root = 0;                                // the number of the rule `root`

  // Whether a set has a code point from `low` to `high`, both included.
  bool HasAnyOf(const Element& set, uint32_t low, uint32_t high) const;
};

// Writes repetitions out, as llama.cpp does. Throws EngineError ERR_CONSTRAINT when the source is
// not valid GBNF, has no rule `root`, has too many elements, or names tokens.
GrammarRules ParseGrammar(const std::string& source);

}  // namespace llama_ets
