#include "sampling/grammar_rules.h"

#include <algorithm>
#include <optional>
#include <unordered_map>
#include <utility>

#include "files/engine_error.h"
#include "sampling/torn_character.h"

namespace llama_ets {
namespace {

using Element = GrammarRules::Element;
using Kind = Element::Kind;
using Range = CodePointRange;
using Sequence = std::vector<Element>;

// The largest number of elements and ranges, with all repetitions written out.
// src/engine/constraint/limits.ts allows far fewer.
constexpr size_t kMostElements = 1 << 20;
constexpr int kMostDepth = 200;
// llama.cpp refuses larger lower bounds and treats larger upper bounds as no bound.
constexpr uint64_t kMostRepeats = 2000;
constexpr uint64_t kNoBound = UINT64_MAX;

class Parser {
 public:
  explicit Parser(const std::string& source) : source_(source) {}

  GrammarRules Parse() {
    SkipSpace(true);
    while (at_ < source_.size()) ParseRule();
    for (const auto& [name, rule] : rule_of_) {
      if (rules_.alternatives[rule].empty()) Fail("the rule `" + name + "` is not defined");
    }
    const auto root = rule_of_.find("root");
    if (root == rule_of_.end()) Fail("there is no rule `root`");
    rules_.root = root->second;
    return std::move(rules_);
  }

 private:
  [[noreturn]] void Fail(const std::string& what) const {
    throw EngineError("ERR_CONSTRAINT", "Expected a grammar in GBNF, but at byte " +
                                            std::to_string(at_ + 1) + " " + what);
  }

  char Peek(size_t ahead = 0) const {
    return at_ + ahead < source_.size() ? source_[at_ + ahead] : '\0';
  }

  bool Take(char expected) {
    const bool is_there = at_ < source_.size() && source_[at_] == expected;
    if (is_there) ++at_;
    return is_there;
  }

  void SkipSpace(bool with_newlines) {
    for (;; ++at_) {
      if (Peek() == '#') at_ = std::min(source_.find_first_of("\r\n", at_), source_.size());
      const bool is_newline = Peek() == '\r' || Peek() == '\n';
      if (Peek() != ' ' && Peek() != '\t' && !(with_newlines && is_newline)) return;
    }
  }

  static bool IsDigit(char c) { return '0' <= c && c <= '9'; }
  static bool IsOfName(char c) {
    return ('a' <= c && c <= 'z') || ('A' <= c && c <= 'Z') || c == '-' || IsDigit(c);
  }

  // Reads a rule's name and returns the rule's number.
  uint32_t TakeName() {
    const size_t start = at_;
    while (IsOfName(Peek())) ++at_;
    if (at_ == start) Fail("a rule's name should stand");
    const auto [named, is_new] = rule_of_.try_emplace(source_.substr(start, at_ - start), 0);
    if (is_new) named->second = NewRule();
    return named->second;
  }

  uint32_t NewRule() {
    rules_.alternatives.emplace_back();
    return static_cast<uint32_t>(rules_.alternatives.size() - 1);
  }

  void AddAlternative(uint32_t rule, const Sequence& sequence) {
    ThrowIfTooLarge(sequence.size());
    rules_.alternatives[rule].push_back(static_cast<uint32_t>(rules_.elements.size()));
    rules_.elements.insert(rules_.elements.end(), sequence.begin(), sequence.end());
    rules_.elements.push_back({Kind::kEnd, 0, 0});
  }

  void ThrowIfTooLarge(size_t more) const {
    if (rules_.elements.size() + rules_.ranges.size() + more > kMostElements) {
      Fail("it has more than " + std::to_string(kMostElements) + " elements");
    }
  }

  // If several rules have the same name, the last one counts, as in llama.cpp.
  void ParseRule() {
    const uint32_t rule = TakeName();
    SkipSpace(false);
    if (source_.compare(at_, 3, "::=") != 0) Fail("`::=` should stand");
    at_ += 3;
    SkipSpace(true);
    rules_.alternatives[rule].clear();
    ParseAlternatives(rule, 0);
    if (at_ < source_.size() && Peek() != '\r' && Peek() != '\n') Fail("the line should end");
    SkipSpace(true);
  }

