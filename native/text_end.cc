#include "text_end.h"

#include <algorithm>

#include "engine.h"

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

}  // namespace

TextEnd::TextEnd(const llama_vocab* vocab, const std::vector<llama_token>& stop_tokens,
                 const std::vector<std::string>& stop_strings)
    : vocab_(vocab), stop_tokens_(stop_tokens), stop_strings_(stop_strings) {
  for (const std::string& stop : stop_strings) longest_stop_ = std::max(longest_stop_, stop.size());
}

Finish TextEnd::FinishWith(llama_token token, std::string* tail) const {
  if (Engine().llama_vocab_is_eog(vocab_, token)) return Finish::kEnd;
  if (std::find(stop_tokens_.begin(), stop_tokens_.end(), token) != stop_tokens_.end()) {
    return Finish::kStop;
  }
  return EndsWithStopString(token, tail) ? Finish::kStop : Finish::kBudget;
}

bool TextEnd::EndsWithStopString(llama_token token, std::string* tail) const {
  if (longest_stop_ == 0) return false;
  *tail += PieceOf(vocab_, token);
  for (const std::string& stop : stop_strings_) {
    if (tail->find(stop) != std::string::npos) return true;
  }
  // A stop string may have begun in the last bytes.
  if (tail->size() >= longest_stop_) tail->erase(0, tail->size() - (longest_stop_ - 1));
  return false;
}

}  // namespace llama_ets
