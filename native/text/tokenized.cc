#include "text/tokenized.h"

#include "files/engine.h"
#include "files/engine_error.h"
#include "text/deep_stack.h"

namespace llama_ets {
namespace {

// For many vocabularies llama.cpp splits a text with std::regex, which recurses for each character
// of a match. We measured 3.3 KiB of stack for a space and 350 bytes for a letter. A worker's stack
// is 4 MiB, so longer runs than kShallowRun get a larger stack.
constexpr size_t kShallowRun = 100;
constexpr size_t kMaxRun = 1 << 18;
constexpr size_t kStackBase = 4 << 20;
constexpr size_t kStackPerCharacter = 4 << 10;

}  // namespace

std::vector<llama_token> Tokenized(const llama_vocab* vocab, const std::string& text,
                                   bool add_special, bool parse_special) {
  if (text.size() > INT32_MAX / 4) {
    throw EngineError("ERR_INVALID_ARGUMENT", "Expected `text` of less than 512 MiB");
  }
  const size_t run = LongestRun(text);
  if (run > kMaxRun) {
    throw EngineError("ERR_INVALID_ARGUMENT",
                      "Expected `text` without a run of more than " + std::to_string(kMaxRun) +
                          " characters of one kind, got one of " + std::to_string(run));
  }
  // No tokenizer makes more tokens than the text has bytes, apart from BOS, EOS and a leading
  // space.
  std::vector<llama_token> tokens(text.size() + 8);
  int32_t count = 0;
  const auto tokenize = [&] {
    count = Engine().llama_tokenize(vocab, text.data(), static_cast<int32_t>(text.size()),
                                    tokens.data(), static_cast<int32_t>(tokens.size()), add_special,
                                    parse_special);
  };
  if (run > kShallowRun) {
    OnDeepStack(kStackBase + run * kStackPerCharacter, tokenize);
  } else {
    tokenize();
  }
  if (count < 0) throw EngineError("ERR_ENGINE_FAILED", "The engine could not tokenize the text");
  tokens.resize(static_cast<size_t>(count));
  return tokens;
}

}  // namespace llama_ets
