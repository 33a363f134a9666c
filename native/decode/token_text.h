// The text of tokens, in bytes: that of each token, one after another. A token may hold a part of a
// character. What a text reads as, where it stops and what is shown of it all go by these bytes.
#pragma once

#include <llama.h>

#include <string>
#include <vector>

namespace llama_ets {

// Control tokens have no text, unless `special` writes them out.
std::string TextOf(const llama_vocab* vocab, llama_token token, bool special = false);
std::string TextOf(const llama_vocab* vocab, const std::vector<llama_token>& tokens,
                   bool special = false);

}  // namespace llama_ets
