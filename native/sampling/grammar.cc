#include "sampling/grammar.h"

#include <algorithm>
#include <cmath>
#include <exception>
#include <mutex>
#include <unordered_map>
#include <utility>

#include "files/engine.h"
#include "files/engine_error.h"

namespace llama_ets {

namespace {

// Bytes of a token that llama.cpp is asked about at once. The grammars that
// src/engine/constraint/check-rules.ts lets through have a bounded number of readings of so many.
constexpr int32_t kMostAtOnce = 16;

}  // namespace

// The tokens that are asked about step by step, and the short ones that spell each of them:
// characters, bytes, and runs of one character.
class Grammar::LongTokens {
 public:
  // Null for a token that is asked about at once, as are those that no others spell.
  const std::vector<llama_token>* StepsOf(const llama_vocab* vocab, llama_token token) {
    std::call_once(found_, [&] { Find(vocab); });
    const auto steps = steps_.find(token);
    return steps == steps_.end() ? nullptr : &steps->second;
  }

 private:
  using Texts = std::unordered_map<std::string, llama_token>;

  // Bytes of the character that begins with a byte.
  static size_t CharacterLength(char first) {
    const auto byte = static_cast<unsigned char>(first);
    return byte < 0xc0 ? 1 : byte < 0xe0 ? 2 : byte < 0xf0 ? 3 : 4;
  }

  static bool IsStep(const std::string& text) {
    const bool is_run = text.find_first_not_of(text[0]) == std::string::npos;
    return text.size() == CharacterLength(text[0]) || (is_run && text.size() <= kLongestRun);
  }

  static std::vector<llama_token> Spell(const Texts& shorts, const std::string& text) {
    std::vector<llama_token> spelled;
    for (size_t at = 0; at < text.size();) {
      const size_t run = std::min(text.find_first_not_of(text[at], at), text.size()) - at;
      size_t length = std::max(CharacterLength(text[at]), std::min(run, kLongestRun));
      auto token = shorts.find(text.substr(at, length));
      while (token == shorts.end() && --length > 0) token = shorts.find(text.substr(at, length));
      if (token == shorts.end()) return {};
      spelled.push_back(token->second);
      at += length;
    }
    return spelled;
  }

  void Find(const llama_vocab* vocab) {
    Texts shorts;
    std::vector<std::pair<llama_token, std::string>> longs;
    for (llama_token token = 0; token < Engine().llama_vocab_n_tokens(vocab); ++token) {
      char start[kMostAtOnce];
      const int32_t length =
          Engine().llama_token_to_piece(vocab, token, start, kMostAtOnce, 0, /*special=*/true);
      if (length < 0) {
        std::string text(static_cast<size_t>(-length), '\0');
        Engine().llama_token_to_piece(vocab, token, text.data(), -length, 0, true);
        longs.emplace_back(token, std::move(text));
        continue;
      }
      constexpr int32_t kWritten = LLAMA_TOKEN_ATTR_NORMAL | LLAMA_TOKEN_ATTR_BYTE;
      if (length == 0 || (Engine().llama_vocab_get_attr(vocab, token) & kWritten) == 0) continue;
      if (Engine().llama_vocab_is_eog(vocab, token)) continue;
      std::string text(start, static_cast<size_t>(length));
      if (IsStep(text)) shorts.emplace(std::move(text), token);
    }
    for (const auto& [token, text] : longs) {
      std::vector<llama_token> steps = Spell(shorts, text);
      if (!steps.empty()) steps_.emplace(token, std::move(steps));
    }
  }

  static constexpr size_t kLongestRun = 8;

  std::once_flag found_;
  std::unordered_map<llama_token, std::vector<llama_token>> steps_;
};

void Grammar::FreeSampler::operator()(llama_sampler* sampler) const {
  Engine().llama_sampler_free(sampler);
}

Grammar::Grammar(const llama_vocab* vocab, const Sampling& sampling) : vocab_(vocab) {
  if (sampling.grammar_in_steps) long_tokens_ = std::make_shared<LongTokens>();
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
    : vocab_(other.vocab_),
      is_of_thoughts_(other.is_of_thoughts_),
      named_(other.named_),
      long_tokens_(other.long_tokens_) {
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

const std::vector<llama_token>* Grammar::StepsOf(llama_token token) const {
  return long_tokens_ ? long_tokens_->StepsOf(vocab_, token) : nullptr;
}

bool Grammar::AllowsSteps(const std::vector<llama_token>& steps) const {
  if (!AllowsAtOnce(steps.front())) return false;
  Grammar state(*this);
  return std::all_of(steps.begin(), steps.end(), [&](llama_token t) { return state.Accept(t); });
}

bool Grammar::AllowsAtOnce(llama_token token) const {
  llama_token_data data{token, 0, 0};
  llama_token_data_array array{&data, 1, -1, false};
  Engine().llama_sampler_apply(sampler_.get(), &array);
  return data.logit == 0;
}

bool Grammar::Allows(llama_token token) const {
  if (is_of_thoughts_) return !Engine().llama_vocab_is_eog(vocab_, token);
  if (!sampler_ || !IsText(token)) return false;
  const auto* steps = StepsOf(token);
  return steps == nullptr ? AllowsAtOnce(token) : AllowsSteps(*steps);
}

void Grammar::Keep(std::vector<Candidate>* candidates) const {
  if (is_of_thoughts_) {
    const auto is_refused = [this](const Candidate& c) { return !Allows(c.token); };
    candidates->erase(std::remove_if(candidates->begin(), candidates->end(), is_refused),
                      candidates->end());
    return;
  }
  if (!sampler_) {
    candidates->clear();
    return;
  }
  std::vector<Candidate> texts;           // in order
  std::vector<llama_token_data> at_once;  // of these; the others were asked about
  for (const Candidate& c : *candidates) {
    if (!IsText(c.token)) continue;
    const auto* steps = StepsOf(c.token);
    if (steps == nullptr) at_once.push_back({c.token, c.logit, 0});
    if (steps == nullptr || AllowsSteps(*steps)) texts.push_back(c);
  }
  llama_token_data_array array{at_once.data(), at_once.size(), -1, false};
  if (!at_once.empty()) Engine().llama_sampler_apply(sampler_.get(), &array);
  candidates->clear();
  auto answered = at_once.begin();
  for (const Candidate& c : texts) {
    const bool is_answered = answered != at_once.end() && answered->id == c.token;
    const bool is_refused = is_answered && answered->logit == -HUGE_VALF;
    if (is_answered) ++answered;
    if (!is_refused) candidates->push_back(c);
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
