// A text's tokens, by the engine's tokenizer, whatever the text is.
#pragma once

#include <llama.h>

#include <string>
#include <vector>

namespace llama_ets {

// With BOS and the like where `add_special` says so; `parse_special`: what names a control token is
// that token. Throws EngineError: ERR_INVALID_ARGUMENT for a text of 512 MiB or more, or with too
// long a run of characters of one kind, ERR_OUT_OF_MEMORY, ERR_ENGINE_FAILED.
std::vector<llama_token> Tokenized(const llama_vocab* vocab, const std::string& text,
                                   bool add_special, bool parse_special);

}  // namespace llama_ets
