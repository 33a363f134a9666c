// Thoughts in a text: where they are, and which tokens the policy forces to end them.
//
// A text's state is a function of its tokens alone, so that forks, cuts and kept texts need carry
// nothing; src/engine/thoughts.ts computes the same one. Tags are found in the bytes of the text,
// special tokens written out. Once the thoughts of a text have their budget of tokens, or repeat
// themselves, the tokens of the closing tag are forced: the policy leaves no others.
#pragma once

#include <llama.h>

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace llama_ets {

struct ThoughtRules {
  std::string start;              // the opening tag; not empty
  std::vector<std::string> ends;  // any of them ends a thought; none is empty
  // Whether a tag opens thoughts wherever it stands, not only where the text begins.
  bool opens_anywhere = false;
  bool begins_inside = false;        // the prompt has opened a thought
  std::optional<int32_t> budget;     // tokens of all thoughts of a text
  bool cuts_loops = false;           // a repeated window ends thoughts as the budget does
  bool stops = false;                // texts end there, instead of their thoughts alone
  std::vector<llama_token> closing;  // what is forced; not empty
};

// Where a text is: in kBefore thoughts may open yet.
enum class ThoughtPlace { kBefore, kInside, kAnswer };

// The longest window of tokens whose repetition is noticed.
constexpr size_t kLoopWindow = 128;
// A window of w tokens is a loop once it fills the last max(kLoopTokens, kLoopRepeats w) tokens.
constexpr size_t kLoopTokens = 64;
constexpr size_t kLoopRepeats = 4;

// The last tokens of a thought, and for each distance how many of them are as the token so far
// back.
class LoopWatch {
 public:
  void Add(llama_token token);
  bool is_loop() const { return is_loop_; }
  void Reset();

 private:
  std::array<llama_token, kLoopWindow> last_{};
  std::array<uint16_t, kLoopWindow> equal_{};  // by the distance - 1
  size_t count_ = 0;
  bool is_loop_ = false;
};

struct ThoughtState {
  ThoughtPlace place = ThoughtPlace::kBefore;
  std::string tail;   // in which a tag may have begun
  int32_t spent = 0;  // tokens of thoughts
  size_t forced = 0;  // tokens of the closing that stand already
  LoopWatch loop;
};

class Thoughts {
 public:
  // What is given outlives it.
  Thoughts(const llama_vocab* vocab, const ThoughtRules& rules) : vocab_(vocab), rules_(rules) {}

  // The state of a text, from all its tokens.
  ThoughtState StateOf(const std::vector<llama_token>& tokens) const;
  void Add(llama_token token, ThoughtState* state) const;
  // The token that comes next, where the policy leaves one alone.
  std::optional<llama_token> Forced(const ThoughtState& state) const;
  // Whether the next token is the answer's, with all of the closing tag behind.
  bool IsInAnswer(const ThoughtState& state) const {
    return state.place == ThoughtPlace::kAnswer && state.forced == 0;
  }
  // Whether the text ends here, for its thoughts have no budget left.
  bool Stops(const ThoughtState& state) const { return rules_.stops && IsSpent(state); }

 private:
  bool IsSpent(const ThoughtState& state) const;
  void Read(ThoughtState* state) const;

  const llama_vocab* vocab_;
  const ThoughtRules& rules_;
};

}  // namespace llama_ets
