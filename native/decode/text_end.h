// Decides where a text ends: at an end-of-generation token, a stop token or a stop string, once its
// answer has ended, or once its thoughts have spent their budget. Strings are found in the bytes of
// the text, independent of token boundaries.
#pragma once

#include <llama.h>

#include <optional>
#include <string>
#include <vector>

#include "decode/thoughts.h"

namespace llama_ets {

// How a text finished. kEnd: with an end-of-generation token. kStop: with a stop token or a stop
// string. kAnswered: its answer has ended, so nothing that follows matters. kThoughts: its thoughts
// have spent their budget or repeat themselves. kLength: it has its maximum number of tokens, or it
// paused. kDead: the grammar allows no token that has probability, so the text has probability 0.
// kBudget: it goes on, or the call's budget cut it off.
enum class Finish { kEnd, kStop, kAnswered, kThoughts, kLength, kDead, kBudget };

// A text's answer ends with the first `end` after its first `mark`. Neither string is empty.
struct AnswerEnd {
  std::string mark;
  std::string end;
};

// The last bytes of a text, in which a string that the next tokens complete may have begun.
struct TextTail {
  std::string stop;        // where a stop string may have begun
  std::string answer;      // where the answer's mark, or after the mark its end, may have begun
  bool is_marked = false;  // the text has the answer's mark
  std::optional<ThoughtState> thoughts;  // set if the text may have thoughts
};

class TextEnd {
 public:
  // All arguments must outlive this object. Without an `answer_end` no text finishes as kAnswered.
  // Stop tokens, stop strings, and the marks and ends of answers are ignored in thoughts.
  TextEnd(const llama_vocab* vocab, const std::vector<std::string>& stop_strings,
          const std::vector<llama_token>& stop_tokens, const std::optional<AnswerEnd>& answer_end,
          const std::optional<ThoughtRules>& thoughts);

  // The tail of a text that goes on, computed from all its tokens.
  TextTail TailOf(const std::vector<llama_token>& tokens) const;

  // How a text finishes with the token: kEnd, kStop, kAnswered, kThoughts, or kBudget when it goes
  // on. Adds the token to `tail`.
  Finish FinishWith(llama_token token, TextTail* tail) const;
  // The next token, if it is forced because thoughts must end.
  std::optional<llama_token> Forced(const TextTail& tail) const;
  // Whether the next token belongs to the answer. A grammar reads the text from the answer's first
  // token on.
  bool IsInAnswer(const TextTail& tail) const;
  // How many of a text's tokens come before its answer, or nothing if the answer has not begun.
  std::optional<size_t> AnswerStart(const std::vector<llama_token>& tokens) const;

 private:
  bool IsBoundByText() const { return longest_stop_ > 0 || answer_end_; }
  // Adds a token to the state of thoughts, and returns whether it belongs to a thought.
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
