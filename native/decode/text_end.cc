#include "decode/text_end.h"

#include <algorithm>

#include "files/engine.h"

namespace llama_ets {
namespace {

// The text of a token as it would appear in output; control tokens have none.
std::string PieceOf(const llama_vocab* vocab, llama_token token) {
  char buffer[256];
  int32_t size = Engine().llama_token_to_piece(vocab, token, buffer, sizeof buffer, 0, false);
  if (size >= 0) return std::string(buffer, size);
  std::string large(-size, '\0');
  size = Engine().llama_token_to_piece(vocab, token, large.data(), -size, 0, false);
  return size >= 0 ? large.substr(0, size) : std::string();
}

// Leaves what a string of `size` bytes may have begun in.
void CutTo(size_t size, std::string* tail) {
  if (tail->size() >= size) tail->erase(0, tail->size() - (size - 1));
}

}  // namespace

TextEnd::TextEnd(const llama_vocab* vocab, const std::vector<std::string>& stop_strings,
                 const std::optional<AnswerEnd>& answer_end)
    : vocab_(vocab), stop_strings_(stop_strings), answer_end_(answer_end) {
  for (const std::string& stop : stop_strings) longest_stop_ = std::max(longest_stop_, stop.size());
}

TextTail TextEnd::TailOf(const std::string& end) const {
  TextTail tail;
  EndsWithStopString(end, &tail.stop);
  EndsAnswer(end, &tail);
  return tail;
}

Finish TextEnd::FinishWith(llama_token token, TextTail* tail) const {
  if (Engine().llama_vocab_is_eog(vocab_, token)) return Finish::kEnd;
  if (longest_stop_ == 0 && !answer_end_) return Finish::kBudget;
  const std::string piece = PieceOf(vocab_, token);
  if (EndsWithStopString(piece, &tail->stop)) return Finish::kStop;
  return EndsAnswer(piece, tail) ? Finish::kAnswered : Finish::kBudget;
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
