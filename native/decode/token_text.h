// The text of tokens in bytes: the bytes of each token, one after another. A token may hold part of
// a UTF-8 character. These bytes determine what a text says, where it stops and what is shown of
// it.
#pragma once

#include <llama.h>

#include <string>
#include <vector>

namespace llama_ets {

// Control tokens have no text unless `special` is set, which writes out their names.
std::string TextOf(const llama_vocab* vocab, llama_token token, bool special = false);
std::string TextOf(const llama_vocab* vocab, const std::vector<llama_token>& tokens,
                   bool special = false);

}  // namespace llama_ets
