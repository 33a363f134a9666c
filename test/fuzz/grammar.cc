// What a grammar allows of a vocabulary's tokens, from sources that no other reader has looked at,
// against llama.cpp's own reader of grammars. That is compiled into this program from its source,
// under the sanitizers. The vocabulary is LLAMA_ETS_FUZZ_MODEL's.
//
// An input is a grammar and, behind a NUL, the choices of a walk through it. llama.cpp is asked
// about those grammars that it can bear; tokens in them are left out. Ours must bear all of them.
#include "sampling/grammar.h"

#include <llama-grammar.h>

#include <algorithm>
#include <climits>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <optional>
#include <string>
#include <vector>

#include "files/engine.h"
#include "files/engine_error.h"
#include "sampling/torn_character.h"

namespace {

using llama_ets::Candidate;
using llama_ets::Engine;
using llama_ets::EngineError;
using llama_ets::Grammar;
using llama_ets::TornCharacter;

constexpr uint64_t kMostRepeats = 8;
constexpr size_t kMostElements = 300;
constexpr size_t kMostSteps = 12;
constexpr uint64_t kMostWays = 16;
// Bytes of a token that llama.cpp is asked about: of longer ones the ways multiply.
constexpr size_t kMostBytes = 4;

const llama_vocab* vocab = nullptr;

// Whether a repetition's bounds are small, and in order.
bool HasFewRepeats(const std::string& source) {
  for (size_t at = source.find('{'); at != std::string::npos; at = source.find('{', at + 1)) {
    uint64_t bounds[2] = {0, kMostRepeats};
    char* end = nullptr;
    bounds[0] = std::strtoull(source.c_str() + at + 1, &end, 10);
    const std::string rest(end);
    const size_t comma = rest.find_first_not_of(" \t\r\n");
    if (comma != std::string::npos && rest[comma] == ',') {
      const char* bound = rest.c_str() + comma + 1;
      const uint64_t most = std::strtoull(bound, &end, 10);
      if (end != bound) bounds[1] = most;
    }
    if (bounds[0] > bounds[1] || bounds[1] > kMostRepeats) return false;
  }
  return true;
}

// Rules as llama.cpp has them, of which it follows each way to begin.
class Beginnings {
 public:
  explicit Beginnings(const llama_grammar_rules& rules)
      : rules_(rules), may_be_empty_(rules.size()), ways_(rules.size()), is_open_(rules.size()) {
    for (bool is_changed = true; is_changed;) {
      is_changed = false;
      for (size_t rule = 0; rule < rules.size(); ++rule) {
        if (may_be_empty_[rule] || !EndsAtOnce(rule)) continue;
        may_be_empty_[rule] = is_changed = true;
      }
    }
  }

  // False where a rule begins with itself, or with too many ways.
  bool AreFew() {
    for (size_t rule = 0; rule < rules_.size(); ++rule) {
      if (WaysOf(rule) > kMostWays) return false;
    }
    return true;
  }

 private:
  static bool IsEnd(const llama_grammar_element& e) {
    return e.type == LLAMA_GRETYPE_END || e.type == LLAMA_GRETYPE_ALT;
  }

  bool EndsAtOnce(size_t rule) const {
    bool is_empty = true;
    for (const auto& element : rules_[rule]) {
      if (IsEnd(element)) {
        if (is_empty) return true;
        is_empty = true;
      } else if (element.type != LLAMA_GRETYPE_RULE_REF || !may_be_empty_[element.value]) {
        is_empty = false;
      }
    }
    return false;
  }

  uint64_t WaysOf(size_t rule) {
    if (is_open_[rule]) return UINT32_MAX;
    if (ways_[rule] > 0) return ways_[rule];
    is_open_[rule] = true;
    uint64_t sum = 0;
    bool is_first = true;
    for (const auto& element : rules_[rule]) {
      if (IsEnd(element)) {
        is_first = true;
        ++sum;
      } else if (is_first && element.type == LLAMA_GRETYPE_RULE_REF) {
        sum += WaysOf(element.value);
        is_first = may_be_empty_[element.value];
      } else {
        is_first = false;
      }
    }
    is_open_[rule] = false;
    return ways_[rule] = std::min<uint64_t>(sum, UINT32_MAX);
  }

