// Where a text ends: at an end-of-generation token, a stop token or a stop string, or once its
// answer has ended. Strings are found in the bytes of the text, whatever tokens they came in.
#pragma once

#include <llama.h>

#include <optional>
#include <string>
#include <vector>

#include "decode/thoughts.h"

namespace llama_ets {

// kAnswered: its answer has ended, so nothing that follows matters; kThoughts: its thoughts have
// no budget left; kLength: it has as many tokens as it may; kDead: a grammar allows nothing that
// could follow, and the text has probability 0; kBudget: it goes on, or the budget cut it off.
enum class Finish { kEnd, kStop, kAnswered, kThoughts, kLength, kDead, kBudget };

// A text's answer ends with the first `end` behind its first `mark`; neither is empty.
struct AnswerEnd {
  std::string mark;
  std::string end;
};

// The parts at a text's end in which something may have begun.
struct TextTail {
  std::string stop;                      // a stop string
  std::string answer;                    // the answer's mark, or behind the mark its end
  bool is_marked = false;                // the mark is there
  std::optional<ThoughtState> thoughts;  // where thoughts are told apart
};

class TextEnd {
 public:
  // What is given outlives it. Without an `answer_end` no text is answered. Stop tokens and
  // strings, marks and answers' ends mean nothing in thoughts.
  TextEnd(const llama_vocab* vocab, const std::vector<std::string>& stop_strings,
          const std::vector<llama_token>& stop_tokens, const std::optional<AnswerEnd>& answer_end,
          const std::optional<ThoughtRules>& thoughts);

  // The tail of a text that goes on, from all its tokens.
  TextTail TailOf(const std::vector<llama_token>& tokens) const;

  // How a text ends with the token: kEnd, kStop, kAnswered, kThoughts, or kBudget when it goes on.
  // `tail` grows by the token.
  Finish FinishWith(llama_token token, TextTail* tail) const;
  // The token that comes next, where the policy leaves one alone.
  std::optional<llama_token> Forced(const TextTail& tail) const;
  // Whether the next token is the answer's: a constraint begins with the first such one.
  bool IsInAnswer(const TextTail& tail) const;
  // How many of a text's tokens stand before its answer; nothing where that hasn't begun.
  std::optional<size_t> AnswerStart(const std::vector<llama_token>& tokens) const;

 private:
  bool IsBoundByText() const { return longest_stop_ > 0 || answer_end_; }
  // Adds a token, and says whether it is one of a thought.
  bool AddThought(llama_token token, TextTail* tail) const;
  bool EndsWithStopString(const std::string& piece, std::string* tail) const;
  bool EndsAnswer(const std::string& piece, TextTail* tail) const;

  const llama_vocab* vocab_;
  const std::vector<std::string>& stop_strings_;
  const std::vector<llama_token>& stop_tokens_;
  const std::optional<AnswerEnd>& answer_end_;
  std::optional<Thoughts> thoughts_;
  size_t longest_stop_ = 0;
};

}  // namespace llama_ets
