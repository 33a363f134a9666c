#include "decode/answer_grammar.h"

#include <cstddef>
#include <optional>

namespace llama_ets {

AnswerGrammar::AnswerGrammar(const llama_vocab* vocab, const Sampling& sampling,
                             const TextEnd& text_end)
    : vocab_(vocab),
      text_end_(text_end),
      start_(sampling.grammar.empty() ? nullptr : std::make_unique<Grammar>(vocab, sampling)) {}

std::unique_ptr<Grammar> AnswerGrammar::After(const std::vector<llama_token>& text) const {
  if (!IsThere()) return nullptr;
  const std::optional<size_t> start = text_end_.AnswerStart(text);
  if (!start) return Grammar::OfThoughts(vocab_);
  const auto answer = text.begin() + static_cast<std::ptrdiff_t>(*start);
  return StateAfter(start_.get(), {answer, text.end()});
}

std::unique_ptr<Grammar> AnswerGrammar::After(const Grammar* before, const TextTail& tail_before,
                                              llama_token token, const TextTail& tail) const {
  if (!IsThere()) return nullptr;
  if (!text_end_.IsInAnswer(tail)) return std::make_unique<Grammar>(*before);
  if (!text_end_.IsInAnswer(tail_before)) return std::make_unique<Grammar>(*start_);
  return StateAfter(before, {token});
}

}  // namespace llama_ets
