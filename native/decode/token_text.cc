#include "decode/token_text.h"

#include "files/engine.h"

namespace llama_ets {

std::string TextOf(const llama_vocab* vocab, llama_token token, bool special) {
  char buffer[256];
  int32_t size = Engine().llama_token_to_piece(vocab, token, buffer, sizeof buffer, 0, special);
  if (size >= 0) return std::string(buffer, size);
  std::string large(-size, '\0');
  size = Engine().llama_token_to_piece(vocab, token, large.data(), -size, 0, special);
  return size >= 0 ? large.substr(0, size) : std::string();
}

std::string TextOf(const llama_vocab* vocab, const std::vector<llama_token>& tokens, bool special) {
  std::string text;
  for (const llama_token token : tokens) text += TextOf(vocab, token, special);
  return text;
}

}  // namespace llama_ets
