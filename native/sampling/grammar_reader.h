// Reads texts with a grammar, character by character.
//
// The beginning of a text can often be read in several ways. A reading is a stack of what must
// still come: on top the next element, and below it the elements with which to go on after the end
// of its sequence. Equal stacks are stored once. So a reader holds each reading once, however many
// ways lead to it, and readings share their lower parts. Otherwise the number of readings would
// double with each character of a text of `("#" | "##")*`.
//
// In some grammars the number of different readings still grows without bound, for example if
// brackets may be closed in several ways. So the work and the memory of a reader are bounded: it
// throws ERR_CONSTRAINT when a grammar needs more.
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

// The readings of one beginning of a text, independent of any reader.
class GrammarState {
 public:
  GrammarState() : stacks_(1) {}

 private:
  friend class GrammarReader;

  struct Stack {
    uint32_t element;  // the element that comes next
    uint32_t below;    // the number of the stack below, which is lower than this stack's number
  };

  std::vector<Stack> stacks_;       // the first one is the empty stack
  std::vector<uint32_t> readings_;  // numbers of stacks, ascending
  TornCharacter torn_;
};

// Reads any number of texts that go on from one state. The reader remembers which readings follow
// which character, so it reads a character at a known place by a look-up.
class GrammarReader {
 public:
  // A place in a text. Valid until the next call of Read.
  struct Place {
    uint32_t readings = 0;  // the number of a set of readings; 0: the grammar refuses the text
    TornCharacter torn;
    explicit operator bool() const { return readings != 0; }
  };

  // The state before the first character. Throws EngineError ERR_CONSTRAINT, as Read does.
  static GrammarState Begin(const GrammarRules& rules);

  // Both arguments must outlive the reader.
  GrammarReader(const GrammarRules& rules, const GrammarState& state);

  // Whether the text may end at the state that the reader starts from.
  bool MayEnd() const;
  // The place after some more bytes, read from the reader's state.
  Place Read(const std::string& bytes);
  GrammarState StateAt(Place place) const;

 private:
  using Stack = GrammarState::Stack;
  static constexpr uint32_t kNowhere = 0;  // the empty set of readings: the text is refused
  static constexpr uint32_t kEmptyStack = 0;
  static constexpr uint32_t kUnknown = UINT32_MAX;
  static constexpr size_t kSmall = 128;

  struct Readings {
    std::vector<uint32_t> stacks;  // ascending
    // The number of the readings after each code point that was read here. Code points below kSmall
    // have an array, which is faster.
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
  size_t members_ = 0;          // the number of stacks in all sets of readings
  std::vector<uint32_t> seen_;  // for each stack, the last step that expanded it
  uint32_t step_ = 0;
  uint64_t work_ = 0;
};

}  // namespace llama_ets
