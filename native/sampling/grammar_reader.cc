#include "sampling/grammar_reader.h"

#include <algorithm>
#include <string>
#include <utility>

#include "files/engine_error.h"

namespace llama_ets {

using Kind = GrammarRules::Element::Kind;

namespace {

// The largest number of different readings of one beginning. Each of them costs time at each
// character. Real grammars have fewer.
constexpr size_t kMostReadings = 4096;
// The largest number of steps of one reader, which take a second or two, and of its stacks, which
// take some tens of megabytes. A rule that begins with itself would have infinitely many stacks.
constexpr uint64_t kMostWork = 1 << 25;
constexpr size_t kMostStacks = 1 << 20;
// What a reader may remember from one text to the next, in units of one stack; also some tens of
// megabytes.
constexpr size_t kMostRemembered = 1 << 19;
constexpr size_t kCostOfReadings = 256;  // of one Readings, in the same unit, without its stacks

}  // namespace

GrammarState GrammarReader::Begin(const GrammarRules& rules) {
  const GrammarState nothing;
  GrammarReader reader(rules, nothing);
  std::vector<uint32_t> stacks;
  ++reader.step_;
  for (const uint32_t first : rules.alternatives[rules.root]) {
    reader.Expand(reader.Pushed(first, kEmptyStack), &stacks);
  }
  return reader.StateAt({reader.NumberOf(std::move(stacks)), {}});
}

GrammarReader::GrammarReader(const GrammarRules& rules, const GrammarState& state)
    : rules_(rules), state_(state) {
  Restart();
}

// Forgets everything except the state.
void GrammarReader::Restart() {
  stacks_ = state_.stacks_;
  number_of_stack_.clear();
  for (uint32_t stack = 1; stack < stacks_.size(); ++stack) {
    const auto& [element, below] = stacks_[stack];
    number_of_stack_.emplace(uint64_t{element} << 32 | below, stack);
  }
  seen_.clear();
  readings_.clear();
  number_of_readings_.clear();
  members_ = 0;
  NumberOf({});  // kNowhere
  start_ = NumberOf(state_.readings_);
}

bool GrammarReader::MayEnd() const {
  const std::vector<uint32_t>& stacks = state_.readings_;
  return state_.torn_.missing() == 0 && !stacks.empty() && stacks.front() == kEmptyStack;
}

GrammarReader::Place GrammarReader::Read(const std::string& bytes) {
  const size_t remembered = stacks_.size() + members_ + readings_.size() * kCostOfReadings;
  if (remembered > kMostRemembered + state_.stacks_.size()) Restart();
  Place place{start_, state_.torn_};
  for (size_t i = 0; i < bytes.size() && place; ++i) {
    // U+0000 is refused, because llama.cpp's texts end with it.
    if (bytes[i] == '\0' || !place.torn.Add(bytes[i])) return {};
    if (place.torn.missing() == 0) place = {After(place.readings, place.torn.low()), {}};
  }
  return MayGoOn(place) ? place : Place{};
}

// Whether the text may go on from a place. If the place is within a character, its bytes must be
// the beginning of a character that may come next.
bool GrammarReader::MayGoOn(Place place) const {
  if (place.torn.missing() == 0) return static_cast<bool>(place);
  const std::vector<uint32_t>& stacks = readings_[place.readings].stacks;
  return std::any_of(stacks.begin(), stacks.end(), [&](uint32_t stack) {
    return stack != kEmptyStack &&
           rules_.HasAnyOf(TopOf(stack), place.torn.low(), place.torn.high());
  });
}

// The state at a place. It holds only the stacks that the place's readings use.
GrammarState GrammarReader::StateAt(Place place) const {
  std::vector<uint32_t> used = readings_[place.readings].stacks;
  std::unordered_map<uint32_t, uint32_t> new_number{{kEmptyStack, kEmptyStack}};
  for (size_t i = 0; i < used.size(); ++i) {
    if (new_number.emplace(used[i], 0).second) used.push_back(stacks_[used[i]].below);
  }
  std::sort(used.begin(), used.end());
  used.erase(std::unique(used.begin(), used.end()), used.end());
  GrammarState state;
  for (const uint32_t stack : used) {
    if (stack == kEmptyStack) continue;
    const auto& [element, below] = stacks_[stack];
    new_number[stack] = static_cast<uint32_t>(state.stacks_.size());
    state.stacks_.push_back({element, new_number[below]});
  }
  for (const uint32_t stack : readings_[place.readings].stacks) {
    state.readings_.push_back(new_number[stack]);
  }
  state.torn_ = place.torn;
  return state;
}

// The stack `below` with an element on top. The end of a sequence is not pushed.
uint32_t GrammarReader::Pushed(uint32_t element, uint32_t below) {
  CountWork();
  if (rules_.elements[element].kind == Kind::kEnd) return below;
  const auto [found, is_new] = number_of_stack_.emplace(uint64_t{element} << 32 | below,
                                                        static_cast<uint32_t>(stacks_.size()));
  if (is_new) stacks_.push_back({element, below});
  return found->second;
}

// Replaces a rule on top of the stack by its alternatives until a character is on top or the stack
// is empty. Appends the resulting stacks to `into`.
void GrammarReader::Expand(uint32_t stack, std::vector<uint32_t>* into) {
  std::vector<uint32_t> todo{stack};
  while (!todo.empty()) {
    const uint32_t top = todo.back();
    todo.pop_back();
    if (seen_.size() < stacks_.size()) seen_.resize(stacks_.size(), 0);
    if (std::exchange(seen_[top], step_) == step_) continue;
    if (top == kEmptyStack || TopOf(top).kind == Kind::kCharacter) {
      into->push_back(top);
      continue;
    }
    const auto [element, below] = stacks_[top];
    const uint32_t rest = Pushed(element + 1, below);
    for (const uint32_t first : rules_.alternatives[rules_.elements[element].value]) {
      todo.push_back(Pushed(first, rest));
    }
  }
}

// The number of a set of readings. `stacks` must not hold a stack twice.
uint32_t GrammarReader::NumberOf(std::vector<uint32_t> stacks) {
  if (stacks.size() > kMostReadings) {
    throw EngineError("ERR_CONSTRAINT",
                      "The grammar is too ambiguous: the text so far can be read in more than " +
                          std::to_string(kMostReadings) + " ways");
  }
  std::sort(stacks.begin(), stacks.end());
  const auto [found, is_new] =
      number_of_readings_.emplace(stacks, static_cast<uint32_t>(readings_.size()));
  if (is_new) {
    members_ += stacks.size();
    readings_.emplace_back();
    readings_.back().stacks = std::move(stacks);
    readings_.back().after_small.fill(kUnknown);
  }
  return found->second;
}

uint32_t GrammarReader::After(uint32_t readings, uint32_t code_point) {
  Readings& from = readings_[readings];
  uint32_t& after = code_point < kSmall
                        ? from.after_small[code_point]
                        : from.after_large.try_emplace(code_point, kUnknown).first->second;
  if (after == kUnknown) after = FindAfter(readings, code_point);
  return after;
}

uint32_t GrammarReader::FindAfter(uint32_t readings, uint32_t code_point) {
  ++step_;
  std::vector<uint32_t> after;
  for (const uint32_t stack : readings_[readings].stacks) {
    CountWork();
    if (stack == kEmptyStack || !rules_.HasAnyOf(TopOf(stack), code_point, code_point)) continue;
    const auto [element, below] = stacks_[stack];
    Expand(Pushed(element + 1, below), &after);
  }
  return NumberOf(std::move(after));
}

void GrammarReader::CountWork() {
  if (++work_ <= kMostWork && stacks_.size() <= kMostStacks) return;
  throw EngineError("ERR_CONSTRAINT",
                    "The grammar is too ambiguous: it takes too long to say what may come next");
}

}  // namespace llama_ets