  void ParseAlternatives(uint32_t rule, int depth) {
    if (depth > kMostDepth) Fail("groups nest too deeply");
    do {
      if (!rules_.alternatives[rule].empty()) SkipSpace(true);
      AddAlternative(rule, ParseSequence(depth));
    } while (Take('|'));
  }

  Sequence ParseSequence(int depth) {
    Sequence sequence;
    size_t last = 0;  // where the last item begins, which a bound after it repeats
    for (;;) {
      if (const auto bounds = TakeBounds(depth > 0)) {
        if (last == sequence.size()) Fail("nothing stands that could be repeated");
        Repeat(*bounds, last, &sequence);
      } else {
        const size_t before = sequence.size();
        if (!TakeItem(depth, &sequence)) return sequence;
        last = before;
      }
      SkipSpace(depth > 0);
    }
  }

  bool TakeItem(int depth, Sequence* sequence) {
    if (Take('"')) {
      while (!Take('"')) {
        const uint32_t point = TakeCharacter();
        sequence->push_back(SetOf({{point, point}}));
      }
    } else if (Take('[')) {
      TakeSet(sequence);
    } else if (Take('.')) {
      sequence->push_back(SetOf({{0, kLastCodePoint}}));
    } else if (Take('(')) {
      SkipSpace(true);
      const uint32_t group = NewRule();
      ParseAlternatives(group, depth + 1);
      if (!Take(')')) Fail("`)` is missing");
      sequence->push_back({Kind::kRule, group, 0});
    } else if (IsOfName(Peek())) {
      sequence->push_back({Kind::kRule, TakeName(), 0});
    } else if (Peek() == '<' || Peek() == '!') {
      Fail("a token is named, which is not supported");
    } else {
      return false;
    }
    return true;
  }

  // Reads a character class after its `[`. Like llama.cpp, it ignores a class without characters.
  void TakeSet(Sequence* sequence) {
    const bool is_negated = Take('^');
    std::vector<Range> ranges;
    while (!Take(']')) {
      const uint32_t first = TakeCharacter();
      uint32_t last = first;
      if (Peek() == '-' && Peek(1) != ']') {
        ++at_;
        last = TakeCharacter();
      }
      ranges.push_back({first, last});
    }
    if (ranges.empty()) return;
    ranges = Merged(std::move(ranges));
    sequence->push_back(SetOf(is_negated ? Others(ranges) : ranges));
  }

  Element SetOf(const std::vector<Range>& ranges) {
    ThrowIfTooLarge(ranges.size());
    const auto first = static_cast<uint32_t>(rules_.ranges.size());
    rules_.ranges.insert(rules_.ranges.end(), ranges.begin(), ranges.end());
    return {Kind::kCharacter, first, static_cast<uint32_t>(ranges.size())};
  }

  uint32_t TakeCharacter() {
    if (Take('\\')) return TakeEscaped();
    if (at_ >= source_.size()) Fail("a text or a class has no end");
    TornCharacter character;
    do {
      if (!character.Add(source_[at_])) Fail("there is no UTF-8");
      ++at_;
    } while (character.missing() > 0 && at_ < source_.size());
    if (character.missing() > 0) Fail("a character has no end");
    return character.low();
  }

  uint32_t TakeEscaped() {
    const char kind = Peek();
    ++at_;
    switch (kind) {
      case 'x':
        return TakeHex(2);
      case 'u':
        return TakeHex(4);
      case 'U':
        return TakeHex(8);
      case 't':
        return '\t';
      case 'r':
        return '\r';
      case 'n':
        return '\n';
      case '\\':
      case '"':
      case '[':
      case ']':
      case '-':
        return static_cast<uint32_t>(kind);
      default:
        Fail("there is no such escape");
    }
  }

