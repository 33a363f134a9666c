// Reads texts by a grammar, character by character.
//
// A beginning of a text can often be read in several ways. A reading is a stack of what is still to
// come: the element that comes next, and below it where to go on after its sequence. Equal stacks
// are one, so that a reader holds each reading once, however many ways lead to it, and readings
// share what is below. Without that their number would double with each character of a text of
// `("#" | "##")*`.
//
// Some grammars have ever more different readings nonetheless, such as those of brackets that may
// be closed in several ways. So the work and the memory of a reader are bounded: it throws
// ERR_CONSTRAINT where a grammar asks for more.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <map>
#include <string>
#include <unordered_map>
#include <vector>

#include "sampling/grammar_rules.h"
#include "sampling/torn_character.h"

namespace llama_ets {

// The readings of one beginning, by themselves.
class GrammarState {
 public:
  GrammarState() : stacks_(1) {}

 private:
  friend class GrammarReader;

  struct Stack {
    uint32_t element;  // which comes next
    uint32_t below;    // a stack, whose number is lower
  };

  std::vector<Stack> stacks_;       // the first one is the empty stack
  std::vector<uint32_t> readings_;  // stacks, ascending
  TornCharacter torn_;
};

// Reads any number of texts that go on from one state. It remembers what follows what, and looks a
// character up that it has read at the same place before.
class GrammarReader {
 public:
  // Where a text has come to, until the next one is read.
  struct Place {
    uint32_t readings = 0;  // a number of the reader's; 0: none, the text is no beginning
    TornCharacter torn;
    explicit operator bool() const { return readings != 0; }
  };

  // The grammar's own beginning. Throws EngineError ERR_CONSTRAINT, as Read does.
  static GrammarState Begin(const GrammarRules& rules);

  // Both outlive it.
  GrammarReader(const GrammarRules& rules, const GrammarState& state);

  // Whether the text may end at the state.
  bool MayEnd() const;
  // Where the text is after some bytes more.
  Place Read(const std::string& bytes);
  GrammarState StateAt(Place place) const;

 private:
  using Stack = GrammarState::Stack;
  static constexpr uint32_t kNowhere = 0;  // the readings of what is no beginning
  static constexpr uint32_t kEmptyStack = 0;
  static constexpr uint32_t kUnknown = UINT32_MAX;
  static constexpr size_t kSmall = 128;

  struct Readings {
    std::vector<uint32_t> stacks;  // ascending
    // What comes after a code point; small ones are looked up fast.
    std::array<uint32_t, kSmall> after_small;
    std::unordered_map<uint32_t, uint32_t> after_large;
  };

  void Restart();
  const GrammarRules::Element& TopOf(uint32_t stack) const {
    return rules_.elements[stacks_[stack].element];
  }
  uint32_t Pushed(uint32_t element, uint32_t below);
  void Expand(uint32_t stack, std::vector<uint32_t>* into);
  uint32_t NumberOf(std::vector<uint32_t> stacks);
  uint32_t After(uint32_t readings, uint32_t code_point);
  uint32_t FindAfter(uint32_t readings, uint32_t code_point);
  bool MayGoOn(Place place) const;
  void CountWork();

  const GrammarRules& rules_;
  const GrammarState& state_;
  uint32_t start_ = kNowhere;
  std::vector<Stack> stacks_;
  std::unordered_map<uint64_t, uint32_t> number_of_stack_;
  std::deque<Readings> readings_;
  std::map<std::vector<uint32_t>, uint32_t> number_of_readings_;
  size_t members_ = 0;          // stacks of all readings
  std::vector<uint32_t> seen_;  // for each stack, the last step that has expanded it
  uint32_t step_ = 0;
  uint64_t work_ = 0;
};

}  // namespace llama_ets
