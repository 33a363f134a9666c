// Thoughts in a text: where they are, and which tokens are forced to end them.
//
// A text's state depends only on its tokens, so forks, truncated texts and kept texts need not
// store it. src/engine/thoughts.ts computes the same state. Tags are found in the bytes of the
// text, where special tokens are written out. Once the thoughts of a text have spent their budget
// of tokens, or repeat themselves, the tokens of the closing tag are forced: no other token can be
// drawn.
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
  std::vector<std::string> ends;  // any of these tags ends a thought; none is empty
  // Whether an opening tag opens thoughts anywhere in the text, or only at its beginning.
  bool opens_anywhere = false;
  bool begins_inside = false;        // the prompt has opened a thought
  std::optional<int32_t> budget;     // maximum number of tokens in all thoughts of a text
  bool cuts_loops = false;           // a repeated window ends thoughts as the budget does
  bool stops = false;                // a spent budget ends the text, not only its thoughts
  std::vector<llama_token> closing;  // the tokens that are forced; not empty
};

// Where the next token is. kBefore: nothing but blanks has come, and a thought may still open.
// kInside: in a thought. kAnswer: in the answer.
enum class ThoughtPlace { kBefore, kInside, kAnswer };

// The longest window of tokens whose repetition is noticed, in tokens.
constexpr size_t kLoopWindow = 128;
// A window of w tokens is a loop once its repetitions fill the last max(kLoopTokens,
// kLoopRepeats w) tokens.
constexpr size_t kLoopTokens = 64;
constexpr size_t kLoopRepeats = 4;

// The last tokens of a thought, and for each distance how many of the last tokens in a row equal
// the token that far before them.
class LoopWatch {
 public:
  void Add(llama_token token);
  bool is_loop() const { return is_loop_; }
  void Reset();

 private:
  std::array<llama_token, kLoopWindow> last_{};
  std::array<uint16_t, kLoopWindow> equal_{};  // indexed by the distance - 1
  size_t count_ = 0;
  bool is_loop_ = false;
};

struct ThoughtState {
  ThoughtPlace place = ThoughtPlace::kBefore;
  std::string tail;   // the last bytes, in which a tag may have begun
  int32_t spent = 0;  // tokens in thoughts so far
  size_t forced = 0;  // closing tokens that have been forced so far
  LoopWatch loop;
};

class Thoughts {
 public:
  // `vocab` and `rules` must outlive this object.
  Thoughts(const llama_vocab* vocab, const ThoughtRules& rules) : vocab_(vocab), rules_(rules) {}

  // The state of a text, computed from all its tokens.
  ThoughtState StateOf(const std::vector<llama_token>& tokens) const;
  void Add(llama_token token, ThoughtState* state) const;
  // The next token, if it is forced because thoughts must end.
  std::optional<llama_token> Forced(const ThoughtState& state) const;
  // Whether the next token belongs to the answer: the text is past all of the closing tag.
  bool IsInAnswer(const ThoughtState& state) const {
    return state.place == ThoughtPlace::kAnswer && state.forced == 0;
  }
  // Whether the text ends here, because its thoughts have spent their budget or repeat themselves.
  bool Stops(const ThoughtState& state) const { return rules_.stops && IsSpent(state); }

 private:
  bool IsSpent(const ThoughtState& state) const;
  void Read(ThoughtState* state) const;

  const llama_vocab* vocab_;
  const ThoughtRules& rules_;
};

}  // namespace llama_ets
