#include "sampling/grammar.h"

#include <algorithm>
#include <utility>

#include "decode/token_text.h"
#include "files/engine.h"

namespace llama_ets {

Grammar::Grammar(const llama_vocab* vocab, const Sampling& sampling) : vocab_(vocab) {
  std::vector<llama_token> named = sampling.grammar_tokens;
  std::sort(named.begin(), named.end());
  definition_ = std::make_shared<const Definition>(
      Definition{ParseGrammar(sampling.grammar), std::move(named)});
  state_ = GrammarReader::Begin(definition_->rules);
}

std::unique_ptr<Grammar> Grammar::OfThoughts(const llama_vocab* vocab) {
  return std::unique_ptr<Grammar>(new Grammar(vocab));
}

// Whether the grammar reads the token as its text.
bool Grammar::IsText(llama_token token) const {
  constexpr int32_t kUnwritten =
      LLAMA_TOKEN_ATTR_CONTROL | LLAMA_TOKEN_ATTR_UNKNOWN | LLAMA_TOKEN_ATTR_UNUSED;
  const std::vector<llama_token>& named = definition_->named;
  return (Engine().llama_vocab_get_attr(vocab_, token) & kUnwritten) == 0 ||
         std::binary_search(named.begin(), named.end(), token);
}

// The reader's place after a token that does not end the text. False if the token is refused.
GrammarReader::Place Grammar::Read(llama_token token, GrammarReader* reader) const {
  if (!IsText(token)) return {};
  const std::string text = TextOf(vocab_, token, /*special=*/true);
  return text.empty() ? GrammarReader::Place{} : reader->Read(text);
}

bool Grammar::Allows(llama_token token, GrammarReader* reader) const {
  if (Engine().llama_vocab_is_eog(vocab_, token)) return reader->MayEnd();
  return static_cast<bool>(Read(token, reader));
}

bool Grammar::Allows(llama_token token) const {
  if (!definition_) return !Engine().llama_vocab_is_eog(vocab_, token);
  if (!state_) return false;
  GrammarReader reader(definition_->rules, *state_);
  return Allows(token, &reader);
}

void Grammar::Keep(std::vector<Candidate>* candidates) const {
  std::optional<GrammarReader> reader;
  if (state_) reader.emplace(definition_->rules, *state_);
  const auto is_refused = [&](const Candidate& c) {
    return reader ? !Allows(c.token, &*reader) : !Allows(c.token);
  };
  candidates->erase(std::remove_if(candidates->begin(), candidates->end(), is_refused),
                    candidates->end());
}

bool Grammar::Accept(llama_token token) {
  const bool ends = Engine().llama_vocab_is_eog(vocab_, token);
  if (!definition_) return !ends;
  if (!state_) return false;
  GrammarReader reader(definition_->rules, *state_);
  const GrammarReader::Place place = ends ? GrammarReader::Place{} : Read(token, &reader);
  std::optional<GrammarState> next;
  if (place) next = reader.StateAt(place);
  state_ = std::move(next);
  return state_.has_value();
}

std::unique_ptr<Grammar> StateAfter(const Grammar* start, const std::vector<llama_token>& tokens) {
  if (start == nullptr) return nullptr;
  auto state = std::make_unique<Grammar>(*start);
  for (const llama_token token : tokens) {
    if (!state->Accept(token)) break;
  }
  return state;
}

}  // namespace llama_ets