  const llama_grammar_rules& rules_;
  std::vector<bool> may_be_empty_;
  std::vector<uint64_t> ways_;
  std::vector<bool> is_open_;
};

// What llama.cpp makes of a grammar.
enum class Verdict { kWrong, kNotBorne, kTaken };

Verdict VerdictOf(const std::string& source) {
  if (!HasFewRepeats(source)) return Verdict::kNotBorne;
  llama_grammar_parser parser(vocab);
  if (!parser.parse(source.c_str())) return Verdict::kWrong;
  if (parser.symbol_ids.count("root") == 0) return Verdict::kWrong;
  size_t elements = 0;
  for (const auto& rule : parser.rules) {
    elements += rule.size();
    for (const auto& element : rule) {
      const bool is_token =
          element.type == LLAMA_GRETYPE_TOKEN || element.type == LLAMA_GRETYPE_TOKEN_NOT;
      if (is_token) return Verdict::kNotBorne;
    }
  }
  const bool is_borne = elements <= kMostElements && Beginnings(parser.rules).AreFew();
  return is_borne ? Verdict::kTaken : Verdict::kNotBorne;
}

std::string TextOf(llama_token token) {
  char text[256];
  const int32_t length = Engine().llama_token_to_piece(vocab, token, text, sizeof text, 0, true);
  return std::string(text, static_cast<size_t>(length));
}

bool IsShort(llama_token token) {
  return Engine().llama_vocab_is_eog(vocab, token) || TextOf(token).size() <= kMostBytes;
}

// Whether bytes are UTF-8, of which the last character may lack bytes.
bool IsText(const std::string& bytes, bool may_be_torn) {
  TornCharacter character;
  for (const char byte : bytes) {
    if (!character.Add(byte)) return false;
  }
  return may_be_torn || character.missing() == 0;
}

std::vector<Candidate> AllTokens() {
  std::vector<Candidate> tokens;
  for (llama_token token = 0; token < Engine().llama_vocab_n_tokens(vocab); ++token) {
    tokens.push_back({token, 0});
  }
  return tokens;
}

std::vector<llama_token> Kept(const Grammar& grammar) {
  std::vector<Candidate> tokens = AllTokens();
  grammar.Keep(&tokens);
  std::vector<llama_token> kept;
  for (const Candidate& c : tokens) kept.push_back(c.token);
  return kept;
}

void Expect(bool holds, const char* what) {
  if (holds) return;
  std::fprintf(stderr, "Not so: %s\n", what);
  abort();
}

// llama.cpp's own state, asked about all tokens at once.
class Reference {
 public:
  explicit Reference(const std::string& source)
      : sampler_(llama_sampler_init_grammar(vocab, source.c_str(), "root")) {}
  ~Reference() { llama_sampler_free(sampler_); }
  Reference(const Reference&) = delete;
  Reference& operator=(const Reference&) = delete;

  explicit operator bool() const { return sampler_ != nullptr; }

  std::vector<llama_token> Kept() const {
    std::vector<llama_token_data> data;
    for (const Candidate& c : AllTokens()) {
      if (IsShort(c.token)) data.push_back({c.token, 0, 0});
    }
    llama_token_data_array array{data.data(), data.size(), -1, false};
    llama_sampler_apply(sampler_, &array);
    std::vector<llama_token> kept;
    for (const llama_token_data& d : data) {
      const bool is_control = Engine().llama_vocab_get_attr(vocab, d.id) & LLAMA_TOKEN_ATTR_CONTROL;
      const bool is_text = !is_control || Engine().llama_vocab_is_eog(vocab, d.id);
      if (d.logit == 0 && is_text) kept.push_back(d.id);
    }
    return kept;
  }
  void Accept(llama_token token) { llama_sampler_accept(sampler_, token); }

