#include "decode/text_end.h"

#include <algorithm>

#include "decode/token_text.h"
#include "files/engine.h"

namespace llama_ets {
namespace {

// Keeps only the last `size` - 1 bytes: a string of `size` bytes that is not complete yet can have
// begun only there.
void CutTo(size_t size, std::string* tail) {
  if (tail->size() >= size) tail->erase(0, tail->size() - (size - 1));
}

}  // namespace

TextEnd::TextEnd(const llama_vocab* vocab, const std::vector<std::string>& stop_strings,
                 const std::vector<llama_token>& stop_tokens,
                 const std::optional<AnswerEnd>& answer_end,
                 const std::optional<ThoughtRules>& thoughts)
    : vocab_(vocab),
      stop_strings_(stop_strings),
      stop_tokens_(stop_tokens),
      answer_end_(answer_end) {
  if (thoughts) thoughts_.emplace(vocab, *thoughts);
  for (const std::string& stop : stop_strings) longest_stop_ = std::max(longest_stop_, stop.size());
}

TextTail TextEnd::TailOf(const std::vector<llama_token>& tokens) const {
  TextTail tail;
  if (thoughts_) {
    tail.thoughts = thoughts_->StateOf({});
    for (const llama_token token : tokens) {
      const bool is_thought = AddThought(token, &tail);
      if (is_thought || !IsBoundByText()) continue;
      const std::string piece = TextOf(vocab_, token);
      EndsWithStopString(piece, &tail.stop);
      EndsAnswer(piece, &tail);
    }
    return tail;
  }
  if (!IsBoundByText()) return tail;
  const std::string text = TextOf(vocab_, tokens);
  EndsWithStopString(text, &tail.stop);
  EndsAnswer(text, &tail);
  return tail;
}

Finish TextEnd::FinishWith(llama_token token, TextTail* tail) const {
  if (Engine().llama_vocab_is_eog(vocab_, token)) return Finish::kEnd;
  if (thoughts_ && AddThought(token, tail)) {
    return thoughts_->Stops(*tail->thoughts) ? Finish::kThoughts : Finish::kBudget;
  }
  if (std::find(stop_tokens_.begin(), stop_tokens_.end(), token) != stop_tokens_.end()) {
    return Finish::kStop;
  }
  if (!IsBoundByText()) return Finish::kBudget;
  const std::string piece = TextOf(vocab_, token);
  if (EndsWithStopString(piece, &tail->stop)) return Finish::kStop;
  return EndsAnswer(piece, tail) ? Finish::kAnswered : Finish::kBudget;
}

// The tokens that begin and end a thought count as tokens of the thought.
bool TextEnd::AddThought(llama_token token, TextTail* tail) const {
  ThoughtState& state = *tail->thoughts;
  const bool was_inside = state.place == ThoughtPlace::kInside;
  thoughts_->Add(token, &state);
  return was_inside || state.place == ThoughtPlace::kInside;
}

std::optional<llama_token> TextEnd::Forced(const TextTail& tail) const {
  return thoughts_ ? thoughts_->Forced(*tail.thoughts) : std::nullopt;
}

bool TextEnd::IsInAnswer(const TextTail& tail) const {
  return !thoughts_ || thoughts_->IsInAnswer(*tail.thoughts);
}

std::optional<size_t> TextEnd::AnswerStart(const std::vector<llama_token>& tokens) const {
  if (!thoughts_) return 0;
  ThoughtState state = thoughts_->StateOf({});
  for (size_t i = 0;; ++i) {
    if (thoughts_->IsInAnswer(state)) return i;
    if (i == tokens.size()) return std::nullopt;
    thoughts_->Add(tokens[i], &state);
  }
}

bool TextEnd::EndsWithStopString(const std::string& piece, std::string* tail) const {
  if (longest_stop_ == 0) return false;
  *tail += piece;
  for (const std::string& stop : stop_strings_) {
    if (tail->find(stop) != std::string::npos) return true;
  }
  CutTo(longest_stop_, tail);
  return false;
}

bool TextEnd::EndsAnswer(const std::string& piece, TextTail* tail) const {
  if (!answer_end_) return false;
  const auto& [mark, end] = *answer_end_;
  tail->answer += piece;
  if (!tail->is_marked) {
    const size_t at = tail->answer.find(mark);
    if (at == std::string::npos) {
      CutTo(mark.size(), &tail->answer);
      return false;
    }
    tail->is_marked = true;
    tail->answer.erase(0, at + mark.size());
  }
  if (tail->answer.find(end) != std::string::npos) return true;
  CutTo(end.size(), &tail->answer);
  return false;
}

}  // namespace llama_ets
