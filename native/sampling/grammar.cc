#include "sampling/grammar.h"

#include <algorithm>
#include <cmath>
#include <exception>
#include <utility>

#include "files/engine.h"
#include "files/engine_error.h"

namespace llama_ets {

void Grammar::FreeSampler::operator()(llama_sampler* sampler) const {
  Engine().llama_sampler_free(sampler);
}

Grammar::Grammar(const llama_vocab* vocab, const Sampling& sampling) : vocab_(vocab) {
  std::vector<llama_token> named = sampling.grammar_tokens;
  std::sort(named.begin(), named.end());
  named_ = std::make_shared<const std::vector<llama_token>>(std::move(named));
  const LogCapture log;
  sampler_.reset(Engine().llama_sampler_init_grammar(vocab, sampling.grammar.c_str(), "root"));
  if (sampler_) return;
  throw EngineError("ERR_CONSTRAINT", "Expected a grammar that llama.cpp can read: " +
                                          log.Reason("it is no GBNF with a rule `root`"));
}

std::unique_ptr<Grammar> Grammar::OfThoughts(const llama_vocab* vocab) {
  return std::unique_ptr<Grammar>(new Grammar(vocab));
}

Grammar::Grammar(const Grammar& other)
    : vocab_(other.vocab_), is_of_thoughts_(other.is_of_thoughts_), named_(other.named_) {
  if (other.sampler_) sampler_.reset(Engine().llama_sampler_clone(other.sampler_.get()));
}

// Whether the grammar reads the token as the text that it adds, or as the text's end.
bool Grammar::IsText(llama_token token) const {
  constexpr int32_t kUnwritten =
      LLAMA_TOKEN_ATTR_CONTROL | LLAMA_TOKEN_ATTR_UNKNOWN | LLAMA_TOKEN_ATTR_UNUSED;
  return (Engine().llama_vocab_get_attr(vocab_, token) & kUnwritten) == 0 ||
         Engine().llama_vocab_is_eog(vocab_, token) ||
         (named_ && std::binary_search(named_->begin(), named_->end(), token));
}

bool Grammar::Allows(llama_token token) const {
  if (is_of_thoughts_) return !Engine().llama_vocab_is_eog(vocab_, token);
  if (!sampler_ || !IsText(token)) return false;
  llama_token_data data{token, 0, 0};
  llama_token_data_array array{&data, 1, -1, false};
  Engine().llama_sampler_apply(sampler_.get(), &array);
  return data.logit == 0;
}

void Grammar::Keep(std::vector<Candidate>* candidates) const {
  if (is_of_thoughts_) {
    const auto is_refused = [this](const Candidate& c) { return !Allows(c.token); };
    candidates->erase(std::remove_if(candidates->begin(), candidates->end(), is_refused),
                      candidates->end());
    return;
  }
  std::vector<llama_token_data> data;
  if (sampler_) {
    data.reserve(candidates->size());
    for (const Candidate& c : *candidates) {
      if (IsText(c.token)) data.push_back({c.token, c.logit, 0});
    }
    llama_token_data_array array{data.data(), data.size(), -1, false};
    if (!data.empty()) Engine().llama_sampler_apply(sampler_.get(), &array);
  }
  candidates->clear();
  for (const llama_token_data& d : data) {
    if (d.logit > -HUGE_VALF) candidates->push_back({d.id, d.logit});
  }
}

bool Grammar::Accept(llama_token token) {
  bool accepted = Allows(token) && !Engine().llama_vocab_is_eog(vocab_, token);
  try {
    if (accepted && sampler_) Engine().llama_sampler_accept(sampler_.get(), token);
  } catch (const std::exception&) {
    accepted = false;
  }
  if (!accepted) sampler_.reset();
  return accepted;
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