 private:
  llama_sampler* sampler_;
};

// Whether a text may come next, by the tokens of its bytes: the first 256.
bool AllowsBytes(const Grammar& start, const std::string& text) {
  Grammar state(start);
  return std::all_of(text.begin(), text.end(),
                     [&](char byte) { return state.Accept(static_cast<unsigned char>(byte)); });
}

// Asks about all tokens at a text's end in several ways. With a reference the tokens that both
// allow come back: llama.cpp takes bytes for characters that are no UTF-8, and refuses the
// beginnings of characters where a class leaves others out. So they agree about whole characters
// alone.
std::vector<llama_token> Asked(const Grammar& state, const std::string& text,
                               const Reference* reference) {
  const std::vector<llama_token> kept = Kept(state);
  const auto keeps = [&kept](llama_token t) {
    return std::binary_search(kept.begin(), kept.end(), t);
  };
  const bool is_torn = !IsText(text, false);
  for (const llama_token token : kept) {
    Expect(state.Allows(token), "what is kept is allowed");
    if (Engine().llama_vocab_is_eog(vocab, token)) {
      Expect(!is_torn, "a text ends with a character");
      continue;
    }
    const std::string more = TextOf(token);
    Expect(IsText(text + more, true), "texts are UTF-8");
  }
  for (const Candidate& c : AllTokens()) {
    const bool is_control =
        Engine().llama_vocab_get_attr(vocab, c.token) & LLAMA_TOKEN_ATTR_CONTROL;
    if (is_control || IsShort(c.token)) continue;
    Expect(keeps(c.token) == AllowsBytes(state, TextOf(c.token)),
           "a long token is what its bytes are");
  }
  // What has begun can go on.
  Expect(!is_torn || !kept.empty(), "a character that has begun can end");
  if (reference == nullptr) return kept;
  std::vector<llama_token> both;
  for (const llama_token token : reference->Kept()) {
    const bool is_whole =
        !is_torn && (Engine().llama_vocab_is_eog(vocab, token) || IsText(TextOf(token), false));
    Expect(!is_whole || keeps(token), "what llama.cpp allows is allowed");
    if (keeps(token)) both.push_back(token);
  }
  for (const llama_token token : kept) {
    const bool is_end = Engine().llama_vocab_is_eog(vocab, token);
    const bool is_whole = !is_torn && IsShort(token) && (is_end || IsText(TextOf(token), false));
    Expect(!is_whole || std::binary_search(both.begin(), both.end(), token),
           "llama.cpp allows what is allowed");
  }
  return both;
}

// Goes on by allowed tokens, and asks about all of them on the way.
void Walk(Grammar state, const std::string& choices, Reference* reference) {
  std::string text;
  for (size_t i = 0; i < std::min(choices.size(), kMostSteps); ++i) {
    const std::vector<llama_token> kept = Asked(state, text, reference);
    if (kept.empty()) return;
    const auto choice = static_cast<unsigned char>(choices[i]);
    const llama_token token = kept[choice % kept.size()];
    Grammar copy(state);
    const bool ends = Engine().llama_vocab_is_eog(vocab, token);
    Expect(state.Accept(token) != ends, "a kept token is accepted");
    Expect(copy.Accept(token) != ends, "a copy accepts it too");
    if (ends) {
      Expect(Kept(state).empty(), "nothing follows an end");
      return;
    }
    Expect(Kept(copy) == Kept(state), "copies agree");
    text += TextOf(token);
    if (reference != nullptr) reference->Accept(token);
  }
}

}  // namespace

extern "C" int LLVMFuzzerInitialize(int*, char***) {
  llama_ets::OpenEngine(std::getenv("LLAMA_ETS_ENGINE"));
  llama_model_params params = Engine().llama_model_default_params();
  params.vocab_only = true;
  const llama_model* model =
      Engine().llama_model_load_from_file(std::getenv("LLAMA_ETS_FUZZ_MODEL"), params);
  if (model == nullptr) abort();
  vocab = Engine().llama_model_get_vocab(model);
  return 0;
}

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string input(reinterpret_cast<const char*>(data), size);
  llama_ets::Sampling sampling;
  sampling.grammar = input.c_str();
  const size_t behind = sampling.grammar.size() + 1;
  const std::string choices = behind < size ? input.substr(behind) : std::string();
  if (!IsText(sampling.grammar, false)) return -1;
  const Verdict verdict = VerdictOf(sampling.grammar);
  std::optional<Grammar> grammar;
  try {
    grammar.emplace(vocab, sampling);
    if (verdict != Verdict::kTaken) Walk(*grammar, choices, nullptr);
  } catch (const EngineError&) {
    // Ours may refuse only what llama.cpp can't bear either.
    Expect(verdict != Verdict::kTaken, "what llama.cpp takes is taken");
    return 0;
  }
  Expect(verdict != Verdict::kWrong, "llama.cpp takes what is taken");
  if (verdict != Verdict::kTaken) return 0;
  Reference reference(sampling.grammar);
  try {
    if (reference) Walk(*grammar, choices, &reference);
  } catch (const EngineError&) {
    // A text of a recursive grammar may have more readings than ours holds.
  }
  return 0;
}
