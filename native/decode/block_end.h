// Where a block of a text ends that goes on: at a place that the text itself tells.
#pragma once

#include <string>

namespace llama_ets {

// kNone: nowhere; kLine: behind a line's end; kSentence: that too, and behind a full stop, question
// or exclamation mark; kEntropy: behind a token that was as uncertain as a fair coin.
enum class BlockEnd { kNone, kLine, kSentence, kEntropy };

// Whether a block ends with a token, of which the piece is the text and the entropy the policy's.
bool EndsBlock(BlockEnd end, const std::string& piece, double entropy);

}  // namespace llama_ets
