// Tokenizes a text with the engine's tokenizer. It is safe for any text.
#pragma once

#include <llama.h>

#include <string>
#include <vector>

namespace llama_ets {

// `add_special` adds the special tokens that the vocabulary wants, such as BOS. With
// `parse_special`, the name of a control token in the text becomes that token. Throws EngineError:
// ERR_INVALID_ARGUMENT for a text of 512 MiB or more or with too long a run of characters of one
// kind, ERR_OUT_OF_MEMORY, ERR_ENGINE_FAILED.
std::vector<llama_token> Tokenized(const llama_vocab* vocab, const std::string& text,
                                   bool add_special, bool parse_special);

}  // namespace llama_ets
