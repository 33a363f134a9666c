#include "decode/block_end.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <string_view>

namespace llama_ets {
namespace {

constexpr std::array<std::string_view, 7> kMarks = {".",      "!",      "?",     "\u2026",
                                                    "\u3002", "\uff01", "\uff1f"};
// What may follow the mark that ends a sentence.
constexpr std::array<std::string_view, 8> kTrailing = {" ", "\"",     "'",      ")",
                                                       "]", "\u201d", "\u2019", "\u00bb"};

bool EndsWith(std::string_view text, std::string_view end) {
  return text.size() >= end.size() && text.substr(text.size() - end.size()) == end;
}

bool EndsSentence(std::string_view text) {
  const auto is_end = [&](std::string_view end) { return EndsWith(text, end); };
  for (;;) {
    const auto trailing = std::find_if(kTrailing.begin(), kTrailing.end(), is_end);
    if (trailing == kTrailing.end()) break;
    text.remove_suffix(trailing->size());
  }
  return std::any_of(kMarks.begin(), kMarks.end(), is_end);
}

}  // namespace

bool EndsBlock(BlockEnd end, const std::string& piece, double entropy) {
  if (end == BlockEnd::kEntropy) return entropy >= std::log(2);
  const bool ends_line = piece.find('\n') != std::string::npos;
  if (end == BlockEnd::kLine) return ends_line;
  return end == BlockEnd::kSentence && (ends_line || EndsSentence(piece));
}

}  // namespace llama_ets
