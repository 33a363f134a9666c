// Decides where a block of a text ends although the text goes on. The place depends on the text.
#pragma once

#include <string>

namespace llama_ets {

// kNone: blocks end nowhere. kLine: a block ends after a line break. kSentence: a block ends after
// a line break, a full stop, a question mark or an exclamation mark. kEntropy: a block ends after a
// token that was drawn from a distribution with an entropy of at least log 2, that of a fair coin.
enum class BlockEnd { kNone, kLine, kSentence, kEntropy };

// Whether a block ends with a token. `piece` is the token's text; `entropy` is the entropy of the
// policy where the token was drawn, in nats.
bool EndsBlock(BlockEnd end, const std::string& piece, double entropy);

}  // namespace llama_ets