  uint32_t TakeHex(size_t digits) {
    uint32_t value = 0;
    for (size_t i = 0; i < digits; ++i, ++at_) {
      const char c = Peek();
      const bool is_letter = ('a' <= c && c <= 'f') || ('A' <= c && c <= 'F');
      if (!is_letter && !IsDigit(c)) Fail("a hexadecimal digit is missing");
      value = value << 4 | static_cast<uint32_t>(IsDigit(c) ? c - '0' : (c & 15) + 9);
    }
    return value;
  }

  struct Bounds {
    uint64_t min;
    uint64_t max;
  };

  std::optional<Bounds> TakeBounds(bool with_newlines) {
    if (Take('*')) return Bounds{0, kNoBound};
    if (Take('+')) return Bounds{1, kNoBound};
    if (Take('?')) return Bounds{0, 1};
    if (!Take('{')) return std::nullopt;
    SkipSpace(with_newlines);
    if (!IsDigit(Peek())) Fail("a number of repetitions is missing");
    Bounds bounds{TakeNumber(), kNoBound};
    SkipSpace(with_newlines);
    if (Take(',')) {
      SkipSpace(with_newlines);
      if (IsDigit(Peek())) bounds.max = TakeNumber();
      SkipSpace(with_newlines);
    } else {
      bounds.max = bounds.min;
    }
    if (!Take('}')) Fail("`}` is missing");
    if (bounds.min > kMostRepeats) Fail("more than 2000 repetitions stand");
    if (bounds.max < bounds.min) Fail("the bounds of a repetition run backwards");
    if (bounds.max > kMostRepeats) bounds.max = kNoBound;
    return bounds;
  }

  // Returns kMostRepeats + 1 for all larger numbers.
  uint64_t TakeNumber() {
    uint64_t number = 0;
    for (; IsDigit(Peek()); ++at_) {
      number = std::min(number * 10 + static_cast<uint64_t>(Peek() - '0'), kMostRepeats + 1);
    }
    return number;
  }

  // Repeats the elements from `last` on: S{2,4} becomes S S A with A ::= S B | and B ::= S |, and
  // S{2,} becomes S S A with A ::= S A |.
  void Repeat(Bounds bounds, size_t last, Sequence* sequence) {
    const Sequence once(sequence->begin() + static_cast<std::ptrdiff_t>(last), sequence->end());
    ThrowIfTooLarge(last + once.size() * bounds.min);
    sequence->resize(last);
    for (uint64_t i = 0; i < bounds.min; ++i) {
      sequence->insert(sequence->end(), once.begin(), once.end());
    }
    std::optional<uint32_t> more;
    const auto add = [&](std::optional<uint32_t> next) {
      const uint32_t rule = NewRule();
      Sequence again = once;
      if (bounds.max == kNoBound) next = rule;
      if (next) again.push_back({Kind::kRule, *next, 0});
      AddAlternative(rule, again);
      AddAlternative(rule, {});
      more = rule;
    };
    if (bounds.max == kNoBound) {
      add(std::nullopt);
    } else {
      for (uint64_t i = bounds.min; i < bounds.max; ++i) add(more);
    }
    if (more) sequence->push_back({Kind::kRule, *more, 0});
  }

  const std::string& source_;
  size_t at_ = 0;
  std::unordered_map<std::string, uint32_t> rule_of_;
  GrammarRules rules_;
};

}  // namespace

bool GrammarRules::HasAnyOf(const Element& set, uint32_t low, uint32_t high) const {
  const auto begin = ranges.begin() + static_cast<std::ptrdiff_t>(set.value);
  const auto end = begin + static_cast<std::ptrdiff_t>(set.count);
  const auto range = std::lower_bound(
      begin, end, low, [](const CodePointRange& r, uint32_t point) { return r.last < point; });
  return range != end && range->first <= high;
}

GrammarRules ParseGrammar(const std::string& source) {
  return Parser(source).Parse();
}

}  // namespace llama_ets
